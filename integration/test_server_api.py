"""The control plane's API through the real egress-server and real HTTP clients: no agent, no library."""

import hashlib
import json
import signal
import socket
import subprocess
import threading

import pytest

from conftest import BIN, Server, clean_environment, eventually


SERVER = (BIN / "egress-server").resolve()


@pytest.fixture(scope="module", autouse=True)
def built():
    """These tests need the server alone."""
    assert SERVER.exists(), f"{SERVER} is missing: build it first (scripts/test does)"


def in_order(text):
    """JSON with the order of keys kept, so that comparing compares it too."""
    return json.loads(text, object_pairs_hook=lambda pairs: pairs)


# --- seed 002: every curl of the page, in order ---------------------------------------------------------------------

SEED_ALLOW = r'''curl -X POST http://localhost:8443/api/policy/egress/allow \
  -H "Content-Type: application/json" \
  -d '{
        "domain":       "api.stripe.com",
        "reason":       "payments",
        "require_auth": true
      }'
'''
SEED_LOOP = r'''for d in api.stripe.com api.github.com api.bank.eu \
         oauth2.googleapis.com s3.eu-west-1.amazonaws.com; do
  curl -X POST http://localhost:8443/api/policy/egress/allow \
    -d "{\"domain\":\"$d\",\"reason\":\"prod\",\"require_auth\":true}"
done
'''
SEED_BLOCK = r'''curl -X POST http://localhost:8443/api/policy/egress/block \
  -d '{"domain":"evil-c2.example","reason":"threat-intel"}'
'''
SEED_REMOVE = r'''curl -X DELETE 'http://localhost:8443/api/policy/egress/allow?domain=api.stripe.com'
'''
SEED_NAMESPACE = r'''curl -X POST http://localhost:8443/api/fleet/namespaces \
  -H "Content-Type: application/json" \
  -d '{
        "name":            "prod/payments",
        "description":     "payment-service workloads",
        "allowed_domains": ["api.stripe.com","api.bank.eu"]
      }'
'''
SEED_CHILD = r'''curl -X POST http://localhost:8443/api/fleet/namespaces \
  -H "Content-Type: application/json" \
  -d '{
        "name":            "prod/payments/eu-west",
        "description":     "EU-only payments cluster",
        "allowed_domains": ["api.bank.eu"]
      }'
'''
SEED_WIDEN = r'''curl -X POST http://localhost:8443/api/fleet/namespaces \
  -d '{
        "name":            "prod/payments/eu-west",
        "allowed_domains": ["api.stripe.com","api.bank.eu","api.foo.com"]
      }'
'''
SEED_WIDEN_ANSWER = '''{
  "error":     "child_widens_parent",
  "namespace": "prod/payments/eu-west",
  "domain":    "api.foo.com",
  "ancestor":  "prod/payments",
  "message":   "domain api.foo.com is not covered by ancestor prod/payments"
}'''
SEED_CASCADE_ANSWER = '''{
  "error":             "cascade_violations",
  "cascade_warnings": [
    {
      "child":             "prod/payments/eu-west",
      "uncovered_domains": ["api.bank.eu"]
    }
  ]
}'''
SEED_QUARANTINE = r'''curl -X POST http://localhost:8443/api/fleet/namespaces \
  -d '{
        "name":            "prod/payments",
        "allowed_domains": []
      }'
'''


