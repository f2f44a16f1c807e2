"""TLS end to end: the real server, real clients, the real agent and programs under the real library."""

import signal
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from conftest import BIN, Host, Server, TcpUpstream, clean_environment, eventually, require_tool
from tls_files import Authority

PROGRAMS = Path(__file__).parent / "programs"
PYTHON = "/usr/bin/python3"
NAMESPACES = "/api/fleet/namespaces"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "tls")


@pytest.fixture
def secure(tmp_path, authority):
    """An https server, with namespace `test` as the fixture `host` makes it."""
    running = Server(tmp_path / "secure", tls=(*authority.issue("server"), authority.pem)).start()
    running.post(NAMESPACES, {"name": "test", "loopback": "enforce", "allowed_domains": ["allowed.test"]})
    yield running
    running.stop()


@pytest.fixture
def machine(tmp_path, secure):
    host = Host(tmp_path / "host", secure.url)
    host.resolve = {"allowed.test": ["127.0.0.2"], "denied.test": ["127.0.0.3"]}
    yield host
    host.stop_agent()


def dial(host, port, address="127.0.0.2", **extra):
    """What a confined process gets of a connect."""
    code = ("import socket, sys\n"
            "try: socket.create_connection((sys.argv[1], int(sys.argv[2])), 10); print('connected')\n"
            "except OSError as error: print(type(error).__name__)\n")
    return host.run(PYTHON, "-c", code, address, port, **extra)


def held_polls(server):
    for line in server.call("GET", "/metrics").body.decode().splitlines():
        if line.startswith("egress_http_polls_held "):
            return int(float(line.split()[1]))
    raise AssertionError("no egress_http_polls_held")


