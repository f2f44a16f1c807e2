"""Manifests and OTLP: streams that are no YAML, bombs, documents of the wrong shape, telemetry of the wrong shape."""

import json

from bad_requests.wire import refused, request

HEAD = "apiVersion: egress/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: "


def document(kind, name, spec):
    return HEAD.format(kind=kind, name=name) + spec + "\n"


def mirrord(spec):
    return ("apiVersion: policies.mirrord.metalbear.co/v1alpha\nkind: MirrordPolicy\nmetadata: {name: x}\n"
            f"spec: {spec}\n")


ALIASES = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9))
TAB_INDENTED = "apiVersion: egress/v1\nkind: PolicyTest\nmetadata:\n\tname: x\n"

STREAMS = [
    ("a word", "x"), ("a number", "7"), ("a list", "- a\n- b\n"), ("an empty object", "{}"), ("null", "null"),
    ("binary", bytes(range(256))), ("zeros", b"\x00" * 100), ("invalid UTF-8", b"kind: \xff\n"),
    ("UTF-16", document("PolicyTest", "x", "{}").encode("utf-16")), ("gzip", bytes.fromhex("1f8b080000000000000303")),
    ("tabs", TAB_INDENTED), ("a bomb of aliases", ALIASES), ("an alias of nothing", "a: *b\n"),
    ("an anchor that holds itself", "&a [*a]\n"), ("many aliases", "a: &a x\nb: [" + "*a," * 2_000 + "]\n"),
    ("deep lists", "[" * 10_000), ("deep lists that end", "[" * 200 + "]" * 200),
    ("deep mappings", "".join(" " * i + "a:\n" for i in range(200))), ("deep flow mappings", "{a: " * 5_000),
    ("a hundred thousand documents", "---\n{}\n" * 100_000), ("ten thousand and one documents", "---\nx: y\n" * 10_001),
    ("a key twice", "kind: a\nkind: b\n"), ("a key that is a list", "[a]: b\n"), ("an unknown tag", "!!python/object:os.system x\n"),
    ("no end of a quote", 'kind: "x\n'), ("no end of a list", "kind: [x\n"), ("a bad escape", 'kind: "\\q"\n'),
    ("a bad directive", "%YAML 9.9\n---\nx\n"), ("a block without indent", "kind:\n- a\n b: c\n"),
    ("JSON that is cut", '{"kind": "PolicyTest"'), ("JSON and a word", '{"kind": "PolicyTest"} x'),
    ("no kind", "apiVersion: egress/v1\n"), ("no apiVersion", "kind: PolicyTest\n"),
    ("an unknown kind", document("Pod", "x", "{}")), ("an unknown group", "apiVersion: v1\nkind: PolicyTest\n"),
    ("a kind of another group", "apiVersion: clrk.apoxy.dev/v1alpha1\nkind: PolicyTest\n"),
    ("a kind of layer 7", "apiVersion: clrk.apoxy.dev/v1alpha1\nkind: HTTPRoute\n"),
    ("no metadata", "apiVersion: egress/v1\nkind: PolicyTest\nspec: {}\n"),
    ("a name with a slash", document("PolicyTest", "a/b", "{namespace: prod}")),
    ("a name with a space", document("PolicyTest", "a b", "{namespace: prod}")),
    ("an empty name", document("PolicyTest", '""', "{namespace: prod}")),
    ("a name of 2 KB", document("PolicyTest", "x" * 2_000, "{namespace: prod}")),
    ("no spec", "apiVersion: egress/v1\nkind: PolicyTest\nmetadata: {name: x}\n"),
    ("a spec that is a list", document("PolicyTest", "x", "[]")),
    ("an unknown field", document("PolicyTest", "x", "{namespace: prod, alow: []}")),
    ("an unknown field at the top", "kinds: x\n" + document("PolicyTest", "x", "{namespace: prod}")),
    ("a test of a malformed namespace", document("PolicyTest", "x", "{namespace: a//b}")),
    ("a test of a malformed destination", document("PolicyTest", "x", '{namespace: prod, allow: ["a.example"]}')),
    ("a test of port 0", document("PolicyTest", "x", '{namespace: prod, allow: ["a.example:0/tcp"]}')),
    ("a test of port 65536", document("PolicyTest", "x", '{namespace: prod, allow: ["a.example:65536/tcp"]}')),
    ("a test of no protocol", document("PolicyTest", "x", '{namespace: prod, allow: ["a.example:443/sctp"]}')),
    ("a domain of the wrong action", document("EgressDomain", "a.example", "{action: drop}")),
    ("a domain that is none", document("EgressDomain", "a..b", "{action: allow}")),
    ("a block that asks for authentication", document("EgressDomain", "a.example", "{action: block, require_auth: true}")),
    ("a reason of the wrong type", document("EgressDomain", "a.example", "{action: allow, reason: {}}")),
    ("an authentication of the wrong type", document("EgressDomain", "a.example", "{action: allow, require_auth: maybe}")),
    ("a namespace that is none", document("Namespace", "a//b", "{}")),
    ("a namespace in a namespace",
     "apiVersion: egress/v1\nkind: Namespace\nmetadata: {name: prod, namespace: dev}\nspec: {}\n"),
    ("domains of the wrong type", document("Namespace", "prod", "{allowed_domains: a.example}")),
    ("a domain of the wrong type", document("Namespace", "prod", "{allowed_domains: [7.5.x.y:]}")),
    ("a star inside", document("Namespace", "prod", '{allowed_domains: ["a.*.b"]}')),
    ("no such mode", document("Namespace", "prod", "{mode: yolo}")),
    ("a default action of a child", document("Namespace", "prod", "{default_action: allow}")),
    ("an expiry that is none", document("Namespace", "prod", "{allowed_domains: [{domain: a.b, expires_at: soon}]}")),
    ("an empty rule", mirrord("{network: {outgoing: {allow: [{}]}}}")),
    ("a mirrord policy of the wrong shape", mirrord("{network: {outgoing: []}}")),
    ("a mirrord policy with an unknown field", mirrord("{network: {outgoin: {}}}")),
    ("a regex that is none", mirrord('{network: {outgoing: {allow: [{hostname: "("}]}}}')),
    ("a CIDR that is none", mirrord('{network: {outgoing: {allow: [{ipBlock: {cidr: "10.0.0.0/33"}}]}}}')),
    ("one good, one bad", document("EgressDomain", "smuggled.example", "{action: allow}") + "---\nkind: x\n"),
]

