"""JSON bodies: what is no JSON, what is JSON of the wrong shape, and every field with what it does not take."""

import json

from bad_requests.wire import brief, refused, request

ALLOW, BLOCK = "/api/policy/egress/allow", "/api/policy/egress/block"
NAMESPACES, MODE, STATUS = "/api/fleet/namespaces", "/api/mode", "/api/bundle/status"

NOT_JSON = [
    ("nothing", b""), ("blanks", b" \r\n\t "), ("a word", b"domain"), ("form data", b"domain=a.example"),
    ("half an object", b'{"domain":'), ("an object without its end", b'{"domain":"a.example"'),
    ("a string without its end", b'{"domain":"a.example'), ("trailing text", b'{"domain":"a.example"} x'),
    ("two objects", b'{"domain":"a.example"}{}'), ("a trailing comma", b'{"domain":"a.example",}'),
    ("a comment", b'{"domain":"a.example"/*x*/}'), ("single quotes", b"{'domain':'a.example'}"),
    ("a key without quotes", b'{domain:"a.example"}'), ("no colon", b'{"domain" "a.example"}'),
    ("NaN", b'{"domain":NaN}'), ("Infinity", b'{"domain":Infinity}'), ("-Infinity", b'{"domain":-Infinity}'),
    ("a number out of range", b'{"domain":1e999}'), ("another", b'{"domain":-1e999}'), ("a leading zero", b'{"domain":01}'),
    ("a leading plus", b'{"domain":+1}'), ("a number without digits", b'{"domain":-}'), ("no fraction", b'{"domain":1.}'),
    ("no exponent", b'{"domain":1e}'), ("hexadecimal", b'{"domain":0x10}'), ("True", b'{"domain":True}'),
    ("a key twice", b'{"domain":"a.example","domain":"b.example"}'),
    ("a key twice, once escaped", b'{"domain":"a.example","dom\\u0061in":"b.example"}'),
    ("a nested key twice", b'{"domain":{"a":1,"a":2}}'),
    ("invalid UTF-8", b'{"domain":"a\xff.example"}'), ("half a character", b'{"domain":"a\xc3"}'),
    ("an overlong slash", b'{"domain":"a\xc0\xaf"}'), ("a surrogate in UTF-8", b'{"domain":"\xed\xa0\x80"}'),
    ("beyond Unicode", b'{"domain":"\xf4\x90\x80\x80"}'), ("invalid UTF-8 in a key", b'{"\xff":"a.example"}'),
    ("a lone high surrogate", b'{"domain":"\\ud800"}'), ("a lone low surrogate", b'{"domain":"\\udc00"}'),
    ("two high surrogates", b'{"domain":"\\ud800\\ud800"}'), ("half an escape", b'{"domain":"\\u00"}'),
    ("an unknown escape", b'{"domain":"\\x41"}'), ("a raw line end", b'{"domain":"a\n.example"}'),
    ("a raw NUL", b'{"domain":"a\x00"}'), ("NUL behind", b'{"domain":"a.example"}\x00'),
    ("half a byte order mark", b'\xef\xbb{"domain":"a.example"}'),
    ("a byte order mark behind", b'{"domain":"a.example"}\xef\xbb\xbf'),
    ("UTF-16", '{"domain":"a.example"}'.encode("utf-16")), ("UTF-32", '{"domain":"a.example"}'.encode("utf-32")),
    ("33 arrays", b'{"domain":' + b"[" * 33 + b"]" * 33 + b"}"), ("8,000 arrays", b"[" * 8_000),
    ("3,000 objects", b'{"a":' * 3_000), ("a null", b"null"), ("an array", b'["a.example"]'), ("a string", b'"a.example"'),
    ("a number", b"7"), ("true", b"true"), ("YAML", b"domain: a.example"), ("XML", b"<domain>a.example</domain>"),
    ("gzip without saying so", bytes.fromhex("1f8b0800000000000003ab5600")),
    ("bytes", bytes(range(256))),
]

# What each field does not take. `null` resets a field unless the field must be there.
NOT_TEXT = [True, 7, 1.5, [], {}, ["a.example"], -1]
NOT_FLAG = ["true", 1, 0, [], {}, "yes"]
NOT_COUNT = [-1, 1.5, "1", True, [], {}, 2**62 + 1, 2**63, 2**64 - 1]
NUMBERS_AS_WRITTEN = ["-0", "1.0", "1e3", "18446744073709551616", "-9223372036854775809", "1e-400", "0.1"]

