"""The API's description against the server that gives it: the document is OpenAPI 3.1, what it describes is accepted,
what it does not describe is refused, and answers are of the shape it says."""

import itertools
import json
import re
from urllib.parse import quote

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from conftest import BIN, Server
from openapi_form import DOCUMENT_SCHEMA


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


def operations_of(description):
    return [(method.upper(), path, operation)
            for path, methods in description["paths"].items() for method, operation in methods.items()]


class Shape:
    """Schemas of the description with their references resolved."""

    def __init__(self, description):
        self.description = description

    def resolve(self, schema):
        if "$ref" in schema:
            return self.resolve(self.description["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
        return schema

    def validator(self, schema):
        return Draft202012Validator({**schema, "components": self.description["components"]}, format_checker=FormatChecker())

    def problems(self, schema, value):
        return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
                for error in self.validator(schema).iter_errors(value)]


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
    "explain": {"host": "a.example", "port": "443"},
}
CONDITIONAL = {"explain"}  # what it needs depends on the rest of the question
PLAIN = {"name": "prod", "namespace": "prod", "domain": "nothere.example", "host": "a.example", "ip": "192.0.2.1",
         "labels": "a=b,c=d", "workload": "w", "target": "deployment/w", "event": "policy_allow", "verdict": "deny",
         "layer": "egress", "q": "x", "attr.*": "x"}
PATH_VALUES = {"sha256": "0" * 64}
CURSORS = {"listNamespaces": "prod", "listBundleStatus": "6131"}
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


def names_expected(message):
    """What a refusal of an unknown name says is known."""
    found = re.search(r"expected one of (.+)$", message)
    return set(found[1].split(", ")) if found else set()


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
}
OF_ANOTHER_TYPE = {"string": 7, "boolean": "true", "integer": "7", "array": {}, "object": [], "null": "x"}


def body_operations(description):
    for method, path, operation in operations_of(description):
        content = operation.get("requestBody", {}).get("content", {})
        if set(content) == {"application/json"} and not path.startswith("/v1/"):
            yield method, path, operation, content["application/json"]["schema"]


def types_of(shape, schema):
    schema = shape.resolve(schema)
    if "anyOf" in schema:
        return set().union(*(types_of(shape, one) for one in schema["anyOf"]))
    given = schema.get("type", [])
    return {given} if isinstance(given, str) else set(given)


def test_bodies_are_taken_as_described(server, description):
    shape, names = Shape(description), []
    for method, path, operation, schema in body_operations(description):
        name, fields = operation["operationId"], shape.resolve(schema)["properties"]
        assert name in GOOD_BODIES, f"{name}: give a body that it takes"
        names.append(name)
        good = GOOD_BODIES[name]
        assert not shape.problems(schema, good)

        def refusal_of(body):
            assert shape.problems(schema, body), f"{name} {body}: the schema lets it pass"
            reply = server.call(method, path, body)
            assert reply.status == 400, f"{name} {json.dumps(body)[:80]}: {reply.status} {reply.body[:200]}"
            return reply.json["error"], reply.json["field"]

        for field, field_schema in fields.items():
            types = types_of(shape, field_schema)
            for kind, value in OF_ANOTHER_TYPE.items():
                if kind in types and type_name(value) not in types:
                    assert refusal_of({**good, field: value}) == ("invalid_field", field)
            if "null" not in types:
                assert refusal_of({**good, field: None}) == ("invalid_field", field)
            for limit in [one["maxLength"] for one in alternatives(shape, field_schema) if "maxLength" in one]:
                beyond = f"{field}: longer than {limit} bytes"
                for size, expected in ((limit, False), (limit + 1, True)):
                    reply = server.call(method, path, {**good, field: "x" * size})
                    assert (reply.json.get("message") == beyond) == expected, f"{name} {field}: {reply.body[:200]}"
            if any("enum" in one for one in alternatives(shape, field_schema)):
                assert refusal_of({**good, field: "nonsense"}) == ("invalid_field", field)
        for field in shape.resolve(schema).get("required", ()):
            assert refusal_of({k: v for k, v in good.items() if k != field}) == ("invalid_field", field)
        assert refusal_of({**good, "nonsense": 1}) == ("unknown_field", "nonsense")
        assert names_expected(server.call(method, path, {**good, "nonsense": 1}).json["message"]) == fields.keys()
        reply = server.call(method, path, good)
        assert reply.status in (200, 201), reply.body
        assert not shape.problems(answer_schema(operation, reply), reply.json), reply.body
        nulled = {field: None for field in fields if "null" in types_of(shape, fields[field]) and field != "default_action"}
        again = server.call(method, path, {**good, **nulled})
        assert again.status == 200 or (again.json.get("field") == "expires_in"), again.body
    assert set(names) == set(GOOD_BODIES)


