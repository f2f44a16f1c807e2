"""The API's description against the server that gives it: the document is OpenAPI 3.1, what it describes is accepted,
what it does not describe is refused, and answers are of the shape it says."""

import itertools
import json
from urllib.parse import quote

import pytest
from jsonschema import Draft202012Validator

from conftest import BIN, Server
from openapi_form import DOCUMENT_SCHEMA
from openapi_shape import Shape, body_operations, check_answer, check_body, check_fields, names_expected, operations_of


@pytest.fixture(scope="module", autouse=True)
def built():
    """These tests need the server alone."""
    assert (BIN / "egress-server").exists(), f"{BIN / 'egress-server'} is missing: build it first (scripts/test does)"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("openapi")).start()
    try:
        fill(running)
        yield running
    finally:
        status = running.stop()
    assert status == 0


def fill(server):
    """Something of everything, so that no list is empty."""
    server.post("/api/policy/egress/allow", {"domain": "a.example", "reason": "r", "require_auth": True, "expires_in": "1h"})
    server.post("/api/policy/egress/allow", {"domain": "10.1.2.3/8"})
    server.post("/api/policy/egress/block", {"domain": "evil.example"})
    server.post("/api/fleet/namespaces", {"name": "/", "default_action": "deny", "mode": "enforcement"})
    server.post("/api/fleet/namespaces", {"name": "prod", "allowed_domains": [
        "a.example", {"domain": "b.example", "reason": "r", "expires_at": "2999-01-01T00:00:00Z"}], "loopback": "enforce",
        "lookups": "listed", "blocked_domains": ["c.example"]})
    server.post("/api/fleet/namespaces", {"name": "prod/payments", "allowed_domains": ["a.example"]})
    assert server.call("POST", "/api/fleet/namespaces?force=true", {"name": "prod", "allowed_domains": ["b.example"]}).status == 200
    reply = server.call("POST", "/api/manifests", (
        "apiVersion: egress/v1\nkind: PolicyTest\nmetadata: {name: t}\nspec: {namespace: prod, deny: ['evil.example:443/tcp']}\n"
        "---\napiVersion: policies.mirrord.metalbear.co/v1alpha\nkind: MirrordPolicy\nmetadata: {name: m, namespace: prod}\n"
        "spec: {network: {outgoing: {allow: [{ports: [{protocol: TCP, port: 443}]}]}}}\n").encode())
    assert reply.status == 200, reply.body
    server.post("/api/bundle/status", {"agent_id": "a1", "namespace": "prod", "workload": "w", "host": "h", "offered": 3, "active": 3})
    record = {"timeUnixNano": "1767225605000000000", "eventName": "egress.dial.denied", "attributes": [
        {"key": "agent.name", "value": {"stringValue": "web"}}]}
    send = {"/v1/logs": {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]},
            "/v1/traces": {"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "x", "startTimeUnixNano": "1"}]}]}]}}
    for path, body in send.items():
        assert server.call("POST", path, body, {"Content-Type": "application/json"}).status == 200


@pytest.fixture(scope="module")
def description(server):
    return server.get("/api/openapi.json")


# --- the document ---------------------------------------------------------------------------------------------------

def test_it_has_the_form_of_openapi_3_1(description):
    problems = [f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
                for error in Draft202012Validator(DOCUMENT_SCHEMA).iter_errors(description)]
    assert not problems, "\n".join(problems)


def test_every_schema_in_it_is_a_json_schema(description):
    def schemas(node):
        if isinstance(node, dict):
            for key, value in node.items():
                if key == "schema":
                    yield value
                yield from schemas(value)
        elif isinstance(node, list):
            for value in node:
                yield from schemas(value)

    found = [*schemas(description["paths"]), *description["components"]["schemas"].values()]
    assert len(found) > 100
    for schema in found:
        Draft202012Validator.check_schema(schema)


def test_error_codes_are_told_by_status_and_by_operation(description):
    listed = {entry["code"]: entry["status"] for entry in description["components"]["x-egress-error-codes"]}
    for method, path, operation in operations_of(description):
        codes = {}
        for status, response in operation["responses"].items():
            codes.update({code: int(status) for code in response.get("x-egress-error-codes", ())})
        assert {"internal_error", "bad_request", "header_too_large"} <= codes.keys(), (method, path)
        assert ("invalid_query" in codes) == (not path.startswith("/v1/")), (method, path)
        assert codes.items() <= listed.items(), (method, path)
        assert ("cross_site" in codes) == (method != "GET"), (method, path)
        assert ("out_of_scope" in codes) == (operation["x-egress-role"] != "anyone"), (method, path)


# --- parameters -----------------------------------------------------------------------------------------------------

# What a call needs besides the parameter under test, and values that mean something to it.
BASE = {
    "removeAllowedDomain": {"domain": "nothere.example"}, "removeBlockedDomain": {"domain": "nothere.example"},
    "removeNamespace": {"name": "nothere"}, "removeManifest": {"kind": "PolicyTest", "name": "nothere"},
    "explain": {"host": "a.example", "port": "443"}, "revokeToken": {"id": "nothere"},
    "removeWorkload": {"namespace": "prod", "name": "nothere"},
}
CONDITIONAL = {"explain"}  # what it needs depends on the rest of the question
PLAIN = {"name": "prod", "namespace": "prod", "domain": "nothere.example", "host": "a.example", "ip": "192.0.2.1",
         "labels": "a=b,c=d", "workload": "w", "target": "deployment/w", "event": "policy_allow", "verdict": "deny",
         "layer": "egress", "q": "x", "attr.*": "x",
         "id": "x"}
PATH_VALUES = {"sha256": "0" * 64, "number": "999999"}  # posting to a revision that is there would go back to it
CURSORS = {"listNamespaces": "prod", "listBundleStatus": "6131", "listWorkloads": "70726f640a77", "listTokens": "x"}
BODIES = {"POST": b"{}"}


def ask(server, method, path, operation, query):
    for name, value in PATH_VALUES.items():
        path = path.replace("{" + name + "}", value)
    assert "{" not in path, f"{path}: say in PATH_VALUES what may stand there"
    text = "&".join(f"{quote(name)}={quote(value, safe='')}" for name, value in query.items())
    headers = {"Content-Type": "application/json"}
    return server.call(method, f"{path}?{text}" if text else path, BODIES.get(method), headers)


def is_refused_query(reply):
    return reply.status == 400 and reply.json.get("error") == "invalid_query"


def values_of(shape, operation, parameter):
    """(what a parameter takes, what it does not), as its schema has it."""
    schema, name = shape.resolve(parameter["schema"]), parameter["name"]
    if "enum" in schema:
        return schema["enum"], ["nonsense", ""]
    if schema["type"] == "boolean":
        return ["true", "false"], ["1", "yes", ""]
    if schema["type"] == "integer":
        low, high = schema["minimum"], schema["maximum"]
        return [str(low), str(high)], [str(low - 1), str(high + 1), "x", "", "1.5"]
    if schema.get("format") == "date-time":
        return ["2026-01-01T00:00:00Z"], ["yesterday", ""]
    if name == "cursor":
        return ([CURSORS[operation["operationId"]]] if operation["operationId"] in CURSORS else []), []
    if "maxLength" in schema:
        return [PLAIN[name], "x" * schema["maxLength"]], ["x" * (schema["maxLength"] + 1)]
    return [PLAIN[name]], []


def dependent(operation, name, value):
    """What else has to be said for a value to be the one under test."""
    if operation["operationId"] == "listManifests" and name == "limit":
        return {"format": "yaml"}
    return {}


def without_what_it_excludes(operation, name, value, query):
    if operation["operationId"] == "explain" and name == "protocol" and value in ("icmp", "other"):
        query.pop("port")
    if operation["operationId"] == "removeManifest" and name == "kind" and value in ("Namespace", "EgressDomain"):
        query["name"] = "nothere"
    return query


def query_parameters(description):
    for method, path, operation in operations_of(description):
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "query":
                yield method, path, operation, parameter


def test_what_parameters_take_is_as_described(server, description):
    shape, wrong, asked = Shape(description), [], 0
    for method, path, operation, parameter in query_parameters(description):
        name = parameter["name"].replace("*", "x")
        takes, takes_not = values_of(shape, operation, parameter)
        for value, expected in [*zip(takes, itertools.repeat(False)), *zip(takes_not, itertools.repeat(True))]:
            query = {**BASE.get(operation["operationId"], {}), **dependent(operation, name, value), name: value}
            reply = ask(server, method, path, operation, without_what_it_excludes(operation, name, value, query))
            asked += 1
            if is_refused_query(reply) != expected and not (expected and reply.json.get("error") == "unknown_kind"):
                wrong.append(f"{method} {path} {name}={value[:40]}: {reply.status} {reply.body[:200]}")
    assert not wrong, "\n".join(wrong)
    assert asked > 100


def test_required_parameters_are_required_and_others_are_not(server, description):
    for method, path, operation in operations_of(description):
        required = [p["name"] for p in operation.get("parameters", ()) if p["in"] == "query" and p["required"]]
        base = BASE.get(operation["operationId"], {})
        assert set(required) <= base.keys(), f"{operation['operationId']}: say what it needs in BASE"
        assert not is_refused_query(ask(server, method, path, operation, base)), (method, path)
        for name in required:
            reply = ask(server, method, path, operation, {k: v for k, v in base.items() if k != name})
            assert is_refused_query(reply), (method, path, name)
            assert reply.json["field"] == name
        for name in base.keys() - set(required):
            reply = ask(server, method, path, operation, {k: v for k, v in base.items() if k != name})
            assert is_refused_query(reply) == (operation["operationId"] in CONDITIONAL), (method, path, name)


def test_a_parameter_that_is_not_described_is_refused(server, description):
    """By every call that reads its query before its body; what OTLP says of queries is nothing, so they are ignored."""
    every = {parameter["name"] for _, _, _, parameter in query_parameters(description)} - {"attr.*"} | {"nonsense"}
    for method, path, operation in operations_of(description):
        if path.startswith("/v1/"):
            continue
        known = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"}
        for name in every - known:
            reply = ask(server, method, path, operation, {**BASE.get(operation["operationId"], {}), name: "true"})
            assert is_refused_query(reply), f"{method} {path}?{name}: {reply.status} {reply.body[:200]}"


def test_the_server_knows_the_parameters_described_and_no_others(server, description):
    for method, path, operation in operations_of(description):
        if path.startswith("/v1/"):
            continue
        reply = ask(server, method, path, operation, {**BASE.get(operation["operationId"], {}), "nonsense": "x"})
        known = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"} - {"attr.*"}
        assert names_expected(reply.json["message"]) == known, (method, path)


# --- bodies ---------------------------------------------------------------------------------------------------------

GOOD_BODIES = {
    "allowDomain": {"domain": "new.example"}, "blockDomain": {"domain": "new.example"}, "putNamespace": {"name": "new"},
    "setMode": {"mode": "shadow"}, "reportBundleStatus": {"agent_id": "a2", "namespace": "prod"},
    "applyChangeset": {"changes": [{"op": "allow", "domain": "new.example"}]}, "rollBack": {},
}
CLOSING = {"createToken", "putWorkload", "beginSession"}  # what they take closes a server: test_openapi_closed.py has them
UNDONE = {"applyChangeset", "rollBack"}  # asked as dry runs


def target_of(operation, path):
    path = path.replace("{number}", "1")
    return f"{path}?dry_run=true" if operation["operationId"] in UNDONE else path


def test_bodies_are_taken_as_described(server, description):
    shape, names = Shape(description), set()
    for method, path, operation, schema in body_operations(description):
        name = operation["operationId"]
        names.add(name)
        if name in CLOSING:
            continue
        assert name in GOOD_BODIES, f"{name}: give a body that it takes"
        check_body(server, shape, method, target_of(operation, path), operation, schema, lambda: dict(GOOD_BODIES[name]))
    assert names == GOOD_BODIES.keys() | CLOSING


CHANGES = {
    "allow": {"domain": "new.example"}, "block": {"domain": "new.example"}, "remove_allow": {"domain": "a.example"},
    "remove_block": {"domain": "evil.example"}, "namespace": {"name": "new"}, "remove_namespace": {"name": "prod/payments"},
    "mode": {"mode": "shadow"}, "manifest": {"manifest": "kind: x"}, "remove_document": {"kind": "PolicyTest", "name": "t"},
}


def test_changes_are_taken_as_described(server, description):
    """Every operation of a change-set, the second of two, so that refusals name its place."""
    shape, known = Shape(description), set()
    for schema in description["components"]["schemas"]["Change"]["oneOf"]:
        (op,) = schema["properties"]["op"]["enum"]
        known.add(op)

        def call(change):
            changes = [{"op": "mode", "mode": "enforcement"}, change]
            return server.call("POST", "/api/changesets?dry_run=true", {"changes": changes})

        # Another op is another schema: what this one says of "op" itself is left to the calls below.
        rest = {**schema, "properties": {k: v for k, v in schema["properties"].items() if k != "op"},
                "required": [name for name in schema["required"] if name != "op"]}
        check_fields(shape, rest, CHANGES[op], lambda change: call({"op": op, **change}), "changes[1].{}".format, {"op"})
        for wrong in (None, 7, "", "nonsense"):
            reply = call({**CHANGES[op], "op": wrong})
            assert (reply.status, reply.json["error"], reply.json["field"]) == (400, "invalid_field", "changes[1].op")
        assert call(CHANGES[op]).json["field"] == "changes[1].op"
    assert known == CHANGES.keys()


# --- answers --------------------------------------------------------------------------------------------------------

GETS = [
    "/healthz", "/api/openapi.json", "/api/policy/egress", "/api/fleet/namespaces", "/api/fleet/namespaces?name=prod/payments",
    "/api/fleet/namespaces?limit=1", "/api/manifests", "/api/manifests?format=yaml", "/api/mode", "/api/audit",
    "/api/audit?limit=1", "/api/otlp/logs", "/api/otlp/traces", "/api/otlp/logs?limit=1&attr.agent.name=web", "/api/bundle",
    "/api/bundle?namespace=prod&workload=w", "/api/bundle/status", "/api/explain?host=a.example&port=443",
    "/api/explain?host=x.example&port=443&namespace=prod", "/api/explain?ip=10.1.2.3&port=1&protocol=udp&namespace=prod/payments",
    "/api/explain?host=a.example&protocol=icmp&namespace=nothere", "/api/layers/{sha256}",
    "/api/fleet/namespaces?name=nothere", "/api/audit?limit=0", "/api/bundle?namespace=nothere", "/api/layers/x",
    "/readyz", "/metrics", "/api/session", "/api/tokens", "/api/tokens?limit=0", "/api/fleet/workloads",
    "/api/fleet/workloads?namespace=prod&name=nothere", "/api/revisions", "/api/revisions?limit=2", "/api/revisions/1",
    "/api/revisions/5?limit=1", "/api/revisions/9?cursor=7", "/api/revisions/9999", "/api/revisions/x",
]


def test_answers_have_the_shape_described(server, description):
    manifest = json.loads(server.get("/api/bundle?namespace=prod")["manifest"])
    shape, seen = Shape(description), set()
    for target in GETS:
        target = target.replace("{sha256}", manifest["stack"][0]["sha256"])
        seen.add(check_answer(shape, "GET", target, server.call("GET", target)))
    described = {path for path, methods in description["paths"].items() if "get" in methods}
    assert seen == described, f"ask for them too: {described - seen}"


def test_what_writes_answer_has_the_shape_described(server, description):
    shape = Shape(description)
    yaml = b"apiVersion: egress/v1\nkind: PolicyTest\nmetadata: {name: u}\nspec: {namespace: prod, deny: ['x.example:1/tcp']}\n"
    everything = [
        {"op": "allow", "domain": "10.1.2.3/10"}, {"op": "namespace", "name": "prod/new"}, {"op": "manifest", "manifest": yaml.decode()},
        {"op": "remove_document", "kind": "PolicyTest", "name": "t"}, {"op": "remove_namespace", "name": "prod/payments"},
    ]
    calls = [
        ("POST", "/api/policy/egress/allow", {"domain": "10.1.2.3/9"}), ("POST", "/api/policy/egress/block", {"domain": "d.example"}),
        ("POST", "/api/fleet/namespaces?dry_run=true&force=true", {"name": "prod", "allowed_domains": ["10.1.2.3/8"]}),
        ("POST", "/api/fleet/namespaces", {"name": "prod/payments", "allowed_domains": ["z.example"]}),
        ("POST", "/api/fleet/namespaces", {"name": "prod", "allowed_domains": []}),
        ("POST", "/api/manifests?dry_run=true", yaml), ("POST", "/api/manifests", b"kind: x\n"), ("POST", "/api/manifests", yaml),
        ("DELETE", "/api/manifests?kind=PolicyTest&name=u", None), ("DELETE", "/api/fleet/namespaces?name=prod", None),
        ("DELETE", "/api/fleet/namespaces?name=prod/payments&dry_run=true", None),
        ("DELETE", "/api/policy/egress/block?domain=d.example", None), ("DELETE", "/api/policy/egress/allow?domain=d.example", None),
        ("POST", "/v1/logs", {}), ("POST", "/v1/logs", []), ("POST", "/api/mode", {"mode": "enforcement"}), ("POST", "/api/mode", {}),
        ("POST", "/api/changesets?dry_run=true", {"changes": everything}),
        ("POST", "/api/changesets", {"changes": [{"op": "mode", "mode": "enforcement"}]}),
        ("POST", "/api/changesets", {"changes": [{"op": "remove_allow", "domain": "nothere.example"}]}),
        ("POST", "/api/changesets", {"changes": [{"op": "remove_namespace", "name": "/"}]}),
        ("POST", "/api/changesets", {"changes": [{"op": "namespace", "name": "prod/payments", "allowed_domains": ["z.example"]}]}),
        ("POST", "/api/changesets", {"changes": [{"op": "manifest", "manifest": "kind: x"}]}),
        ("POST", "/api/changesets?dry_run=true&force=true", {"changes": [{"op": "namespace", "name": "prod", "allowed_domains": []}]}),
        ("POST", "/api/revisions/1:rollback?dry_run=true&force=true", {"reason": "r"}),
        ("POST", "/api/revisions/9999:rollback", None), ("POST", "/api/revisions/x:rollback", None),
        ("DELETE", "/api/fleet/namespaces?name=prod/payments&force=true&dry_run=true", None), ("DELETE", "/api/session", None),
        ("POST", "/api/session", {"token": "nobody's"}), ("POST", "/api/tokens", {"name": "a", "role": "viewer"}),
        ("DELETE", "/api/tokens?id=nothere", None), ("DELETE", "/api/fleet/workloads?namespace=prod&name=nothere", None),
        ("POST", "/api/fleet/workloads", {"name": "w", "namespace": "nothere"}),
    ]
    statuses = []
    for method, target, body in calls:
        reply = server.call(method, target, body, {"Content-Type": "application/json"})
        statuses.append(reply.status)
        check_answer(shape, method, target, reply)
    assert statuses == [201, 201, 200, 409, 409, 200, 400, 200, 200, 409, 200, 200, 404, 200, 400, 200, 400,
                        200, 200, 404, 409, 409, 400, 200, 200, 404, 400, 200, 200, 401, 409, 404, 404, 404]
