"""TLS, people's tokens, workloads' tokens and the agent at once: the server as it runs outside of tests."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from conftest import BIN, Host, Server, clean_environment, eventually
from test_namespaces import given, refused
from test_tls import certificate_of, held_polls
from test_workloads import WITHIN_S, Loop, by_token, outcome, register
from tls_files import Authority


NAMES = "DNS:localhost,IP:127.0.0.1,DNS:egress.example,IP:192.0.2.1"
PROGRAMS = Path(__file__).parent / "programs"
PYTHON = "/usr/bin/python3"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "tls")


@pytest.fixture
def closed(tmp_path, authority):
    """An https server that was closed offline before it first ran, and namespace `test` on it."""
    server = Server(tmp_path / "server", tls=(*authority.issue("server", NAMES), authority.pem),
                    arguments=["--allowed-host", "egress.example"])
    made = server.offline("token", "create", "--role", "admin", "--name", "root-admin")
    assert made.returncode == 0, made.stderr
    server.token = made.stdout.strip()
    server.start()
    given(server, "test", loopback="enforce", allowed_domains=["allowed.test"])
    yield server
    server.stop()


@pytest.fixture
def machine(tmp_path, closed, authority):
    """A host whose agent trusts the authority; what runs on it says so with every program."""
    host = Host(tmp_path / "host", closed.url)
    host.resolve = {"allowed.test": ["127.0.0.2"], "denied.test": ["127.0.0.3"]}
    plain = host.environment
    host.environment = lambda *arguments, **extra: plain(*arguments, **{"EGRESS_CA": str(authority.pem), **extra})
    yield host
    host.stop_agent()


def test_a_registered_workload_over_tls(closed, machine, allowed_upstream, denied_upstream):
    """Policy is pushed, a denial is audited with the workload's name, a revocation holds within a second."""
    token = register(closed)
    loop = Loop(machine, allowed_upstream, **by_token(token))
    try:
        loop.becomes("connected")
        assert outcome(machine, denied_upstream, "denied.test", **by_token(token)) == "refused"
        rows = eventually(lambda: closed.audit("proxy_domain_denied", host="denied.test"), what="the audit row")
        assert {(row["detail"]["workload"], row["namespace"]) for row in rows} == {("web", "test")}
        eventually(lambda: held_polls(closed) >= 1, what="the agent's poll")
        given(closed, "test", allowed_domains=[])
        loop.becomes("refused")
        given(closed, "test", allowed_domains=["allowed.test"])
        loop.becomes("connected")
        assert outcome(machine, allowed_upstream) == "refused", "nobody is served without a token"
        assert closed.call("DELETE", "/api/fleet/workloads?namespace=test&name=web").status == 200
        loop.becomes("refused", WITHIN_S)
        done = machine.run("curl", "-sS", f"http://allowed.test:{allowed_upstream.port}/", **by_token(token))
        assert done.returncode == 7 and "revoked" in done.stderr, done.stderr
    finally:
        loop.end()
    assert denied_upstream.connections == 0


def test_a_new_certificate_under_a_held_poll(closed, machine, authority, allowed_upstream):
    """The agent's poll outlives the reload, so does the process's policy; an agent that comes later sees the new one."""
    token = register(closed)
    loop = Loop(machine, allowed_upstream, **by_token(token))
    try:
        loop.becomes("connected")
        eventually(lambda: held_polls(closed) == 1, what="the agent's poll")
        before = certificate_of(closed)
        certificate, key = authority.issue("next", NAMES)
        for path, new in (("server.pem", certificate), ("server.key", key)):
            (authority.directory / path).write_bytes(new.read_bytes())
        closed.process.send_signal(signal.SIGHUP)
        eventually(lambda: certificate_of(closed) != before, what="the new certificate")
        assert held_polls(closed) == 1 and loop.last == "connected"
        given(closed, "test", allowed_domains=[])
        loop.becomes("refused")
    finally:
        loop.end()
    machine.stop_agent()
    given(closed, "test", allowed_domains=["allowed.test"])
    assert outcome(machine, allowed_upstream, **by_token(token)) == "connected"


def test_peoples_commands_over_https(closed, machine, authority, tmp_path):
    """`egress explain`, `apply` and `export` with a token from a file, on a machine that does not trust us otherwise."""
    for role in ("viewer", "operator"):
        (tmp_path / role).write_text(closed.make_token(role, role, "test") + "\n")
    (tmp_path / "linked").symlink_to(tmp_path / "operator")  # as secrets are mounted
    manifest = tmp_path / "policy.yaml"
    manifest.write_text("apiVersion: egress/v1\nkind: Namespace\nmetadata: {name: test/below}\n"
                        "spec: {allowed_domains: [allowed.test]}\n")

    def egress(*arguments, token=None, **extra):
        flags = ("--token-file", tmp_path / token) if token else ()
        return machine.run(BIN / "egress", *arguments, *flags, preload=False, **extra)

    stranger = egress("export")
    assert stranger.returncode == 1 and "401" in stranger.stderr and "--token-file" in stranger.stderr
    untrusted = egress("export", token="viewer", EGRESS_CA=str(authority.issue("other")[0]))
    assert untrusted.returncode == 4 and "EGRESS_CA" in untrusted.stderr
    weak = egress("apply", "-f", manifest, token="viewer")
    assert weak.returncode == 1 and "role_required" in weak.stderr
    applied = egress("apply", "-f", manifest, token="linked")
    assert applied.returncode == 0 and "test/below" in applied.stdout, applied.stderr
    exported = egress("export", token="viewer")
    assert exported.returncode == 0 and "test/below" in exported.stdout
    explained = egress("explain", "-n", "test/below", "allowed.test:443", token="viewer")
    assert (explained.returncode, explained.stdout.split()[0]) == (0, "allow"), explained.stderr
    beside = egress("explain", "-n", "default", "allowed.test:443", token="viewer")
    assert beside.returncode == 4 and "out_of_scope" in beside.stderr
    assert [row["actor"] for row in closed.audit("namespace_created", namespace="test/below")] == ["operator"]