def run_seed(server, script):
    """Runs the page's lines in a shell with only the port replaced; returns what curl printed."""
    script = script.replace("localhost:8443", f"localhost:{server.port}")
    done = subprocess.run(["bash", "-euc", script], env=clean_environment(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_curl_of_the_seed_answers_as_the_page_shows(server):
    entry = json.loads(run_seed(server, SEED_ALLOW))
    assert (entry["domain"], entry["reason"], entry["require_auth"]) == ("api.stripe.com", "payments", True)

    answers = run_seed(server, SEED_LOOP).splitlines()
    assert [json.loads(line)["domain"] for line in answers] == [
        "api.stripe.com", "api.github.com", "api.bank.eu", "oauth2.googleapis.com", "s3.eu-west-1.amazonaws.com"]
    assert all(json.loads(line)["reason"] == "prod" for line in answers)

    blocked = json.loads(run_seed(server, SEED_BLOCK))
    assert (blocked["domain"], blocked["reason"]) == ("evil-c2.example", "threat-intel")
    assert in_order(run_seed(server, SEED_REMOVE)) == [("removed", "api.stripe.com")]
    policy = server.get("/api/policy/egress")
    assert [e["domain"] for e in policy["allowed"]] == [
        "api.bank.eu", "api.github.com", "oauth2.googleapis.com", "s3.eu-west-1.amazonaws.com"]
    assert [e["domain"] for e in policy["blocked"]] == ["evil-c2.example"]

    namespace = json.loads(run_seed(server, SEED_NAMESPACE))
    assert (namespace["name"], namespace["parent"], namespace["depth"]) == ("prod/payments", "prod", 2)
    assert namespace["parent_exists"] is False
    child = json.loads(run_seed(server, SEED_CHILD))
    assert (child["parent"], child["depth"], child["broken"]) == ("prod/payments", 3, [])

    assert in_order(run_seed(server, SEED_WIDEN)) == in_order(SEED_WIDEN_ANSWER)
    assert in_order(run_seed(server, SEED_QUARANTINE)) == in_order(SEED_CASCADE_ANSWER)
    listed = {n["name"]: n for n in server.get("/api/fleet/namespaces")["items"]}
    assert listed["prod/payments"]["allowed_domains"] == ["api.stripe.com", "api.bank.eu"], "a refusal changes nothing"

    forced = SEED_QUARANTINE.replace("/api/fleet/namespaces", "/api/fleet/namespaces?force=true")
    answer = json.loads(run_seed(server, forced))
    assert answer["allowed_domains"] == []
    assert answer["cascade_warnings"] == json.loads(SEED_CASCADE_ANSWER)["cascade_warnings"]
    listed = {n["name"]: n for n in server.get("/api/fleet/namespaces")["items"]}
    assert listed["prod/payments/eu-west"]["broken"] == [
        {"ancestor": "prod/payments", "uncovered_domains": ["api.bank.eu"]}]


def test_the_seeds_events_are_recorded_with_their_reasons(server):
    for script in (SEED_ALLOW, SEED_BLOCK, SEED_REMOVE, SEED_NAMESPACE, SEED_CHILD,
                   SEED_QUARANTINE.replace("namespaces", "namespaces?force=true", 1)):
        run_seed(server, script)
    by_event = {}
    for row in server.get("/api/audit")["items"]:
        by_event.setdefault(row["event"], []).append(row)
    assert by_event["policy_allow"][0]["detail"]["reason"] == "payments"
    assert by_event["policy_block"][0]["detail"]["reason"] == "threat-intel"
    assert by_event["policy_removed"][0]["detail"]["reason"] == "payments"
    created = {row["namespace"]: row["detail"] for row in by_event["namespace_created"]}
    assert created["prod/payments"]["allowed_domains"] == ["api.stripe.com", "api.bank.eu"]
    updated = by_event["namespace_updated"][0]["detail"]
    assert updated["cascade_warnings"] == json.loads(SEED_CASCADE_ANSWER)["cascade_warnings"]


def test_a_recipe_child_beyond_its_parent_is_refused_until_the_parent_allows_it(server):
    server.post("/api/fleet/namespaces", {"name": "prod", "allowed_domains": ["api.stripe.com", "api.github.com", "api.bank.eu"]})
    builds = {"name": "prod/builds", "allowed_domains": ["api.github.com", "registry.npmjs.org"]}
    refused = server.call("POST", "/api/fleet/namespaces", builds)
    assert (refused.status, refused.json["error"], refused.json["domain"]) == (409, "child_widens_parent", "registry.npmjs.org")
    server.post("/api/fleet/namespaces", {"name": "prod", "allowed_domains": ["api.stripe.com", "api.github.com", "api.bank.eu", "registry.npmjs.org"]})
    assert server.call("POST", "/api/fleet/namespaces", builds).status == 201


# --- audit ----------------------------------------------------------------------------------------------------------

def audit_chain(server):
    """All rows, oldest first."""
    rows, cursor = [], ""
    while True:
        page = server.get(f"/api/audit?limit=3{cursor}")
        rows += page["items"]
        if page["next_cursor"] is None:
            return rows[::-1]
        cursor = f"&cursor={page['next_cursor']}"


def assert_chain_holds(rows):
    previous = "0" * 64
    for number, row in enumerate(rows, start=1):
        body = {key: row[key] for key in ("seq", "time", "event", "actor", "namespace", "subject", "detail")}
        canonical = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
        assert row["seq"] == number
        assert row["prev_hash"] == previous
        assert row["hash"] == hashlib.sha256((previous + canonical).encode()).hexdigest()
        previous = row["hash"]


def test_the_audit_chain_holds_and_filters_select(server):
    server.post("/api/policy/egress/allow", {"domain": "a.example", "reason": "grün \"quoted\" \\ \u0001"})
    server.post("/api/policy/egress/block", {"domain": "b.example"})
    server.post("/api/mode", {"mode": "shadow"})
    server.post("/api/fleet/namespaces", {"name": "prod", "blocked_domains": [{"domain": "c.example", "reason": "r"}]})
    rows = audit_chain(server)
    assert [row["event"] for row in rows] == ["namespace_created", "namespace_created", "policy_allow", "policy_block",
                                              "mode_changed", "namespace_created"]
    assert_chain_holds(rows)
    assert [r["subject"] for r in server.audit("policy_allow")] == ["a.example"]
    assert [r["event"] for r in server.get("/api/audit?namespace=prod")["items"]] == ["namespace_created"]
    assert [r["event"] for r in server.get("/api/audit?q=C.EXAMPLE")["items"]] == ["namespace_created"]
    assert [r["event"] for r in server.get("/api/audit?host=b.example&layer=egress")["items"]] == ["policy_block"]
    assert server.get("/api/audit?since=2999-01-01T00:00:00Z")["items"] == []
    assert len(server.get("/api/audit?until=2999-01-01T00:00:00Z")["items"]) == len(rows)


# --- telemetry ------------------------------------------------------------------------------------------------------

def otlp_log(event_id, event="egress.dial.denied", **attributes):
    base = {"egress.event_id": event_id, "clrk.egress.deny_reason": "policy", "clrk.dst.name": "evil.example",
            "network.peer.address": "192.0.2.1", "server.port": 443, "network.transport": "tcp", "agent.name": "web",
            "agent.namespace": "prod", "security_rule.ruleset.name": "egress", "security_rule.name": "block evil.example",
            "egress.count": 2, "egress.first_seen": "2026-01-01T00:00:00Z", "egress.last_seen": "2026-01-01T00:00:05Z"}
    base.update(attributes)
    listed = [{"key": k, "value": {"intValue": str(v)} if isinstance(v, int) else {"stringValue": v}}
              for k, v in base.items()]
    return {"timeUnixNano": "1767225605000000000", "severityNumber": 13, "eventName": event,
            "body": {"stringValue": event}, "attributes": listed, "traceId": event_id, "spanId": event_id[:16]}


def send_logs(server, *records):
    body = {"resourceLogs": [{"resource": {"attributes": []}, "scopeLogs": [{"scope": {"name": "t"}, "logRecords": list(records)}]}]}
    return server.call("POST", "/v1/logs", body, {"Content-Type": "application/json"})


def records_of(reply):
    return [record for resource in reply["resourceLogs"] for scope in resource["scopeLogs"] for record in scope["logRecords"]]


def test_denials_are_stored_audited_and_counted_once(server):
    server.post("/api/policy/egress/block", {"domain": "evil.example"})
    first, second = "a" * 32, "b" * 32
    shadow = otlp_log("c" * 32, event="egress.dial.would_deny", **{"egress.verdict": "would_deny"})
    allowed = otlp_log("d" * 32, event="egress.dial.allowed", **{"security_rule.name": "allow x"})
    for _ in range(2):  # the agent sends again what it got no answer for
        reply = send_logs(server, otlp_log(first), otlp_log(second, **{"clrk.egress.deny_reason": "dns_name"}), shadow, allowed)
        assert (reply.status, reply.json) == (200, {"partialSuccess": {}})
    rows = server.audit("proxy_domain_denied")
    assert [row["detail"]["event_id"] for row in rows] == [second, first]
    row = rows[1]
    assert (row["namespace"], row["subject"]) == ("prod", "evil.example:443")
    assert row["detail"] == {
        "host": "evil.example", "address": "192.0.2.1", "port": 443, "transport": "tcp", "workload": "web",
        "layer": "egress", "rule": "block evil.example", "deny_reason": "policy", "mode": "enforcement", "revision": 0,
        "count": 2, "first_seen": "2026-01-01T00:00:00Z", "last_seen": "2026-01-01T00:00:05Z", "pid": None, "exe": None,
        "event_id": first, "trace_id": first, "span_id": first[:16]}
    assert len(server.audit("proxy_domain_would_deny")) == 1
    assert_chain_holds(audit_chain(server))

    assert len(records_of(server.get("/api/otlp/logs"))) == 4
    by_reason = records_of(server.get("/api/otlp/logs?attr.clrk.egress.deny_reason=dns_name"))
    assert [r["traceId"] for r in by_reason] == [second]
    assert by_reason[0] == otlp_log(second, **{"clrk.egress.deny_reason": "dns_name"}), "records come back as they went in"
    assert len(server.get("/api/audit?workload=web&verdict=deny&layer=egress&host=evil.example")["items"]) == 2
    entry = server.get("/api/policy/egress")["blocked"][0]
    assert (entry["hits"], entry["last_used_at"]) == (6, "2026-01-01T00:00:05Z")


def test_spans_are_stored(server):
    span = {"traceId": "a" * 32, "spanId": "b" * 16, "name": "egress.dial.denied", "kind": 2,
            "startTimeUnixNano": "1", "endTimeUnixNano": "2", "attributes": []}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    reply = server.call("POST", "/v1/traces", body, {"Content-Type": "application/json"})
    assert (reply.status, reply.json) == (200, {"partialSuccess": {}})
    stored = server.get("/api/otlp/traces")
    assert stored["resourceSpans"][0]["scopeSpans"][0]["spans"] == [span]


# --- distribution ---------------------------------------------------------------------------------------------------

def get_bundle(server, namespace="default", etag=None, wait=None, workload="w"):
    headers = {}
    if etag:
        headers["If-None-Match"] = etag
    if wait is not None:
        headers["Prefer"] = f"wait={wait}"
    return server.call("GET", f"/api/bundle?namespace={namespace}&workload={workload}", headers=headers, timeout_s=90)


def manifest_of(reply):
    return json.loads(reply.json["manifest"])


def test_a_bundle_names_layers_that_can_be_fetched_by_hash(server):
    server.post("/api/fleet/namespaces", {"name": "prod", "allowed_domains": ["a.example"]})
    manifest = manifest_of(get_bundle(server, "prod"))
    assert [layer["id"] for layer in manifest["stack"]] == ["egress", "namespace:prod", "namespace:/"]
    assert [layer["unmatched"] for layer in manifest["stack"]] == ["abstain", "deny", "abstain"]
    assert (manifest["namespace"], manifest["workload"]) == ("prod", "w")
    for layer in manifest["stack"]:
        reply = server.call("GET", f"/api/layers/{layer['sha256']}")
        assert reply.status == 200
        assert hashlib.sha256(reply.body).hexdigest() == layer["sha256"]
        assert len(reply.body) == layer["size"]
        assert reply.headers["Content-Type"] == "application/octet-stream"
        assert "immutable" in reply.headers["Cache-Control"]


def test_an_unchanged_bundle_is_304_with_its_etag_at_the_timeout(server):
    etag = get_bundle(server).headers["ETag"]
    for wait in (None, 1):
        reply = get_bundle(server, etag=etag, wait=wait)
        assert (reply.status, reply.headers["ETag"], reply.body) == (304, etag, b"")


def wait_for_polls(server, count):
    """Until that many connections are open at the server: their polls are held, or about to be. Either way the answer
    must be the same: a change between a poll's look and its wait is never missed."""

    def established():
        port = f":{server.port:04X}"
        with open("/proc/net/tcp") as table:
            rows = [line.split() for line in table]
        return sum(1 for row in rows if row[1].endswith(port) and row[3] == "01") >= count

    eventually(established, what=f"{count} open connections")


def test_a_change_wakes_the_waiters_it_concerns_and_no_others(server):
    for name in ("prod", "dev"):
        server.post("/api/fleet/namespaces", {"name": name, "allowed_domains": ["a.example"]})
    answers = {}

    def poll(name, etag, wait):
        answers[name] = get_bundle(server, name, etag, wait)

    etags = {name: get_bundle(server, name).headers["ETag"] for name in ("prod", "dev")}
    threads = [threading.Thread(target=poll, args=("prod", etags["prod"], 60)),
               threading.Thread(target=poll, args=("dev", etags["dev"], 2))]
    for thread in threads:
        thread.start()
    wait_for_polls(server, 2)
    server.post("/api/fleet/namespaces", {"name": "prod", "allowed_domains": ["b.example"]})
    for thread in threads:
        thread.join(90)
    assert answers["prod"].status == 200
    assert answers["prod"].headers["ETag"] != etags["prod"]
    assert answers["dev"].status == 304


def test_a_waiter_learns_that_its_namespace_is_gone(server):
    server.post("/api/fleet/namespaces", {"name": "prod"})
    etag = get_bundle(server, "prod").headers["ETag"]
    answers = []
    thread = threading.Thread(target=lambda: answers.append(get_bundle(server, "prod", etag, 60)))
    thread.start()
    wait_for_polls(server, 1)
    assert server.call("DELETE", "/api/fleet/namespaces?name=prod&force=true").status == 200
    thread.join(90)
    assert (answers[0].status, answers[0].json["error"]) == (404, "namespace_unknown")
    assert "POST /api/fleet/namespaces" in answers[0].json["message"]


def test_mode_and_settings_reach_the_manifest(server):
    server.post("/api/mode", {"mode": "shadow"})
    assert server.get("/api/mode") == {"mode": "shadow"}
    server.post("/api/fleet/namespaces", {"name": "prod", "loopback": "enforce"})
    server.post("/api/fleet/namespaces", {"name": "prod/x", "lookups": "listed", "mode": "enforcement"})
    server.post("/api/fleet/namespaces", {"name": "/", "default_action": "allow"})
    manifest = manifest_of(get_bundle(server, "prod/x"))
    assert {k: manifest[k] for k in ("mode", "loopback", "lookups", "default_action")} == {
        "mode": "enforcement", "loopback": "enforce", "lookups": "listed", "default_action": "allow"}
    assert manifest_of(get_bundle(server, "prod"))["mode"] == "shadow"


def test_agents_report_what_they_run(server):
    report = {"namespace": "prod", "workload": "web", "host": "h", "agent_id": "a1", "offered": 3, "active": 2, "error": "no space"}
    revision = server.post("/api/bundle/status", report)["revision"]
    server.post("/api/bundle/status", {**report, "active": 3, "error": ""})
    status = server.get("/api/bundle/status")
    assert status["revision"] == revision
    assert len(status["items"]) == 1
    item = status["items"][0]
    assert (item["agent_id"], item["offered"], item["active"], item["error"]) == ("a1", 3, 3, None)


# --- what is malformed ----------------------------------------------------------------------------------------------

ALLOW, NAMESPACES, LOGS = "/api/policy/egress/allow", "/api/fleet/namespaces", "/v1/logs"
JSON_TYPE = {"Content-Type": "application/json"}

BAD_REQUESTS = [
    # (what, method, path, body, headers, status, error code or google.rpc code)
    ("empty body", "POST", ALLOW, b"", {}, 400, "invalid_json"),
    ("truncated JSON", "POST", ALLOW, b'{"domain":', {}, 400, "invalid_json"),
    ("not an object", "POST", ALLOW, b'["a.example"]', {}, 400, "invalid_json"),
    ("null", "POST", ALLOW, b"null", {}, 400, "invalid_json"),
    ("trailing text", "POST", ALLOW, b'{"domain":"a.example"} x', {}, 400, "invalid_json"),
    ("duplicate key", "POST", ALLOW, b'{"domain":"a.example","domain":"b.example"}', {}, 400, "invalid_json"),
    ("invalid UTF-8", "POST", ALLOW, b'{"domain":"a\xff.example"}', {}, 400, "invalid_json"),
    ("nested too deep", "POST", ALLOW, b"[" * 1000, {}, 400, "invalid_json"),
    ("number overflow", "POST", ALLOW, b'{"domain":1e999}', {}, 400, "invalid_json"),
    ("form data", "POST", ALLOW, b"domain=a.example", {}, 400, "invalid_json"),
    ("no domain", "POST", ALLOW, b"{}", {}, 400, "invalid_field"),
    ("empty domain", "POST", ALLOW, b'{"domain":""}', {}, 400, "invalid_field"),
    ("domain of the wrong type", "POST", ALLOW, b'{"domain":7}', {}, 400, "invalid_field"),
    ("empty label", "POST", ALLOW, b'{"domain":"a..example"}', {}, 400, "invalid_field"),
    ("star inside", "POST", ALLOW, b'{"domain":"a.*.example"}', {}, 400, "invalid_field"),
    ("star alone", "POST", ALLOW, b'{"domain":"*."}', {}, 400, "invalid_field"),
    ("a URL", "POST", ALLOW, b'{"domain":"https://a.example/"}', {}, 400, "invalid_field"),
    ("prefix too long", "POST", ALLOW, b'{"domain":"10.0.0.0/33"}', {}, 400, "invalid_field"),
    ("name too long", "POST", ALLOW, b'{"domain":"' + b"a." * 200 + b'example"}', {}, 400, "invalid_field"),
    ("unknown field", "POST", ALLOW, b'{"domain":"a.example","reasn":"x"}', {}, 400, "unknown_field"),
    ("reason of the wrong type", "POST", ALLOW, b'{"domain":"a.example","reason":{}}', {}, 400, "invalid_field"),
    ("reason too long", "POST", ALLOW, json.dumps({"domain": "a.example", "reason": "x" * 2000}).encode(), {}, 400, "invalid_field"),
    ("require_auth as text", "POST", ALLOW, b'{"domain":"a.example","require_auth":"yes"}', {}, 400, "invalid_field"),
    ("require_auth on a block", "POST", "/api/policy/egress/block", b'{"domain":"a.example","require_auth":true}', {}, 400, "unknown_field"),
    ("both expiries", "POST", ALLOW, b'{"domain":"a.example","expires_in":"1h","expires_at":"2999-01-01T00:00:00Z"}', {}, 400, "invalid_field"),
    ("expiry in the past", "POST", ALLOW, b'{"domain":"a.example","expires_at":"2001-01-01T00:00:00Z"}', {}, 400, "invalid_field"),
    ("no such duration", "POST", ALLOW, b'{"domain":"a.example","expires_in":"a while"}', {}, 400, "invalid_field"),
    ("body too large", "POST", ALLOW, b'{"domain":"' + b"a" * 100_000 + b'"}', {}, 413, "body_too_large"),
    ("gzip", "POST", ALLOW, b"\x1f\x8b", {"Content-Encoding": "gzip"}, 415, "unsupported_encoding"),
    ("unknown query", "POST", ALLOW + "?force=true", b'{"domain":"a.example"}', {}, 400, "invalid_query"),
    ("removal without a domain", "DELETE", ALLOW, None, {}, 400, "invalid_query"),
    ("removal of nonsense", "DELETE", ALLOW + "?domain=a..b", None, {}, 400, "invalid_query"),
    ("removal of what is not there", "DELETE", ALLOW + "?domain=a.example", None, {}, 404, "egress_entry_not_found"),
    ("bad percent-encoding", "DELETE", ALLOW + "?domain=%zz", None, {}, 400, "invalid_target"),
    ("namespace with a slash in front", "POST", NAMESPACES, b'{"name":"/prod"}', {}, 400, "invalid_field"),
    ("namespace in capitals", "POST", NAMESPACES, b'{"name":"Prod"}', {}, 400, "invalid_field"),
    ("namespace too deep", "POST", NAMESPACES, json.dumps({"name": "/".join("abcdefghijklmnopq")}).encode(), {}, 400, "invalid_field"),
    ("list of the wrong type", "POST", NAMESPACES, b'{"name":"prod","allowed_domains":"a.example"}', {}, 400, "invalid_field"),
    ("entry of the wrong type", "POST", NAMESPACES, b'{"name":"prod","allowed_domains":[1]}', {}, 400, "invalid_field"),
    ("entry with an unknown field", "POST", NAMESPACES, b'{"name":"prod","allowed_domains":[{"domain":"a.b","x":1}]}', {}, 400, "unknown_field"),
    ("entry twice", "POST", NAMESPACES, b'{"name":"prod","allowed_domains":["a.b","A.b."]}', {}, 400, "invalid_field"),
    ("too many entries", "POST", NAMESPACES, json.dumps({"name": "prod", "allowed_domains": [f"h{i}.example" for i in range(10_001)]}).encode(), {}, 400, "invalid_field"),
    ("no such mode", "POST", NAMESPACES, b'{"name":"prod","mode":"yolo"}', {}, 400, "invalid_field"),
    ("default action of a child", "POST", NAMESPACES, b'{"name":"prod","default_action":"allow"}', {}, 400, "invalid_field"),
    ("force neither true nor false", "POST", NAMESPACES + "?force=1", b'{"name":"prod"}', {}, 400, "invalid_query"),
    ("deleting the root", "DELETE", NAMESPACES + "?name=/&force=true", None, {}, 409, "root_undeletable"),
    ("deleting what is not there", "DELETE", NAMESPACES + "?name=nope", None, {}, 404, "namespace_unknown"),
    ("bad cursor", "GET", NAMESPACES + "?cursor=%20", None, {}, 400, "invalid_query"),
    ("no mode", "POST", "/api/mode", b"{}", {}, 400, "invalid_field"),
    ("null mode", "POST", "/api/mode", b'{"mode":null}', {}, 400, "invalid_field"),
    ("audit limit beyond the maximum", "GET", "/api/audit?limit=1001", None, {}, 400, "invalid_query"),
    ("audit since nonsense", "GET", "/api/audit?since=yesterday", None, {}, 400, "invalid_query"),
    ("audit with a body", "GET", "/api/audit", b"x", {}, 413, "body_too_large"),
    ("bundle of an unknown namespace", "GET", "/api/bundle?namespace=nope", None, {}, 404, "namespace_unknown"),
    ("bundle of a malformed namespace", "GET", "/api/bundle?namespace=a//b", None, {}, 400, "invalid_query"),
    ("bundle with a malformed wait", "GET", "/api/bundle", None, {"Prefer": "wait=soon"}, 400, "invalid_header"),
    ("layer that is no hash", "GET", "/api/layers/xyz", None, {}, 400, "invalid_path"),
    ("layer that never was", "GET", "/api/layers/" + "0" * 64, None, {}, 404, "layer_unknown"),
    ("status without an agent", "POST", "/api/bundle/status", b'{"namespace":"prod"}', {}, 400, "invalid_field"),
    ("status with a negative revision", "POST", "/api/bundle/status", b'{"namespace":"prod","agent_id":"a","active":-1}', {}, 400, "invalid_field"),
    ("no such path", "GET", "/api/nope", None, {}, 404, "not_found"),
    ("dot segments", "GET", "/api/../etc/passwd", None, {}, 404, "not_found"),
    ("wrong method", "PUT", "/api/mode", b"{}", {}, 405, "method_not_allowed"),
    ("foreign host", "GET", "/healthz", None, {"Host": "evil.example"}, 403, "foreign_host"),
    ("foreign origin", "POST", ALLOW, b'{"domain":"a.example"}', {"Origin": "https://evil.example"}, 403, "cross_site"),
    ("cross-site fetch", "POST", ALLOW, b'{"domain":"a.example"}', {"Sec-Fetch-Site": "cross-site"}, 403, "cross_site"),
    ("OTLP as form data", "POST", LOGS, b"{}", {"Content-Type": "application/x-www-form-urlencoded"}, 415, 3),
    ("OTLP as protobuf", "POST", LOGS, b"\x00", {"Content-Type": "application/x-protobuf"}, 415, 3),
    ("OTLP that is not JSON", "POST", LOGS, b"x", JSON_TYPE, 400, 3),
    ("OTLP of the wrong shape", "POST", LOGS, b'{"resourceLogs":{}}', JSON_TYPE, 400, 3),
    ("OTLP with a bad time", "POST", LOGS, b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"x"}]}]}]}', JSON_TYPE, 400, 3),
    ("OTLP attribute filter without a name", "GET", "/api/otlp/logs?since=x", None, {}, 400, "invalid_query"),
]


