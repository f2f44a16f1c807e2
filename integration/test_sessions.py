"""Under `egress exec` the session is the launcher's, whatever descendants do to their environment: real processes."""

import os
import shutil
import signal
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from conftest import BIN, LIBRARY, clean_environment, eventually, require_tool, runs_under_preload

PYTHON = "/usr/bin/python3"
DIAL = ("import socket, sys\n"
        "try:\n"
        "    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10).close()\n"
        "    print('connected', flush=True)\n"
        "except ConnectionRefusedError:\n"
        "    print('refused', flush=True)\n")
# A child with what its arguments change in the environment: NAME=value, or NAME to unset.
WITH = ("import os, sys\n"
        "for change in sys.argv[1].split():\n"
        "    name, _, value = change.partition('=')\n"
        "    os.environ.pop(name, None) if not _ else os.environ.__setitem__(name, value)\n"
        "os.execvp(sys.argv[2], sys.argv[2:])\n")


@pytest.fixture
def lax(server, host):
    """A namespace that allows what `test` denies: where a process under `test` would like to be."""
    server.post("/api/fleet/namespaces", {"name": "lax", "loopback": "enforce",
                                          "allowed_domains": ["allowed.test", "denied.test"]})


def exec_command(host, *command, flags=("-n", "test"), **extra):
    env = host.environment(namespace="", preload=False, **extra)
    return [[BIN / "egress", "exec", *flags, "--", *map(str, command)], env]


def execute(host, *command, flags=("-n", "test"), prefix=(), timeout_s=60, **extra):
    arguments, env = exec_command(host, *command, flags=flags, **extra)
    return subprocess.run([*prefix, *arguments], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=timeout_s)


def dial(upstream, name="denied.test"):
    return [PYTHON, "-c", DIAL, name, str(upstream.port)]


def changed(changes, *command):
    return [PYTHON, "-c", WITH, changes, *map(str, command)]