def test_a_browsers_session_over_https(closed):
    """The cookie is Secure, and evidence of our own origin is https."""
    operator = closed.make_token("operator", "operator", "/")
    host = f"egress.example:{closed.port}"
    login = closed.call("POST", "/api/session", {"token": operator}, {"Host": host, "Origin": f"https://{host}"})
    assert login.status == 200, login.body
    value, *attributes = login.headers["Set-Cookie"].split("; ")
    assert attributes == ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200", "Secure"]

    def block(**headers):
        return closed.call("POST", "/api/policy/egress/block", {"domain": "a.example"}, {"Cookie": value, **headers})

    for origin in (f"http://{host}", "https://egress.example", f"https://other.example:{closed.port}", "null"):
        refused(block(Host=host, Origin=origin), 403, "cross_site")
    assert block(Host=host).status == 403, "a cookie alone is no evidence"
    assert block(Host=host, Origin=f"https://{host}").status == 201
    assert block(Origin=closed.url).status == 200
    ended = closed.call("DELETE", "/api/session", headers={"Cookie": value, "Origin": closed.url})
    assert ended.status == 200 and ended.headers["Set-Cookie"].endswith("; Secure")
    refused(block(Origin=closed.url), 401, "session_over")


def test_a_name_of_its_own(closed, authority):
    """`--allowed-host`: by that name clients verify the certificate and are answered; by others they are not."""
    token = f"Authorization: Bearer {closed.token}"
    for name, status in (("egress.example", "200"), ("localhost", "200"), ("other.example", "403")):
        done = subprocess.run(
            ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", authority.pem, "-H", token,
             "--resolve", f"egress.example:{closed.port}:127.0.0.1", "-H", f"Host: {name}:{closed.port}",
             f"https://egress.example:{closed.port}/api/mode"],
            env=clean_environment(), capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout) == (0, status), done.stderr


@pytest.fixture
def elsewhere(network_namespace):
    """A network namespace with an address that is not loopback's."""
    done = subprocess.run([*network_namespace, "ip", "address", "add", "192.0.2.1/32", "dev", "lo"],
                          capture_output=True, text=True, timeout=20)
    if done.returncode != 0:
        pytest.skip(f"no address can be added: {done.stderr.strip()}")
    return network_namespace


def test_another_address_needs_tls_and_an_admin(tmp_path, authority, elsewhere):
    """it **refuses to start** on any other address without TLS and at least one admin token"""
    certificate, key = authority.issue("server", NAMES)
    server = Server(tmp_path / "server", prefix=elsewhere, listen="192.0.2.1:0",
                    tls=(certificate, key, authority.pem))

    def refusal(*flags):
        done = subprocess.run([*elsewhere, BIN / "egress-server", "--listen", "192.0.2.1:0", "--data", server.data,
                               *map(str, flags)], env=clean_environment(), capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and "listening" not in done.stdout, done.stderr
        return done.stderr

    tls = ("--tls-cert", certificate, "--tls-key", key)
    assert "without TLS" in refusal()
    assert "no admin token" in refusal(*tls)
    for flags in (("--role", "operator", "--name", "o"), ("--role", "admin", "--name", "a", "--namespace", "test")):
        assert server.offline("token", "create", *flags).returncode == 0
    assert "no admin token" in refusal(*tls), "neither an operator nor a part's admin is one"
    admin = server.offline("token", "create", "--role", "admin", "--name", "root-admin").stdout.strip()
    assert "without TLS" in refusal()
    server.start()
    assert server.url.startswith("https://192.0.2.1:")
    machine = Host(tmp_path / "host", server.url, prefix=elsewhere)
    web = subprocess.Popen([*elsewhere, PYTHON, PROGRAMS / "upstream.py", "127.0.0.2", "8080", "hello"],
                           stdout=subprocess.PIPE, text=True)
    try:
        assert web.stdout.readline() == "8080\n"

        def ask(path, body=None, bearer=admin):
            data = ["-d", json.dumps(body)] if body else []
            done = subprocess.run([*elsewhere, "curl", "-sS", "--cacert", authority.pem, "-H",
                                   f"Authorization: Bearer {bearer}", *data, server.url + path],
                                  env=clean_environment(), capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)

        assert ask("/api/mode", bearer="egress_" + "0" * 64)["error"] == "unauthenticated"
        ask("/api/fleet/namespaces", {"name": "test", "loopback": "enforce", "allowed_domains": ["127.0.0.2"]})
        token = ask("/api/fleet/workloads", {"name": "web", "namespace": "test"})["token"]
        trusted = {**by_token(token), "EGRESS_CA": str(authority.pem)}
        allowed = machine.run("curl", "-sS", "http://127.0.0.2:8080/", **trusted)
        assert (allowed.returncode, allowed.stdout) == (0, "hello\n"), allowed.stderr
        denied = machine.run("curl", "-sS", "http://127.0.0.3:8080/", **trusted)
        assert denied.returncode == 7, denied.stderr
        own = machine.run("curl", "-sSk", server.url, **trusted)
        assert own.returncode == 7, "the control plane is out of its workloads' reach"
    finally:
        machine.stop_agent()
        web.kill()
        web.wait(10)
        web.stdout.close()
        server.stop()
