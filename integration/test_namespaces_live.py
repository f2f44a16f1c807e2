"""policy.md section 6 as running processes see it: deletion, quarantine and expiry under live workloads."""

import json
import signal
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

from access_world import bearer
from conftest import eventually
from test_namespaces import delete, given, in_seconds, put, refused, show, verdict
from test_workloads import by_token, outcome, register

PROGRAMS = Path(__file__).parent / "programs"
PYTHON = "/usr/bin/python3"


@contextmanager
def client_of(host, address, port, namespace="test", **extra):
    """A process that connects again and again, and prints a line whenever the outcome changes."""
    client = subprocess.Popen([PYTHON, PROGRAMS / "loop_client.py", address, str(port)],
                              env=host.environment(namespace, **extra), stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    try:
        yield client
    finally:
        client.stdin.close()
        assert client.wait(10) == 0
        client.stdout.close()


def test_an_entry_ends_in_a_running_process_by_itself(host, server, denied_upstream):
    """(section 3) past it the rule does not match. Checked at evaluation, so it holds with the server unreachable."""
    given(server, "test", allowed_domains=["127.0.0.3"])
    with client_of(host, "127.0.0.3", denied_upstream.port) as client:
        assert client.stdout.readline() == "connected\n"
        given(server, "test", allowed_domains=[{"domain": "127.0.0.3", "expires_at": in_seconds(2)}])

        def has_it():
            status = server.get("/api/bundle/status")
            return [item["active"] for item in status["items"]] == [status["revision"]]

        eventually(has_it, what="the agent with the newest policy")
        server.stop()
        assert client.stdout.readline() == "refused\n"


def test_deletion_under_live_workloads(host, server, allowed_upstream):
    """forced, its live workloads get `no_policy`."""
    given(server, "test", allowed_domains=["127.0.0.2"])
    with client_of(host, "127.0.0.2", allowed_upstream.port) as client:
        assert client.stdout.readline() == "connected\n"
        eventually(lambda: show(server, "test")["live_sessions"] == 1, what="the agent's poll")
        assert refused(delete(server, "test"), 409, "namespace_in_use")["live_sessions"] == 1
        reply = delete(server, "test", "&force=true")
        assert (reply.status, reply.json["live_sessions"]) == (200, 1)
        assert client.stdout.readline() == "refused\n"
        denied = host.run(PYTHON, PROGRAMS / "dial.py", json.dumps(
            [{"name": "", "address": "127.0.0.2", "port": allowed_upstream.port, "transport": "tcp"}]))
        assert json.loads(denied.stdout) == ["ECONNREFUSED"]
        given(server, "test", loopback="enforce", allowed_domains=["127.0.0.2"])
        assert client.stdout.readline() == "connected\n"


def test_deletion_under_registered_workloads(host, server, allowed_upstream):
    """Deletion with … workloads is 409 `namespace_in_use`; forced, its live workloads get `no_policy`. The registration
    stays, and is worth nothing until somebody who may makes the namespace again."""
    token = register(server)
    with client_of(host, "allowed.test", allowed_upstream.port, **by_token(token)) as client:
        assert client.stdout.readline() == "connected\n"
        eventually(lambda: show(server, "test")["live_sessions"] == 1, what="the agent's poll")
        answer = refused(delete(server, "test"), 409, "namespace_in_use")
        assert (answer["workloads"], answer["live_sessions"]) == (["web"], 1)
        assert delete(server, "test", "&force=true").status == 200
        assert client.stdout.readline() == "refused\n"
        answer = refused(server.call("GET", "/api/bundle", headers=bearer(token)), 404, "namespace_unknown")
        assert answer["namespace"] == "test"
        # What was stored is gone, too; and an absent server is another thing than one that says no.
        assert outcome(host, allowed_upstream, **by_token(token), EGRESS_ON_UNAVAILABLE="allow") == "refused"
        [registration] = server.get("/api/fleet/workloads?namespace=test")["items"]
        assert registration["name"] == "web"
        refused(server.call("POST", "/api/fleet/workloads", {"name": "web", "namespace": "test", "rotate_token": True}),
                404, "namespace_unknown")
        given(server, "test", loopback="enforce", allowed_domains=["allowed.test"])
        assert client.stdout.readline() == "connected\n"
        # Removed without its namespace, it is gone for good: what comes in its place has another token.
        assert delete(server, "test", "&force=true").status == 200
        assert client.stdout.readline() == "refused\n"
        assert server.call("DELETE", "/api/fleet/workloads?namespace=test&name=web").status == 200
        given(server, "test", loopback="enforce", allowed_domains=["allowed.test"])
        refused(server.call("GET", "/api/bundle", headers=bearer(token)), 401, "token_revoked")
        assert outcome(host, allowed_upstream, **by_token(register(server))) == "connected"
        assert outcome(host, allowed_upstream, **by_token(token)) == "refused"


def test_a_deleted_namespace_leaves_no_policy_on_disk(host, server, allowed_upstream):
    token = register(server)
    assert outcome(host, allowed_upstream, **by_token(token)) == "connected"
    assert delete(server, "test", "&force=true").status == 200
    stored = host.state / "manifests"
    eventually(lambda: not list(stored.glob("*.json")), what="the end of the stored policy")
    host.stop_agent(signal.SIGKILL)
    server.stop()
    assert outcome(host, allowed_upstream, **by_token(token)) == "refused"


HOLD = """\
import socket, sys
client = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=30)
print("connected", flush=True)
sys.stdin.readline()
client.sendall(b"still here")
"""


def test_established_connections_survive_a_quarantine(host, server, allowed_upstream):
    """Quarantine stops new connections at once everywhere; established connections remain."""
    given(server, "test", allowed_domains=["127.0.0.2"])
    with socket.create_server(("127.0.0.2", 0)) as peer:
        held = subprocess.Popen([PYTHON, "-c", HOLD, "127.0.0.2", str(peer.getsockname()[1])], text=True,
                                env=host.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert held.stdout.readline() == "connected\n"
        connection, _ = peer.accept()
        with connection, client_of(host, "127.0.0.2", allowed_upstream.port) as client:
            assert client.stdout.readline() == "connected\n"
            given(server, "test", allowed_domains=[])
            assert client.stdout.readline() == "refused\n"
            held.communicate("go on\n", timeout=30)
            assert held.returncode == 0
            connection.settimeout(30)
            assert connection.recv(100) == b"still here"


def test_quarantine(host, server, allowed_upstream):
    """Quarantine (`[]`, forced) stops new connections at once everywhere; the answer says how many sessions are live and
    that established connections remain."""
    given(server, "test", allowed_domains=["allowed.test", "127.0.0.2"])
    given(server, "test/below", allowed_domains=["127.0.0.2"])
    with client_of(host, "127.0.0.2", allowed_upstream.port, "test/below") as client:
        assert client.stdout.readline() == "connected\n"
        eventually(lambda: show(server, "test")["live_sessions"] == 1, what="the agent's poll")
        refused(put(server, "test", allowed_domains=[]), 409, "cascade_violations")
        reply = put(server, "test", "?force=true", allowed_domains=[])
        assert (reply.status, reply.json["live_sessions"]) == (200, 1), reply.body
        assert "established remain" in reply.json["note"]
        assert client.stdout.readline() == "refused\n"
        # It holds in every mode: the process goes on being refused, or it would say so before it says anything else.
        given(server, "test", mode="shadow")
        assert verdict(server, "test/below", "127.0.0.2") == "deny"
        given(server, "test/below", allowed_domains=[])
        given(server, "test", mode="enforcement", allowed_domains=["127.0.0.2"])
        given(server, "test/below", allowed_domains=["127.0.0.2"])
        assert client.stdout.readline() == "connected\n"
    given(server, "idle")
    assert given(server, "idle", allowed_domains=[])["live_sessions"] == 0