def test_malformed_requests_are_refused_clearly_and_change_nothing(server):
    assert len(BAD_REQUESTS) >= 40
    before = [server.get(p) for p in ("/api/audit", "/api/policy/egress", "/api/fleet/namespaces", "/api/otlp/logs")]
    for what, method, path, body, headers, status, code in BAD_REQUESTS:
        reply = server.call(method, path, body, headers)
        assert reply.status == status, f"{what}: {reply.status} {reply.body}"
        assert reply.headers["Content-Type"] == "application/json", what
        if isinstance(code, int):
            assert reply.json["code"] == code, what
        else:
            assert reply.json["error"] == code, f"{what}: {reply.body}"
        assert reply.json["message"], what
    assert server.get("/healthz") == {"status": "ok"}
    after = [server.get(p) for p in ("/api/audit", "/api/policy/egress", "/api/fleet/namespaces", "/api/otlp/logs")]
    assert after == before


RAW_GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS hello
    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    b"POST /api/mode HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"POST /api/mode HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /api/mode HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /healthz HTTP/9.9\r\nHost: localhost\r\n\r\n",
    b"\x00" * 1000,
]


@pytest.mark.parametrize("number", range(len(RAW_GARBAGE)))
def test_what_is_not_http_is_answered_with_an_error_or_a_closed_connection(server, number):
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        try:
            connection.sendall(RAW_GARBAGE[number])
            connection.shutdown(socket.SHUT_WR)
            reply = b""
            while chunk := connection.recv(65536):
                reply += chunk
        except (BrokenPipeError, ConnectionResetError):
            reply = b""
    assert reply == b"" or reply.split()[1][:1] == b"4", reply[:200]
    assert server.get("/healthz") == {"status": "ok"}