def type_name(value):
    return {int: "integer", str: "string", dict: "object", list: "array", bool: "boolean", type(None): "null"}[type(value)]


def alternatives(shape, schema):
    schema = shape.resolve(schema)
    return [shape.resolve(one) for one in schema.get("anyOf", [schema])]


# --- answers --------------------------------------------------------------------------------------------------------

def answer_schema(operation, reply):
    response = operation["responses"].get(str(reply.status))
    assert response, f"{operation['operationId']}: status {reply.status} is not described"
    return response["content"][reply.headers["Content-Type"]]["schema"]


GETS = [
    "/healthz", "/api/openapi.json", "/api/policy/egress", "/api/fleet/namespaces", "/api/fleet/namespaces?name=prod/payments",
    "/api/fleet/namespaces?limit=1", "/api/manifests", "/api/manifests?format=yaml", "/api/mode", "/api/audit",
    "/api/audit?limit=1", "/api/otlp/logs", "/api/otlp/traces", "/api/otlp/logs?limit=1&attr.agent.name=web", "/api/bundle",
    "/api/bundle?namespace=prod&workload=w", "/api/bundle/status", "/api/explain?host=a.example&port=443",
    "/api/explain?host=x.example&port=443&namespace=prod", "/api/explain?ip=10.1.2.3&port=1&protocol=udp&namespace=prod/payments",
    "/api/explain?host=a.example&protocol=icmp&namespace=nothere", "/api/layers/{sha256}",
    "/api/fleet/namespaces?name=nothere", "/api/audit?limit=0", "/api/bundle?namespace=nothere", "/api/layers/x",
]


def test_answers_have_the_shape_described(server, description):
    shape = Shape(description)
    manifest = json.loads(server.get("/api/bundle?namespace=prod")["manifest"])
    seen = set()
    for target in GETS:
        path = target.split("?")[0]
        pattern = "/api/layers/{sha256}" if path.startswith("/api/layers/") else path
        seen.add(pattern)
        operation = description["paths"][pattern]["get"]
        reply = server.call("GET", target.replace("{sha256}", manifest["stack"][0]["sha256"]))
        schema = answer_schema(operation, reply)
        if reply.headers["Content-Type"] == "application/json":
            problems = shape.problems(schema, reply.json)
            assert not problems, f"{target}: {problems[:3]} in {reply.body[:500]}"
    described = {path for path, methods in description["paths"].items() if "get" in methods}
    assert seen == described, f"ask for them too: {described - seen}"


def test_what_writes_answer_has_the_shape_described(server, description):
    shape = Shape(description)
    yaml = b"apiVersion: egress/v1\nkind: PolicyTest\nmetadata: {name: u}\nspec: {namespace: prod, deny: ['x.example:1/tcp']}\n"
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
    ]
    statuses = []
    for method, target, body in calls:
        operation = description["paths"][target.split("?")[0]][method.lower()]
        reply = server.call(method, target, body, {"Content-Type": "application/json"})
        statuses.append(reply.status)
        problems = shape.problems(answer_schema(operation, reply), reply.json)
        assert not problems, f"{method} {target}: {problems[:3]} in {reply.body[:500]}"
    assert statuses == [201, 201, 200, 409, 409, 200, 400, 200, 200, 409, 200, 200, 404, 200, 400, 200, 400]
