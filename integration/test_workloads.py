"""Registered workloads end to end: tokens, bundles, labels, require_auth, revocation. Real programs, agent and server."""

import base64
import json
import re
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from conftest import Host, eventually

PROGRAMS = Path(__file__).parent / "programs"
PYTHON = "/usr/bin/python3"
DIAL = ("import socket, sys\n"
        "try:\n"
        "    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10).close()\n"
        "    print('connected')\n"
        "except ConnectionRefusedError:\n"
        "    print('refused')\n")
WITHIN_S = 1.0  # a revocation holds everywhere after this


def register(server, name="web", namespace="test", **fields):
    return server.post("/api/fleet/workloads", {"name": name, "namespace": namespace, **fields}).get("token")


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def manifest_of(reply):
    assert reply.status == 200, reply.body
    return json.loads(reply.json["manifest"])


def dial(host, upstream, name="allowed.test", **extra):
    return host.run(PYTHON, "-c", DIAL, name, upstream.port, **extra)


def outcome(host, upstream, name="allowed.test", **extra):
    done = dial(host, upstream, name, **extra)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Loop:
    """A process that connects again and again; `last` is what came of it last."""

    def __init__(self, host, upstream, **extra):
        self.last = None
        env = host.environment(**extra)

        self.process = subprocess.Popen([PYTHON, PROGRAMS / "loop_client.py", "allowed.test", str(upstream.port)], env=env,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.last = line.strip()

    def becomes(self, outcome, within_s=10.0):
        eventually(lambda: self.last == outcome, within_s, f"{outcome!r} (last: {self.last!r})")

    def end(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.reader.join(10)
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture
def loops():
    running = []

    def start(*arguments, **extra):
        running.append(Loop(*arguments, **extra))
        return running[-1]

    yield start
    for loop in running:
        loop.end()


def by_token(token):
    """Nothing is claimed: the registration says who it is."""
    return {"namespace": "", "EGRESS_TOKEN": token}


def test_a_token_is_shown_once_and_stored_nowhere(server, host):
    reply = server.call("POST", "/api/fleet/workloads", {"name": "web", "namespace": "test", "labels": {"app": "pay"},
                                                         "target": "deployment/web"})
    assert reply.status == 201
    token = reply.json["token"]
    assert re.fullmatch(r"egressw_[0-9a-f]{64}", token)
    assert reply.headers["Cache-Control"] == "no-store"
    again = server.call("POST", "/api/fleet/workloads", {"name": "web", "namespace": "test", "labels": {"app": "shop"}})
    assert again.status == 200 and "token" not in again.json
    assert again.json["labels"] == {"app": "shop"} and again.json["target"] == "deployment/web"
    shown = server.get("/api/fleet/workloads?namespace=test")["items"]
    assert [item["name"] for item in shown] == ["web"]
    assert token not in json.dumps(shown) and token not in json.dumps(server.get("/api/audit"))
    server.stop()
    for file in server.data.iterdir():
        if file.is_file():
            assert token.encode() not in file.read_bytes(), file


def test_registrations_are_checked(server, host):
    for body, code in [({"name": "web", "namespace": "nowhere"}, "namespace_unknown"),
                       ({"name": "a b", "namespace": "test"}, "invalid_field"),
                       ({"name": "web", "namespace": "test", "labels": {"a": "x,y"}}, "invalid_field"),
                       ({"name": "web", "namespace": "test", "surprise": 1}, "unknown_field")]:
        reply = server.call("POST", "/api/fleet/workloads", body)
        assert 400 <= reply.status < 500 and reply.json["error"] == code, (body, reply.body)
    assert server.get("/api/fleet/workloads")["items"] == []
    assert server.call("DELETE", "/api/fleet/workloads?namespace=test&name=web").json["error"] == "workload_unknown"


def test_a_bundle_is_the_tokens(server, host):
    unregistered = manifest_of(server.call("GET", "/api/bundle?namespace=test&workload=web"))
    assert unregistered["authenticated"] is False
    token = register(server, labels={"app": "pay"}, target="deployment/web")
    manifest = manifest_of(server.call("GET", "/api/bundle", headers=bearer(token)))
    assert (manifest["namespace"], manifest["workload"], manifest["authenticated"]) == ("test", "web", True)
    assert (manifest["labels"], manifest["target"]) == ({"app": "pay"}, "deployment/web")
    assert token not in json.dumps(manifest)
    assert manifest_of(server.call("GET", "/api/bundle?namespace=test&workload=web", headers=bearer(token))) is not None
    for query in ("namespace=default", "workload=other", "namespace=test&workload=other"):
        reply = server.call("GET", f"/api/bundle?{query}", headers=bearer(token))
        assert reply.status == 403 and reply.json["error"] == "not_this_workload", reply.body
        assert "workload web in namespace test" in reply.json["message"]
    nobody = server.call("GET", "/api/bundle?namespace=test")
    assert nobody.status == 401 and nobody.json["error"] == "unauthenticated"
    unknown = server.call("GET", "/api/bundle", headers=bearer("egressw_" + "0" * 64))
    assert unknown.status == 401 and unknown.json["error"] == "unauthenticated"
    other = manifest_of(server.call("GET", "/api/bundle", headers=bearer(register(server, "other"))))
    assert other["token_binding"] != manifest["token_binding"]


def test_once_closed_always_closed(server, host):
    register(server)
    assert server.call("DELETE", "/api/fleet/workloads?namespace=test&name=web").status == 200
    server.stop()
    server.start()
    assert server.call("GET", "/api/bundle?namespace=test").status == 401


def test_a_token_alone_makes_a_session(server, host, allowed_upstream, denied_upstream):
    token = register(server, labels={"app": "pay"})
    assert outcome(host, allowed_upstream, **by_token(token)) == "connected"
    assert outcome(host, denied_upstream, "denied.test", **by_token(token)) == "refused"
    session = host.status()["sessions"][0]
    assert (session["namespace"], session["workload"], session["authenticated"]) == ("test", "web", True)
    denied = eventually(lambda: server.audit("proxy_domain_denied", workload="web"), what="the audit row")
    assert denied[0]["namespace"] == "test"
    item = server.get("/api/fleet/workloads?namespace=test&name=web")["items"][0]
    assert item["connected"] is True and item["error"] is None and item["last_seen_at"]
    assert item["revision"] == item["offered"] > 0


def test_labels_of_the_registration_select_policies(server, host, allowed_upstream, loops):
    server.post("/api/fleet/namespaces", {"name": "test", "loopback": "enforce", "allowed_domains": None})
    server.post("/api/policy/egress/allow", {"domain": "allowed.test"})
    policy = {"apiVersion": "policies.mirrord.metalbear.co/v1alpha", "kind": "MirrordPolicy",
              "metadata": {"name": "no-pay", "namespace": "test"},
              "spec": {"selector": {"matchLabels": {"app": "pay"}},
                       "network": {"outgoing": {"block": [{"hostname": "allowed"}]}}}}
    reply = server.call("POST", "/api/manifests", policy)
    if reply.status == 400:
        pytest.fail(reply.body.decode())
    token = register(server, labels={"app": "shop"})
    loop = loops(host, allowed_upstream, **by_token(token))
    loop.becomes("connected")
    register(server, labels={"app": "pay"})
    loop.becomes("refused")
    register(server, labels={"app": "shop"})
    loop.becomes("connected")
    lying = dial(host, allowed_upstream, **by_token(token), EGRESS_LABELS="app=pay")
    assert lying.stdout == "refused\n"
    assert "EGRESS_LABELS" in lying.stderr and "web" in lying.stderr


def test_require_auth_wants_a_registered_workload(server, host, allowed_upstream):
    server.post("/api/fleet/namespaces", {"name": "test", "loopback": "enforce", "allowed_domains": None})
    server.post("/api/policy/egress/allow", {"domain": "allowed.test", "require_auth": True})
    assert outcome(host, allowed_upstream) == "refused", "nobody is authenticated yet"
    eventually(lambda: any(row["detail"]["deny_reason"] == "auth_required"
                           for row in server.audit("proxy_domain_denied", host="allowed.test")), what="the reason")
    token = register(server)
    assert outcome(host, allowed_upstream, **by_token(token)) == "connected"
    stranger = dial(host, allowed_upstream)
    assert stranger.stdout == "refused\n"
    assert "EGRESS_TOKEN" in stranger.stderr and "register" in stranger.stderr


def test_a_revocation_stops_a_running_process(server, host, allowed_upstream, loops):
    token = register(server)
    other = register(server, "other")
    loop = loops(host, allowed_upstream, **by_token(token))
    beside = loops(host, allowed_upstream, **by_token(other))
    loop.becomes("connected")
    beside.becomes("connected")
    assert server.call("DELETE", "/api/fleet/workloads?namespace=test&name=web").status == 200
    loop.becomes("refused", WITHIN_S)
    assert beside.last == "connected"
    later = dial(host, allowed_upstream, **by_token(token))
    assert later.stdout == "refused\n" and "revoked" in later.stderr
    assert [row["subject"] for row in server.audit("workload_removed")] == ["web"]
    # Nor does it come back with the next agent while the server is away.
    host.stop_agent(signal.SIGKILL)
    server.stop()
    assert outcome(host, allowed_upstream, **by_token(token)) == "refused"
    assert outcome(host, allowed_upstream, **by_token(other)) == "connected"


def test_a_rotation_moves_to_the_new_token(server, host, allowed_upstream, loops):
    old = register(server)
    loop = loops(host, allowed_upstream, **by_token(old))
    loop.becomes("connected")
    new = register(server, rotate_token=True)
    assert new and new != old
    loop.becomes("refused", WITHIN_S)
    assert outcome(host, allowed_upstream, **by_token(new)) == "connected"


def test_the_first_registration_stops_whoever_has_no_token(server, host, allowed_upstream, loops):
    loop = loops(host, allowed_upstream)
    loop.becomes("connected")
    register(server)
    loop.becomes("refused", WITHIN_S)


def test_a_deny_after_a_revocation_is_no_policy(server, host, allowed_upstream):
    token = register(server)
    assert outcome(host, allowed_upstream, **by_token(token)) == "connected"
    server.call("DELETE", "/api/fleet/workloads?namespace=test&name=web")
    done = dial(host, allowed_upstream, **by_token(token), EGRESS_LOG="deny", EGRESS_ON_UNAVAILABLE="allow")
    assert done.stdout == "refused\n", "a refused token is no absent server"
    assert "no_policy" in done.stderr or "no policy" in done.stderr


def test_claims_beside_a_token_must_agree(server, host, allowed_upstream):
    token = register(server)
    assert outcome(host, allowed_upstream, namespace="test", EGRESS_TOKEN=token, EGRESS_WORKLOAD="web") == "connected"
    for claims in ({"namespace": "default"}, {"namespace": "", "EGRESS_WORKLOAD": "other"},
                   {"namespace": "", "EGRESS_TARGET": "deployment/x"}):
        done = dial(host, allowed_upstream, EGRESS_TOKEN=token, **claims)
        assert done.stdout == "refused\n", claims
        assert "web" in done.stderr, done.stderr


def test_a_server_that_is_away_changes_nothing(server, host, allowed_upstream, loops):
    token = register(server)
    loop = loops(host, allowed_upstream, **by_token(token))
    loop.becomes("connected")
    server.stop()
    host.stop_agent(signal.SIGKILL)
    assert outcome(host, allowed_upstream, **by_token(token)) == "connected", "the stored bundle of the token"
    assert outcome(host, allowed_upstream, namespace="test") == "refused", "and of nobody else"


def test_telemetry_and_status_are_the_tokens_own(server, host):
    token = register(server)

    def log(namespace, name):
        attributes = [{"key": key, "value": {"stringValue": value}}
                      for key, value in (("agent.namespace", namespace), ("agent.name", name))]
        return {"timeUnixNano": "1700000000000000000", "eventName": "egress.dial.denied",
                "body": {"stringValue": "egress.dial.denied"}, "attributes": attributes}

    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [log("test", "web"), log("test", "db"), log("x", "web")]}]}]}
    headers = {**bearer(token), "Content-Type": "application/json"}
    reply = server.call("POST", "/v1/logs", body, headers)
    assert reply.status == 200
    partial = reply.json["partialSuccess"]
    assert partial["rejectedLogRecords"] == "2" and "agent.namespace" in partial["errorMessage"]
    stored = server.get("/api/otlp/logs")["resourceLogs"]
    assert sum(len(scope["logRecords"]) for resource in stored for scope in resource["scopeLogs"]) == 1
    for status, body in [(403, {"agent_id": "a", "namespace": "other"}), (403, {"agent_id": "a", "workload": "db"}),
                         (200, {"agent_id": "a"})]:
        assert server.call("POST", "/api/bundle/status", body, bearer(token)).status == status


def test_another_workloads_manifest_is_not_taken(server, host, allowed_upstream, tmp_path):
    """Two tokens, one disk: what was stored for one is no policy of the other."""
    web, other = register(server), register(server, "other")
    assert outcome(host, allowed_upstream, **by_token(web)) == "connected"
    host.stop_agent()
    stored = list((host.state / "manifests").glob("*.json"))
    assert len(stored) == 1
    assert base64.b64encode(web.encode()).decode() not in stored[0].read_text() and web not in stored[0].read_text()
    elsewhere = Host(tmp_path / "elsewhere", server.url)
    elsewhere.resolve = host.resolve
    assert outcome(elsewhere, allowed_upstream, **by_token(other)) == "connected"
    elsewhere.stop_agent()
    server.stop()
    target = next((elsewhere.state / "manifests").glob("*.json"))
    target.write_text(stored[0].read_text())
    try:
        assert outcome(elsewhere, allowed_upstream, **by_token(other)) == "refused"
    finally:
        elsewhere.stop_agent()