# --- many at once, and the end --------------------------------------------------------------------------------------

def test_concurrent_writers_lose_nothing(server):
    writers, writes = 2, 30
    failures = []

    def write(writer):
        for number in range(writes):
            reply = server.call("POST", ALLOW, {"domain": f"w{writer}-{number}.example"})
            if reply.status != 201:
                failures.append(reply.body)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
    assert len(server.get("/api/policy/egress")["allowed"]) == writers * writes
    rows = audit_chain(server)
    assert len(rows) == 2 + writers * writes
    assert_chain_holds(rows)


def test_sigterm_ends_well_even_with_a_poll_held(server):
    etag = get_bundle(server).headers["ETag"]
    answers = []
    thread = threading.Thread(target=lambda: answers.append(get_bundle(server, etag=etag, wait=60)))
    thread.start()
    wait_for_polls(server, 1)
    assert (server.data / "address").exists()
    assert server.stop(signal.SIGTERM) == 0
    thread.join(60)
    assert not (server.data / "address").exists()
    assert answers[0].status == 304


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_keeps_policy_audit_key_and_etag(server, how):
    server.post(ALLOW, {"domain": "a.example", "reason": "kept"})
    server.post(NAMESPACES, {"name": "prod", "allowed_domains": ["a.example"]})
    send_logs(server, otlp_log("a" * 32))
    server.post("/api/mode", {"mode": "discovery"})
    paths = ("/api/policy/egress", NAMESPACES, "/api/mode", "/api/otlp/logs")
    before = [server.get(path) for path in paths]
    bundle = get_bundle(server, "prod")
    rows = audit_chain(server)
    server.stop(how)
    server.start()
    assert [server.get(path) for path in paths] == before
    again = get_bundle(server, "prod")
    assert again.headers["ETag"] == bundle.headers["ETag"]
    assert again.json["public_key"] == bundle.json["public_key"]
    assert manifest_of(again)["revision"] == manifest_of(bundle)["revision"]
    server.post("/api/policy/egress/block", {"domain": "b.example"})
    chain = audit_chain(server)
    assert chain[:-1] == rows
    assert_chain_holds(chain)


