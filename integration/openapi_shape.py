"""The API's description as tests use it: its schemas with their references resolved, and a call's body and answers held
against them."""

import json
import re
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker


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


def call_of(description, method, target):
    """The operation that a request is for, as the router would find it."""
    path = urlsplit(target).path
    for pattern, methods in description["paths"].items():
        if re.fullmatch(re.sub(r"\\?\{\w+\\?\}", "[^/:]+", re.escape(pattern)), path):
            return pattern, methods[method.lower()]
    raise AssertionError(f"{method} {path} is not described")


def answer_schema(operation, reply):
    response = operation["responses"].get(str(reply.status))
    assert response, f"{operation['operationId']}: status {reply.status} is not described"
    if reply.status >= 400:
        assert reply.json.get("error", "") in ("", *response["x-egress-error-codes"]), f"{operation['operationId']}: {reply.body}"
    return response["content"][reply.headers["Content-Type"]]["schema"]


def check_answer(shape, method, target, reply):
    """Asserts that the call may answer that; the pattern of the call."""
    pattern, operation = call_of(shape.description, method, target)
    schema = answer_schema(operation, reply)
    if reply.headers["Content-Type"] == "application/json":
        problems = shape.problems(schema, reply.json)
        assert not problems, f"{method} {target}: {problems[:3]} in {reply.body[:500]}"
    return pattern


def names_expected(message):
    """What a refusal of an unknown name says is known."""
    found = re.search(r"expected one of (.+)$", message)
    return set(found[1].split(", ")) if found else set()


# --- bodies ---------------------------------------------------------------------------------------------------------

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


def type_name(value):
    return {int: "integer", str: "string", dict: "object", list: "array", bool: "boolean", type(None): "null"}[type(value)]


def alternatives(shape, schema):
    schema = shape.resolve(schema)
    return [shape.resolve(one) for one in schema.get("anyOf", [schema])]


def check_fields(shape, schema, good, call, path_of=str, also=frozenset()):
    """That an object takes what its schema says, field by field: `call` sends one, `path_of` is how a refusal names a
    field of it, `also` are fields that it knows besides."""
    schema = shape.resolve(schema)
    fields, required = schema["properties"], schema.get("required", ())
    assert not shape.problems(schema, good)

    def refusal_of(body):
        assert shape.problems(schema, body), f"{body}: the schema lets it pass"
        reply = call(body)
        assert reply.status == 400, f"{json.dumps(body)[:80]}: {reply.status} {reply.body[:200]}"
        return reply.json["error"], reply.json["field"]

    for field, field_schema in fields.items():
        types, refused = types_of(shape, field_schema), ("invalid_field", path_of(field))
        for kind, value in OF_ANOTHER_TYPE.items():
            if kind in types and type_name(value) not in types:
                assert refusal_of({**good, field: value}) == refused
        if "null" not in types:
            assert refusal_of({**good, field: None}) == refused
        for limit in [one["maxLength"] for one in alternatives(shape, field_schema) if "maxLength" in one]:
            beyond = f"{path_of(field)}: longer than {limit} bytes"
            for size, expected in ((limit, False), (limit + 1, True)):
                reply = call({**good, field: "x" * size})
                assert (reply.json.get("message") == beyond) == expected, f"{field}: {reply.body[:200]}"
        for limit in [one["maximum"] for one in alternatives(shape, field_schema) if "maximum" in one]:
            assert call({**good, field: limit}).json.get("field") != path_of(field)
            assert refusal_of({**good, field: limit + 1}) == refused
        for limit in [one["minLength"] for one in alternatives(shape, field_schema) if "minLength" in one]:
            assert refusal_of({**good, field: "x" * (limit - 1)}) == refused
        if any("enum" in one for one in alternatives(shape, field_schema)):
            assert refusal_of({**good, field: "nonsense"}) == refused
    for field in required:
        assert refusal_of({k: v for k, v in good.items() if k != field}) == ("invalid_field", path_of(field))
    assert refusal_of({**good, "nonsense": 1}) == ("unknown_field", path_of("nonsense"))
    assert names_expected(call({**good, "nonsense": 1}).json["message"]) == fields.keys() | also


def check_body(server, shape, method, path, operation, schema, make_good):
    """The same of a call's body, and that what it takes is answered as described."""
    fields = shape.resolve(schema)["properties"]

    def call(body):
        return server.call(method, path, body)

    check_fields(shape, schema, make_good(), call)
    reply = call(make_good())
    assert reply.status in (200, 201), reply.body
    assert not shape.problems(answer_schema(operation, reply), reply.json), reply.body
    nulled = {field: None for field in fields if "null" in types_of(shape, fields[field]) and field != "default_action"}
    again = call({**make_good(), **nulled})
    assert again.status in (200, 201), again.body