DOMAINS = [
    "", " ", "a b.example", "a..example", ".a.example", "a.example..", ".", "*", "*.", "**.", "**", "a.*", "a.*.example",
    "*a.example", "*.*.example", "***.example", "*.**.example", "https://a.example", "a.example/", "a.example:443",
    "a.example/x", "user@a.example", "a.example?x", "a\u0000.example", "a.example\u0000", "\u0000", "a\n.example",
    "a\t.example", "a,b.example", "a.example,b.example", "x" * 64 + ".example", "a." * 126 + "example",
    "a" * 500, "a" * 600, "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/",
    "1.2.3.4/8/8", "1.2.3.4/x", "1.2.3.4/08x", "10.0.0.0/ 8", "/8", "::1/129", "::1/", ":::1", "1:2:3:4:5:6:7:8:9", "fe80::1%eth0",
    "[::1]", "::ffff:1.2.3.4/64", "::g", "[::1]:443", "xn--a.example", "xn--.example", "a\u2028.example", "\u202ea.example",
    "\ud7ff.example", "(a|b).example", "^a$", "a%2eexample", "a.example#", "$", "a\\.example",
]

NAMESPACE_NAMES = [
    "", " ", "/prod", "prod/", "a//b", "//", "Prod", "pr od", "-prod", "prod-", "pr_od", "pr.od", "prod/../dev", "..", ".", "*",
    "prod\u0000", "prod\n", "pr\u00f6d", "a" * 64, "/".join("abcdefghijklmnopq"), "a" * 2000, "prod?x", "prod%2fdev", "prod\\dev",
    "prod/-", "/ ", "a/b/",
]

TIMES = ["", "now", "2999", "2999-01-01", "2999-01-01T00:00:00", "2999-13-01T00:00:00Z", "2999-02-30T00:00:00Z",
         "2999-01-01T24:00:00Z", "2999-01-01T00:60:00Z", "2999-01-01T00:00:61Z", "2999-01-01 00:00:00Z", "2999-1-1T0:0:0Z",
         "2999-01-01T00:00:00+25:00", "2999-01-01T00:00:00.Z", "99999-01-01T00:00:00Z", "-2999-01-01T00:00:00Z",
         "0000-00-00T00:00:00Z", "2001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2999-01-01T00:00:00Zx", "32503680000",
         "2999-01-01T00:00:00Z" + "0" * 60]
DURATIONS = ["", "0s", "-1h", "1", "h", "1.5h", "1 h", "1h30m", "1y", "1H", "1ms", "99999999999999999999d", "100000d", "+1h",
             "0x1h", "a while", "1h\u0000", "PT1H", "1d" * 40]

# (path, what must be there, field, values that are refused)
FIELDS = [
    (ALLOW, {}, "domain", [None, *NOT_TEXT, *DOMAINS]),
    (BLOCK, {}, "domain", [None, *NOT_TEXT, "a..example", "*.", "10.0.0.0/33"]),
    (ALLOW, {"domain": "a.example"}, "reason", [*NOT_TEXT, "x" * 1025, "\u00e9" * 513]),
    (BLOCK, {"domain": "a.example"}, "reason", [*NOT_TEXT, "x" * 1025]),
    (ALLOW, {"domain": "a.example"}, "require_auth", NOT_FLAG),
    (ALLOW, {"domain": "a.example"}, "expires_in", [*NOT_TEXT, *DURATIONS]),
    (ALLOW, {"domain": "a.example"}, "expires_at", [*NOT_TEXT, *TIMES]),
    (BLOCK, {"domain": "a.example"}, "expires_at", [*NOT_TEXT, "now"]),
    (ALLOW, {"domain": "a.example", "expires_at": "2999-01-01T00:00:00Z"}, "expires_in", ["1h"]),
    (NAMESPACES, {}, "name", [None, *NOT_TEXT, *NAMESPACE_NAMES]),
    (NAMESPACES, {"name": "prod"}, "description", [*NOT_TEXT, "x" * 4097]),
    (NAMESPACES, {"name": "prod"}, "allowed_domains",
     [True, 7, "a.example", {}, {"domain": "a.example"}, [None], [7], [[]], [True], [""], ["a..b"], ["a.example", "a.example"],
      ["a.example", "A.EXAMPLE."], ["10.0.0.1", "10.0.0.1/32"], [{}], [{"domain": None}], [{"domain": 7}],
      [{"domain": "a..b"}], [{"domain": "a.example", "reason": 7}], [{"domain": "a.example", "reason": "x" * 1025}],
      [{"domain": "a.example", "expires_at": 7}], [{"domain": "a.example", "expires_at": "soon"}],
      [f"h{i}.example" for i in range(10_001)]]),
    (NAMESPACES, {"name": "prod"}, "blocked_domains", [True, 7, "a.example", {}, [None], ["*"], [{"domain": ""}]]),
    (NAMESPACES, {"name": "prod"}, "mode", [*NOT_TEXT, "", "yolo", "Shadow", "shadow ", "enforcement\u0000", "x" * 65]),
    (NAMESPACES, {"name": "prod"}, "loopback", [*NOT_TEXT, "", "deny", "PASS"]),
    (NAMESPACES, {"name": "prod"}, "lookups", [*NOT_TEXT, "", "all"]),
    (NAMESPACES, {"name": "/"}, "default_action", [*NOT_TEXT, "", "drop"]),
    (NAMESPACES, {"name": "prod"}, "default_action", ["allow", "deny", None]),
    (MODE, {}, "mode", [None, *NOT_TEXT, "", "yolo", "SHADOW"]),
    (STATUS, {"namespace": "prod"}, "agent_id", [None, *NOT_TEXT, "", "x" * 256, "a\nb", "a\u0000"]),
    (STATUS, {"agent_id": "a"}, "namespace", [None, *NOT_TEXT, "", "a//b", "x" * 2049]),
    (STATUS, {"agent_id": "a", "namespace": "prod"}, "workload", [*NOT_TEXT, "x" * 256, "a\tb"]),
    (STATUS, {"agent_id": "a", "namespace": "prod"}, "host", [*NOT_TEXT, "x" * 256, "a\u007fb"]),
    (STATUS, {"agent_id": "a", "namespace": "prod"}, "error", [*NOT_TEXT, "x" * 4097]),
    (STATUS, {"agent_id": "a", "namespace": "prod"}, "offered", NOT_COUNT),
    (STATUS, {"agent_id": "a", "namespace": "prod"}, "active", NOT_COUNT),
]