MANIFESTS = "/api/manifests"


def log(record):
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}


def attribute(value):
    return log({"attributes": [{"key": "k", "value": value}]})


TELEMETRY = [
    ("nothing", b""), ("a word", b"x"), ("null", b"null"), ("a list", b"[]"), ("a string", b'"x"'), ("half", b'{"resourceLogs":['),
    ("a key twice", b'{"resourceLogs":[],"resourceLogs":[]}'), ("invalid UTF-8", b'{"resourceLogs":"\xff"}'),
    ("deep", b'{"resourceLogs":' + b"[" * 10_000), ("protobuf", bytes.fromhex("0a0b0a00120708010a03666f6f")),
    ("NaN", b'{"resourceLogs":[NaN]}'), ("records that are an object", {"resourceLogs": {}}),
    ("records that are text", {"resourceLogs": "x"}), ("a resource that is null", {"resourceLogs": [None]}),
    ("a resource that is a number", {"resourceLogs": [7]}), ("a resource of the wrong type", {"resourceLogs": [{"resource": []}]}),
    ("attributes of a resource that are an object", {"resourceLogs": [{"resource": {"attributes": {}}}]}),
    ("scopes that are an object", {"resourceLogs": [{"scopeLogs": {}}]}),
    ("a scope that is a number", {"resourceLogs": [{"scopeLogs": [1]}]}),
    ("a scope of the wrong type", {"resourceLogs": [{"scopeLogs": [{"scope": 7, "logRecords": [{}]}]}]}),
    ("logs that are an object", {"resourceLogs": [{"scopeLogs": [{"logRecords": {}}]}]}), ("a log that is text", log("x")),
    ("a log that is a list", log([])), ("a time of words", log({"timeUnixNano": "x"})),
    ("a negative time", log({"timeUnixNano": "-1"})), ("a fraction of a time", log({"timeUnixNano": 1.5})),
    ("a time beyond 64 bits", log({"timeUnixNano": "18446744073709551616"})), ("a time that is a list", log({"timeUnixNano": []})),
    ("a trace of 31 digits", log({"traceId": "a" * 31})), ("a trace of no digits", log({"traceId": "z" * 32})),
    ("a trace that is a number", log({"traceId": 7})), ("a span of 15 digits", log({"spanId": "a" * 15})),
    ("attributes that are an object", log({"attributes": {}})), ("an attribute that is text", log({"attributes": ["x"]})),
    ("an attribute without a key", log({"attributes": [{"value": {"stringValue": "x"}}]})),
    ("a key that is a number", log({"attributes": [{"key": 7}]})), ("a value that is text", attribute("x")),
    ("a string that is a number", attribute({"stringValue": 7})), ("a boolean that is text", attribute({"boolValue": "true"})),
    ("an integer of words", attribute({"intValue": "x"})), ("an integer with a fraction", attribute({"intValue": 1.5})),
    ("an integer beyond 64 bits", attribute({"intValue": "9223372036854775808"})),
    ("a double that is a list", attribute({"doubleValue": []})), ("bytes that are a number", attribute({"bytesValue": 1})),
    ("an array that is a list", attribute({"arrayValue": []})), ("an array of numbers", attribute({"arrayValue": {"values": [1]}})),
    ("pairs that are a list", attribute({"kvlistValue": []})),
]
JSON_TYPE = [("Content-Type", "application/json")]
TYPES = ["", "text/plain", "application/x-www-form-urlencoded", "application/x-protobuf", "application/jsonx", "application", "json",
         "application/json, text/plain", "multipart/form-data; boundary=x", "*/*"]