# --- the command line -----------------------------------------------------------------------------------------------

def run_server(*arguments):
    return subprocess.run([SERVER, *arguments], env=clean_environment(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60)


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:8443"])
def test_it_refuses_to_listen_beyond_loopback(tmp_path, listen):
    done = run_server("--listen", listen, "--data", tmp_path / "data")
    assert done.returncode == 2
    assert "not a loopback address" in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("arguments", [["--listen", "nonsense", "--data", "x"], ["--data"], [], ["--data", "x", "--log", "loud"],
                                       ["--data", "x", "--what"]])
def test_it_refuses_options_it_does_not_know(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run_server(*arguments)
    assert done.returncode == 2
    assert done.stderr


def test_it_says_that_it_is_open_and_where_it_listens(server):
    log = (server.data / "server.log").read_text()
    assert "without authentication" in log
    assert (server.data / "address").read_text() == f"http://127.0.0.1:{server.port}\n"


def test_two_servers_do_not_share_a_directory(server):
    done = run_server("--listen", "127.0.0.1:0", "--data", server.data)
    assert done.returncode == 1
    assert "another egress-server uses" in done.stderr
    assert (server.data / "address").exists(), "the first server's address stays"


def test_a_taken_port_is_a_clear_error(server, tmp_path):
    done = run_server("--listen", f"127.0.0.1:{server.port}", "--data", tmp_path / "other")
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {server.port}" in done.stderr


def test_it_listens_on_ipv6_loopback(tmp_path):
    six = Server(tmp_path / "six", listen="[::1]:0").start()
    try:
        assert six.url.startswith("http://[::1]:")
        assert six.get("/healthz") == {"status": "ok"}
    finally:
        assert six.stop() == 0
