"""`egress exec`: the launcher's promises to the command it runs."""

import os
import pty
import subprocess

import pytest

from conftest import BIN


def execute(host, *command, flags=()):
    env = host.environment(preload=False)
    for variable in ("EGRESS_SERVER", "EGRESS_NAMESPACE", "EGRESS_RESOLVE"):
        env.pop(variable, None)
    resolve = ";".join(f"{name}={','.join(to)}" for name, to in host.resolve.items())
    return subprocess.run([BIN / "egress", "exec", "--server", host.server_url, "-n", "test", "--resolve", resolve,
                           *flags, "--", *map(str, command)],
                          env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=60)


def test_the_command_is_confined(host, allowed_upstream, denied_upstream):
    allowed = execute(host, "curl", "-sS", f"http://allowed.test:{allowed_upstream.port}/")
    assert (allowed.returncode, allowed.stdout) == (0, "hello\n"), allowed.stderr
    assert execute(host, "curl", "-sS", f"http://denied.test:{denied_upstream.port}/").returncode == 7
    assert denied_upstream.connections == 0


@pytest.mark.parametrize("status", [0, 1, 42, 255])
def test_the_exit_status_is_the_commands(host, status):
    assert execute(host, "sh", "-c", f"exit {status}").returncode == status


def test_death_by_signal_is_seen_as_such(host):
    assert execute(host, "sh", "-c", "kill -TERM $$").returncode == -15


def test_a_missing_command_is_127_and_an_unexecutable_one_126(host, tmp_path):
    missing = execute(host, "no-such-command-anywhere")
    assert missing.returncode == 127 and "no-such-command-anywhere" in missing.stderr
    plain = tmp_path / "plain.txt"
    plain.write_text("not a program")
    unexecutable = execute(host, plain)
    assert unexecutable.returncode == 126 and str(plain) in unexecutable.stderr


def test_arguments_stdio_and_environment_pass_through(host):
    env = host.environment(preload=False, MARK="kept")
    done = subprocess.run([BIN / "egress", "exec", "-n", "test", "--", "sh", "-c", 'cat; echo "$MARK|$1|$2" >&2', "sh",
                           "a b", "-n"], env=env, input="piped", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=60)
    assert done.returncode == 0
    assert done.stdout == "piped"
    assert "kept|a b|-n" in done.stderr


def test_an_existing_preload_is_kept(host):
    env = host.environment(preload=False, LD_PRELOAD="libSegFault-that-does-not-exist.so")
    done = subprocess.run([BIN / "egress", "exec", "-n", "test", "--", "sh", "-c", "echo $LD_PRELOAD"], env=env,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    first, second = done.stdout.strip().replace(" ", ":").split(":")
    assert first.endswith("/libegress.so") and second == "libSegFault-that-does-not-exist.so"


def test_the_terminal_stays_the_commands(host):
    """Under a terminal the command is its foreground process group, as without us."""
    env = host.environment(preload=False)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(BIN / "egress", ["egress", "exec", "-n", "test", "--", "sh", "-c",
                                   "test -t 0 && test -t 1 && test -t 2 && ps -o stat= -p $$ | grep -q + && echo mine"], env)
    output = b""
    while True:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:
            break
        if not chunk:
            break
        output += chunk
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0, output
    assert b"mine" in output


@pytest.mark.parametrize("level", ["hybrid", "strict", "nonsense"])
def test_levels_this_build_does_not_enforce_are_refused(host, level):
    done = execute(host, "true", flags=["--level", level])
    assert done.returncode not in (0, 126, 127)
    assert level in done.stderr and "preload" in done.stderr


def test_a_static_target_is_warned_about(host, tmp_path):
    source = tmp_path / "static.c"
    source.write_text("int main(void) { return 0; }\n")
    target = tmp_path / "static"
    if subprocess.run(["cc", "-static", "-o", target, source], stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("no static libc to link against")
    done = execute(host, target)
    assert done.returncode == 0
    assert "static" in done.stderr


def test_status_without_an_agent_says_so(host):
    done = subprocess.run([BIN / "egress", "status"], env=host.environment(preload=False), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=30)
    assert done.returncode == 3
    assert "agent" in done.stderr