UNKNOWN = [
    (ALLOW, {"domain": "a.example", "reasn": "x"}), (ALLOW, {"domain": "a.example", "Domain": "a.example"}),
    (ALLOW, {"domain": "a.example", "": "x"}), (ALLOW, {"domain": "a.example", "x" * 5000: 1}),
    (ALLOW, {"domain": "a.example", "__proto__": {}}), (ALLOW, {"domain": "a.example", "hits": 7}),
    (ALLOW, {"domain": "a.example", "created_by": "me"}), (BLOCK, {"domain": "a.example", "require_auth": True}),
    (NAMESPACES, {"name": "prod", "parent": "/"}), (NAMESPACES, {"name": "prod", "effective": {}}),
    (NAMESPACES, {"name": "prod", "force": True}), (NAMESPACES, {"name": "prod", "dry_run": True}),
    (NAMESPACES, {"name": "prod", "allowed_domains": [{"domain": "a.example", "require_auth": True}]}),
    (MODE, {"mode": "shadow", "namespace": "/"}), (STATUS, {"agent_id": "a", "namespace": "prod", "revision": 7}),
]


def post(path, body):
    return request("POST", path, body if isinstance(body, bytes) else json.dumps(body).encode())


CASES = [
    *[refused(f"JSON: {what}", post(ALLOW, body), 400, "invalid_json") for what, body in NOT_JSON],
    *[refused(f"{path}: {what}", post(path, body), 400, "invalid_json")
      for path in (BLOCK, NAMESPACES, MODE, STATUS) for what, body in NOT_JSON[:4]],
    *[refused(f"{path} {field} = {brief(json.dumps(value))}", post(path, {**rest, field: value}), 400, "invalid_field")
      for path, rest, field, values in FIELDS for value in values],
    *[refused(f"{path} without {field}", post(path, rest), 400, "invalid_field")
      for path, rest, field, values in FIELDS if values[0] is None],
    *[refused(f"{STATUS} offered = {text}",
              post(STATUS, b'{"agent_id":"a","namespace":"prod","offered":' + text.encode() + b"}"), 400, "invalid_field")
      for text in NUMBERS_AS_WRITTEN],
    *[refused(f"{path}: unknown {list(body)[-1]:.20}", post(path, body), 400, "unknown_field") for path, body in UNKNOWN],
    *[refused(f"{path}: {size} bytes", post(path, b" " * size), 413, "body_too_large")
      for path, size in ((ALLOW, 16_385), (BLOCK, 16_385), (MODE, 16_385), (STATUS, 100_000), (NAMESPACES, (2 << 20) + 1))],
    *[refused(f"{method} {path} with a body", request(method, path, b"{}"), 413, "body_too_large")
      for method, path in (("GET", "/healthz"), ("GET", "/api/audit"), ("DELETE", ALLOW + "?domain=a.example"),
                           ("DELETE", NAMESPACES + "?name=prod"), ("GET", "/api/bundle"), ("GET", "/api/openapi.json"))],
]