CHANGES = {
    "another namespace": "EGRESS_NAMESPACE=lax",
    "no namespace": "EGRESS_NAMESPACE",
    "everything": ("EGRESS_NAMESPACE=lax EGRESS_WORKLOAD=x EGRESS_LABELS=a=b EGRESS_TARGET=t EGRESS_TOKEN=egressw_x "
                   "EGRESS_SERVER=http://127.0.0.1:1"),
    "other answers": "EGRESS_RESOLVE=denied.test=127.0.0.2;allowed.test=127.0.0.3",
    "no server": "EGRESS_SERVER",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_descendants_stay_in_the_session(server, host, lax, allowed_upstream, denied_upstream, change):
    done = execute(host, *changed(change, *dial(denied_upstream)))
    assert done.stdout == "refused\n", done.stderr
    done = execute(host, "sh", "-c", '"$@"; true', "sh", *changed(change, *dial(allowed_upstream, "allowed.test")))
    assert done.stdout == "connected\n", done.stderr
    assert denied_upstream.connections == 0
    sessions = host.status()["sessions"]
    assert [session["namespace"] for session in sessions] == ["test"]


def test_a_bare_preload_is_what_it_claims(server, host, lax, denied_upstream):
    done = host.run(*changed("EGRESS_NAMESPACE=lax", *dial(denied_upstream)))
    assert done.returncode == 0 and done.stdout in ("connected\n", "refused\n"), done.stderr
    sessions = {session["namespace"] for session in host.status()["sessions"]}
    assert "lax" in sessions, "advisory, as the README says"


def test_other_sessions_go_on_beside(server, host, lax, denied_upstream):
    host.resolve["denied.test"] = ["127.0.0.3"]
    inside = execute(host, *dial(denied_upstream))
    outside = execute(host, *dial(denied_upstream), flags=("-n", "lax"))
    assert (inside.stdout, outside.stdout) == ("refused\n", "connected\n")


DAEMON = """
import os, socket, subprocess, sys
# Our session leader: has used the network, so that it is known; lives until its daemon is done.
os.setsid()
try:
    socket.create_connection(("denied.test", int(sys.argv[1])), timeout=10)
except ConnectionRefusedError:
    pass
read_end, write_end = os.pipe()
middle = os.fork()
if middle == 0:
    own = os.getpid()
    if os.fork() == 0:
        while os.getppid() == own:
            os.sched_yield()
        os.environ["EGRESS_NAMESPACE"] = "lax"
        out = subprocess.run([sys.executable, "-c", sys.argv[2], "denied.test", sys.argv[1]], stdout=subprocess.PIPE)
        os.write(write_end, out.stdout)
        os._exit(0)
    os._exit(0)
os.close(write_end)
os.waitpid(middle, 0)
print(os.read(read_end, 100).decode(), end="")
"""


def test_a_daemonised_grandchild_of_a_known_leader_stays(server, host, lax, denied_upstream):
    done = execute(host, "sh", "-c", '"$@"; true', "sh", PYTHON, "-c", DAEMON, denied_upstream.port, DIAL)
    assert done.stdout == "refused\n", done.stderr
    assert denied_upstream.connections == 0


ORPHAN = """
import os, subprocess, sys
# Its parent ends before it first uses the network, and leads no session: what is left of its descent is our session.
read_end, write_end = os.pipe()
middle = os.fork()
if middle == 0:
    own = os.getpid()
    if os.fork() == 0:
        while os.getppid() == own:
            os.sched_yield()
        os.environ["EGRESS_NAMESPACE"] = "lax"
        out = subprocess.run([sys.executable, "-c", sys.argv[2], "denied.test", sys.argv[1]], stdout=subprocess.PIPE)
        os.write(write_end, out.stdout)
        os._exit(0)
    os._exit(0)
os.close(write_end)
os.waitpid(middle, 0)
print(os.read(read_end, 100).decode(), end="")
"""


def test_an_orphan_stays_where_the_command_leads_its_session(server, host, lax, denied_upstream):
    """As under systemd, cron, ssh or in a container, where the command is the first of its session."""
    arguments, env = exec_command(host, PYTHON, "-c", ORPHAN, denied_upstream.port, DIAL)
    done = subprocess.run(arguments, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=60, start_new_session=True)
    assert done.stdout == "refused\n", done.stderr


@runs_under_preload
def test_a_nested_exec_keeps_the_outer_session(server, host, lax, denied_upstream):
    inner, _ = exec_command(host, *dial(denied_upstream), flags=("-n", "lax"))
    done = execute(host, *inner)
    assert done.stdout == "refused\n"
    assert "already under egress exec: namespace test stays" in done.stderr
    assert denied_upstream.connections == 0


@runs_under_preload
def test_a_nested_policy_file_that_would_not_be_in_force_is_refused(server, host, lax, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("apiVersion: egress/v1\nkind: EgressDomain\nmetadata: {name: denied.test}\nspec: {action: allow}\n")
    inner, _ = exec_command(host, "true", flags=("--policy", str(policy)))
    done = execute(host, *inner)
    assert done.returncode == 125
    assert "already under egress exec: namespace test stays" in done.stderr and "--policy" in done.stderr


STEPS = """
import os, socket, subprocess, sys
port = sys.argv[1]
def step(name):
    try:
        socket.create_connection((name, int(port)), timeout=10).close()
        return "connected"
    except ConnectionRefusedError:
        return "refused"
for line in sys.stdin:
    name, change = line.split()
    if change != "-":
        os.environ["EGRESS_NAMESPACE"] = change
        out = subprocess.run([sys.executable, "-c", sys.argv[2], name, port], stdout=subprocess.PIPE, text=True)
        print(out.stdout, end="", flush=True)
    else:
        print(step(name), flush=True)
"""


def test_another_agent_finds_the_tree_again(server, host, lax, allowed_upstream, denied_upstream):
    for upstream, name, expected in [(denied_upstream, "denied.test", "refused"),
                                     (allowed_upstream, "allowed.test", "connected")]:
        arguments, env = exec_command(host, PYTHON, "-c", STEPS, upstream.port, DIAL)
        command = subprocess.Popen(arguments, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)

        def ask(change):
            command.stdin.write(f"{name} {change}\n")
            command.stdin.flush()
            return command.stdout.readline().strip()

        assert ask("-") == expected
        host.stop_agent(signal.SIGKILL)
        assert ask("lax") == expected, "a child that starts the next agent"
        assert [session["namespace"] for session in host.status()["sessions"]] == ["test"]
        assert ask("-") == expected
        command.stdin.close()
        assert command.wait(30) == 0
        command.stdout.close()
        command.stderr.close()
        host.stop_agent()


def test_the_journal_is_private_and_ends_with_the_command(server, host):
    arguments, env = exec_command(host, "cat")
    command = subprocess.Popen(arguments, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    launches = host.runtime / "launches"
    eventually(lambda: launches.exists() and list(launches.iterdir()), what="the journal's entry")
    assert stat.S_IMODE(launches.stat().st_mode) == 0o700
    for entry in launches.iterdir():
        assert stat.S_IMODE(entry.stat().st_mode) == 0o600
    command.stdin.close()
    command.wait(10)
    command.stdout.close()
    command.stderr.close()
    eventually(lambda: not list(launches.iterdir()), 20, "the end of the journal's entry")


SHOW = ("import os\n"
        "mark = 'egress' + 'w_'\n"
        "print([name for name in os.environ if 'TOKEN' in name], open('/proc/self/cmdline').read().count(mark),\n"
        "      open('/proc/self/environ').read().count(mark))\n")


def register(server):
    return server.post("/api/fleet/workloads", {"name": "web", "namespace": "test"})["token"]


@pytest.mark.parametrize("how", ["environment", "file"])
def test_the_command_is_known_by_a_token_that_it_does_not_get(server, host, allowed_upstream, tmp_path, how):
    token = register(server)
    file = tmp_path / "token"
    file.write_text(token + "\n")
    flags, extra = (("--token-file", str(file)), {}) if how == "file" else ((), {"EGRESS_TOKEN": token})
    shown = execute(host, PYTHON, "-c", SHOW, flags=flags, **extra)
    assert shown.stdout == "[] 0 0\n", shown.stderr
    done = execute(host, *changed("EGRESS_NAMESPACE=lax", *dial(allowed_upstream, "allowed.test")), flags=flags, **extra)
    assert done.stdout == "connected\n", done.stderr
    session = host.status()["sessions"][0]
    assert (session["namespace"], session["workload"], session["authenticated"]) == ("test", "web", True)
    for file in host.state.rglob("*"):
        assert not file.is_file() or token.encode() not in file.read_bytes(), file


def test_a_tokens_session_survives_its_agent(server, host, allowed_upstream):
    token = register(server)
    arguments, env = exec_command(host, PYTHON, "-c", STEPS, allowed_upstream.port, DIAL, flags=(), EGRESS_TOKEN=token)
    command = subprocess.Popen(arguments, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True)

    def ask(line):
        command.stdin.write(line + "\n")
        command.stdin.flush()
        return command.stdout.readline().strip()

    assert ask("allowed.test -") == "connected"
    host.stop_agent(signal.SIGKILL)
    assert ask("allowed.test other") == "connected"
    command.stdin.close()
    assert command.wait(30) == 0
    command.stdout.close()
    command.stderr.close()


@pytest.mark.parametrize("content", ["", "two words\n", "a\nb\n", "x" * 2000])
def test_a_token_file_that_holds_none_is_refused(host, tmp_path, content):
    file = tmp_path / "token"
    file.write_text(content)
    done = execute(host, "true", flags=("--token-file", str(file)))
    assert done.returncode == 125 and "--token-file" in done.stderr and str(file) in done.stderr
    assert content == "" or content.strip() not in done.stderr


@pytest.fixture
def nobodys_host(host):
    """The host's directories are those of a user without rights."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    home = Path(tempfile.mkdtemp(prefix="egress-nobody."))
    os.chown(home, 65534, 65534)
    host.runtime, host.state = home / "run", home / "state"
    yield host
    host.stop_agent()
    shutil.rmtree(home)


def test_an_unprivileged_users_agent_does_the_same(nobodys_host, lax, denied_upstream, allowed_upstream):
    require_tool("setpriv")
    prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if subprocess.run([*prefix, "test", "-r", LIBRARY]).returncode != 0:
        pytest.skip("the library is closed to other users")
    refused = execute(nobodys_host, *changed("EGRESS_NAMESPACE=lax", *dial(denied_upstream)), prefix=prefix)
    assert refused.stdout == "refused\n", refused.stderr
    connected = execute(nobodys_host, *changed("EGRESS_NAMESPACE", *dial(allowed_upstream, "allowed.test")),
                        prefix=prefix)
    assert connected.stdout == "connected\n", connected.stderr
    assert os.stat(nobodys_host.runtime / "agent.sock").st_uid == 65534


@pytest.fixture
def machine(tmp_path, server):
    """A mount namespace whose /run is empty but for root's agent, which serves every user."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    env = clean_environment()
    env.pop("XDG_RUNTIME_DIR", None)
    env.update(EGRESS_STATE_DIR=str(tmp_path / "state"))
    script = 'mount -t tmpfs none /run && echo ready && exec "$0" agent --foreground --idle-exit 0'
    agent = subprocess.Popen(["unshare", "--mount", "sh", "-c", script, BIN / "egress"], env=env, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
    if agent.stdout.readline() != "ready\n":
        agent.wait(10)
        pytest.skip(f"this kernel gives no mount namespaces: {agent.stderr.read().strip()}")
    enter = ["nsenter", f"--target={agent.pid}", "--mount", "--"]
    eventually(lambda: subprocess.run([*enter, "test", "-S", "/run/egress/agent.sock"]).returncode == 0,
               what="root's agent")
    yield enter
    agent.terminate()
    agent.wait(10)
    agent.stdout.close()
    agent.stderr.close()


def test_roots_tree_goes_on_in_other_users(server, host, lax, machine, denied_upstream, allowed_upstream):
    require_tool("setpriv")
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if subprocess.run([*machine, *nobody, "test", "-r", LIBRARY]).returncode != 0:
        pytest.skip("the library is closed to other users")

    def run(*command):
        arguments, env = exec_command(host, *command)
        del env["EGRESS_RUNTIME_DIR"]
        env.pop("XDG_RUNTIME_DIR", None)
        return subprocess.run([*machine, *arguments], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60)

    refused = run(*nobody, *changed("EGRESS_NAMESPACE=lax", *dial(denied_upstream)))
    assert refused.stdout == "refused\n", refused.stderr
    connected = run(*nobody, *changed("EGRESS_NAMESPACE=nowhere", *dial(allowed_upstream, "allowed.test")))
    assert connected.stdout == "connected\n", connected.stderr