def send_raw(server, data):
    """The whole answer to these bytes, whatever ends the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        reply = b""
        try:
            connection.sendall(data)
            while chunk := connection.recv(65536):
                reply += chunk
        except (BrokenPipeError, ConnectionResetError):
            pass
        return reply


# --- the server -----------------------------------------------------------------------------------------------------

def test_clients_of_all_kinds_reach_it(secure, authority):
    assert secure.url.startswith("https://127.0.0.1:")
    assert secure.get("/healthz") == {"status": "ok"}
    assert (secure.data / "address").read_text() == secure.url + "\n"
    for url in (secure.url, secure.url.replace("127.0.0.1", "localhost")):
        done = subprocess.run([require_tool("curl"), "-sS", "--cacert", authority.pem, url + "/readyz"],
                              env=clean_environment(), capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout) == (0, '{"status":"ready"}\n'), done.stderr


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_it_speaks_tls_1_2_and_1_3_with_http_1_1(secure, authority, version):
    context = ssl.create_default_context(cafile=authority.pem)
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", secure.port), timeout=60) as raw:
        with context.wrap_socket(raw, server_hostname="localhost") as connection:
            assert connection.selected_alpn_protocol() == "http/1.1"
            assert connection.compression() is None
            assert "GCM" in connection.cipher()[0] or "CHACHA20" in connection.cipher()[0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_it_refuses_tls_1_1(secure):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", secure.port), timeout=60) as raw:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(raw, server_hostname="localhost")


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_plain_http_is_told_that_the_port_speaks_https(secure, method):
    reply = send_raw(secure, f"{method} /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert reply.startswith(b"HTTP/1.1 400 ")
    assert b'"error":"https_required"' in reply


GARBAGE = {
    "zeros": b"\x00" * 1000,
    "a record that is no hello": b"\x16\x03\x01\x00\x05hello",
    "a hello of SSL 2": b"\x80\x2e\x01\x03\x01" + b"\x01" * 60,
    "a record of an impossible size": b"\x16\x03\x01\xff\xff" + b"\x01" * 4000,
    "half a hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_ends_its_own_connection_only(secure, kind):
    with socket.create_connection(("127.0.0.1", secure.port), timeout=60) as connection:
        try:
            connection.sendall(GARBAGE[kind])
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        except TimeoutError:
            raise
        except OSError:  # the server was faster
            pass
    assert secure.get("/healthz") == {"status": "ok"}


def run_server(*arguments):
    return subprocess.run([BIN / "egress-server", *arguments], env=clean_environment(), capture_output=True, text=True,
                          timeout=60)


def test_it_does_not_start_with_files_that_it_cannot_use(tmp_path, authority):
    certificate, key = authority.issue("server")
    other_key = authority.issue("other")[1]
    start = ["--listen", "127.0.0.1:0", "--data", tmp_path / "data"]
    key_for_all = tmp_path / "open.key"
    key_for_all.write_bytes(key.read_bytes())
    key_for_all.chmod(0o644)
    for arguments, says in [(["--tls-cert", certificate], "tls-cert is given without tls-key"),
                            (["--tls-cert", tmp_path / "absent", "--tls-key", key], "absent: cannot be opened"),
                            (["--tls-cert", certificate, "--tls-key", other_key], "not the key of the certificate"),
                            (["--tls-cert", certificate, "--tls-key", key_for_all], "others may read it"),
                            (["--tls-cert", key, "--tls-key", key], "expected a PEM certificate")]:
        done = run_server(*start, *arguments)
        assert done.returncode == 2, done.stderr
        assert says in done.stderr
        assert "listening" not in done.stdout


def certificate_of(server):
    return ssl.get_server_certificate(("127.0.0.1", server.port), timeout=60)


def test_sighup_changes_the_certificate_under_held_polls(secure, authority):
    """Under load: polls are held and requests are made all the time; not one of them fails."""
    etag = secure.call("GET", "/api/bundle?namespace=test").headers["ETag"]
    answers, failures, stop = [], [], threading.Event()

    def poll():
        headers = {"If-None-Match": etag, "Prefer": "wait=60"}
        answers.append(secure.call("GET", "/api/bundle?namespace=test", headers=headers, timeout_s=90).status)

    def keep_asking():
        while not stop.is_set():
            if secure.call("GET", "/healthz").status != 200:
                failures.append("healthz")

    pollers = [threading.Thread(target=poll) for _ in range(20)]
    askers = [threading.Thread(target=keep_asking) for _ in range(2)]
    for thread in pollers + askers:
        thread.start()
    eventually(lambda: held_polls(secure) == 20, what="20 held polls")
    before = certificate_of(secure)
    certificate, key = authority.issue("next")
    for path, new in (("server.pem", certificate), ("server.key", key)):
        (authority.directory / path).write_bytes(new.read_bytes())
    secure.process.send_signal(signal.SIGHUP)
    after = eventually(lambda: (now := certificate_of(secure)) != before and now, what="the new certificate")
    assert after.strip() == certificate.read_text().strip()
    assert held_polls(secure) == 20

    # A bad one keeps the new one, and says so.
    (authority.directory / "server.pem").write_text("no certificate\n")
    secure.process.send_signal(signal.SIGHUP)
    eventually(lambda: "the old certificate stays in use" in secure.log_text(), what="the complaint")
    assert certificate_of(secure) == after
    secure.post(NAMESPACES, {"name": "test", "allowed_domains": ["allowed.test", "new.test"]})
    for thread in pollers:
        thread.join(60)
    stop.set()
    for thread in askers:
        thread.join(60)
    assert answers == [200] * 20
    assert failures == []
    assert secure.process.poll() is None


def test_sigterm_answers_polls_held_over_tls(secure):
    etag = secure.call("GET", "/api/bundle?namespace=test").headers["ETag"]
    answers = []
    headers = {"If-None-Match": etag, "Prefer": "wait=60"}
    thread = threading.Thread(target=lambda: answers.append(
        secure.call("GET", "/api/bundle?namespace=test", headers=headers, timeout_s=90).status))
    thread.start()
    eventually(lambda: held_polls(secure) == 1, what="a held poll")
    assert secure.stop(signal.SIGTERM) == 0
    thread.join(60)
    assert answers == [304]


# --- the agent and the command line ---------------------------------------------------------------------------------

def test_a_policy_reaches_a_running_process_over_tls(secure, machine, authority, denied_upstream):
    ca = str(authority.pem)
    client = subprocess.Popen([PYTHON, PROGRAMS / "loop_client.py", "127.0.0.3", str(denied_upstream.port)],
                              env=machine.environment(EGRESS_CA=ca), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
    try:
        assert client.stdout.readline() == "refused\n"
        eventually(lambda: held_polls(secure) == 1, what="the agent's poll")
        secure.post(NAMESPACES, {"name": "test", "loopback": "enforce", "allowed_domains": ["127.0.0.3"]})
        assert client.stdout.readline() == "connected\n"
        secure.post(NAMESPACES, {"name": "test", "loopback": "enforce", "allowed_domains": ["allowed.test"]})
        assert client.stdout.readline() == "refused\n"
    finally:
        client.communicate("\n", timeout=60)
    eventually(lambda: secure.audit("proxy_domain_denied", namespace="test"), what="a denial in the audit")


def test_the_control_plane_itself_stays_out_of_reach(secure, machine, authority):
    secure.post(NAMESPACES, {"name": "test", "loopback": "enforce", "allowed_domains": ["127.0.0.0/8"]})
    done = dial(machine, secure.port, "127.0.0.1", EGRESS_CA=str(authority.pem))
    assert done.stdout == "ConnectionRefusedError\n", done.stderr


@pytest.mark.parametrize("case", ["unknown authority", "wrong authority", "expired", "wrong host", "plain http"])
def test_a_server_that_proves_nothing_is_refused_and_all_is_denied(tmp_path, authority, allowed_upstream, case):
    certificate, key = authority.issue("server", names="DNS:elsewhere.test" if case == "wrong host" else
                                       "DNS:localhost,IP:127.0.0.1", days=-1 if case == "expired" else 2)
    tls = None if case == "plain http" else (certificate, key, authority.pem)
    server = Server(tmp_path / "server", tls=tls).start()
    machine = Host(tmp_path / "host", f"https://127.0.0.1:{server.port}")
    ca = {"unknown authority": None, "wrong authority": str(Authority(tmp_path / "tls", "stranger").pem)}.get(
        case, str(authority.pem))
    try:
        done = dial(machine, allowed_upstream.port, namespace="default", EGRESS_CA=ca)
        assert done.stdout == "ConnectionRefusedError\n"
        assert allowed_upstream.connections == 0
        says = {"unknown authority": "set EGRESS_CA to a PEM file", "wrong authority": "not signed by what EGRESS_CA (",
                "expired": "its certificate has expired", "wrong host": "its certificate is not for 127.0.0.1",
                "plain http": "does not speak https"}[case]
        assert says in done.stderr
        assert "/api/bundle" not in server.log_text()
    finally:
        machine.stop_agent()
        server.stop()


def test_an_http_url_to_an_https_port_says_so(tmp_path, secure, allowed_upstream):
    machine = Host(tmp_path / "host", secure.url.replace("https", "http"))
    try:
        done = dial(machine, allowed_upstream.port)
        assert done.stdout == "ConnectionRefusedError\n"
        assert "this port speaks https" in done.stderr
    finally:
        machine.stop_agent()


def test_the_agent_takes_an_absolute_ca_path_only(machine, allowed_upstream):
    done = dial(machine, allowed_upstream.port, EGRESS_CA="ca.pem")
    assert done.stdout == "ConnectionRefusedError\n"
    assert "EGRESS_CA: expected the absolute path" in done.stderr


def test_the_command_line_verifies_too(secure, machine, authority, tmp_path):
    def explain(**extra):
        return machine.run(BIN / "egress", "explain", "-n", "test", "allowed.test:443", preload=False, **extra)

    done = explain(EGRESS_CA=str(authority.pem))
    assert done.returncode == 0, done.stderr
    assert "allow" in done.stdout.lower()
    refused = explain()
    assert refused.returncode != 0
    assert "set EGRESS_CA to a PEM file" in refused.stderr
    unusable = explain(EGRESS_CA=str(tmp_path / "absent"))
    assert unusable.returncode != 0
    assert f"EGRESS_CA {tmp_path / 'absent'}: cannot be opened" in unusable.stderr