def post(path, body, headers=()):
    return request("POST", path, json.dumps(body) if isinstance(body, (dict, list)) else body, headers)


CASES = [
    *[refused(f"manifest: {what}", post(MANIFESTS, text), 400, "invalid_manifest") for what, text in STREAMS],
    *[refused(f"manifests?{query}", post(MANIFESTS + "?" + query, "x"), 400, "invalid_query")
      for query in ("force=1", "dry_run=maybe", "namespace=a//b", "namespace=Prod", "kind=x", "force=true&force=true")],
    refused("a manifest of 32 MB and a byte", post(MANIFESTS, b"#" * ((32 << 20) + 1)), 413, "body_too_large"),
    *[refused(f"{path}: {what}", post(path, body, JSON_TYPE), 400, 3) for what, body in TELEMETRY for path in ("/v1/logs",)],
    *[refused(f"/v1/traces: {what}", post("/v1/traces", body, JSON_TYPE), 400, 3) for what, body in TELEMETRY[:10]],
    refused("a span of the wrong type",
            post("/v1/traces", {"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": "x"}]}]}]}, JSON_TYPE), 400, 3),
    *[refused(f"OTLP as {kind!r}", post("/v1/logs", b"{}", [("Content-Type", kind)]), 415, 3) for kind in TYPES],
    refused("OTLP without a type", post("/v1/logs", b"{}"), 415, 3),
    refused("OTLP as gzip", post("/v1/logs", b"\x1f\x8b", [*JSON_TYPE, ("Content-Encoding", "gzip")]), 415, 3),
    refused("OTLP of 16 MB and a byte", post("/v1/logs", b" " * ((16 << 20) + 1), JSON_TYPE), 413, 8),
    refused("17 attribute filters", request("GET", "/api/otlp/logs?" + "&".join(f"attr.a{i}=x" for i in range(17))), 400,
            "invalid_query"),
]
