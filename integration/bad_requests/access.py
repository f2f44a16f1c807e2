"""Tokens, sessions and workloads, and credentials that are none: `CASES` and `IGNORED` for a server that is open,
`strangers()` for one that is closed."""

import json
from urllib.parse import quote

from bad_requests.bodies import DURATIONS, NAMESPACE_NAMES, NOT_FLAG, NOT_JSON, NOT_TEXT, TIMES
from bad_requests.queries import LIMITS, code_of, with_parameter
from bad_requests.wire import brief, refused, request

TOKENS, SESSION, WORKLOADS = "/api/tokens", "/api/session", "/api/fleet/workloads"

WORDS = [" ", "a b", "a\n", "a\tb", "a\u0000", "\u007f"]
LABELS = [7, "a=b", [], ["a"], True, {"": "x"}, {"a=b": "x"}, {"a": 7}, {"a": None}, {"a": ["x"]}, {"a": {}}, {"a": "x,y"}, {"a,b": "x"},
          {"a": "x" * 256}, {"k" * 256: "x"}, {"a\n": "x"}, {"a": "x\u0000"}, {f"k{i}": "v" for i in range(65)}]

# (path, what must be there, field, values that are refused)
FIELDS = [
    (TOKENS, {"role": "admin"}, "name",
     [None, *NOT_TEXT, "", *WORDS, "a/b", "a:b", "\u00e9", "x" * 65, "server", "anonymous", "console"]),
    (TOKENS, {"name": "a"}, "role", [None, *NOT_TEXT, "", "root", "Admin", "admin ", "workload", "x" * 65]),
    (TOKENS, {"name": "a", "role": "admin"}, "namespace", [*NOT_TEXT, *NAMESPACE_NAMES]),
    (TOKENS, {"name": "a", "role": "admin"}, "expires_in", [*NOT_TEXT, *DURATIONS]),
    (TOKENS, {"name": "a", "role": "admin"}, "expires_at", [*NOT_TEXT, *TIMES]),
    (TOKENS, {"name": "a", "role": "admin", "expires_at": "2999-01-01T00:00:00Z"}, "expires_in", ["1h"]),
    (SESSION, {}, "token", [None, *NOT_TEXT, "", "x" * 257]),
    (WORKLOADS, {"namespace": "prod"}, "name", [None, *NOT_TEXT, "", *WORDS, "x" * 254]),
    (WORKLOADS, {"name": "w"}, "namespace", [None, *NOT_TEXT, *NAMESPACE_NAMES]),
    (WORKLOADS, {"name": "w", "namespace": "prod"}, "labels", LABELS),
    (WORKLOADS, {"name": "w", "namespace": "prod"}, "target", [*NOT_TEXT, *WORDS, "x" * 254]),
    (WORKLOADS, {"name": "w", "namespace": "prod"}, "rotate_token", NOT_FLAG),
]
UNKNOWN = [
    (TOKENS, {"name": "a", "role": "admin"}, ("token", "id", "kind", "Role", "scope", "expires", "created_by", "force")),
    (SESSION, {"token": "x"}, ("name", "Token", "remember")),
    (WORKLOADS, {"name": "w", "namespace": "prod"}, ("token", "token_id", "label", "workload", "created_by", "force", "coverage")),
]
ELSE = [
    *[refused(f"a first token that is {brief(json.dumps(body))}", request("POST", TOKENS, json.dumps({"name": "a", **body})), 409,
              "first_token_must_be_admin")
      for body in ({"role": "viewer"}, {"role": "operator"}, {"role": "admin", "namespace": "prod"}, {"role": "admin", "expires_in": "1h"})],
    refused("a workload of nowhere", request("POST", WORKLOADS, '{"name":"w","namespace":"nope"}'), 404, "namespace_unknown"),
    *[refused(f"DELETE token {identity:.20}", request("DELETE", f"{TOKENS}?id={identity}"), 404, "token_unknown")
      for identity in ("nope", "..", "%2f", "0" * 16, "x" * 5000, "'--")],
    *[refused(f"{method} {target}", request(method, target), 404, "workload_unknown")
      for method in ("GET", "DELETE") for target in (f"{WORKLOADS}?namespace=prod&name=nope", f"{WORKLOADS}?namespace=nope&name=w")],
]

PARAMETERS = [
    ("GET", TOKENS, "limit", LIMITS),
    ("DELETE", TOKENS, "id", [""]),
    ("GET", WORKLOADS, "limit", LIMITS),
    ("GET", WORKLOADS, "namespace", [quote(name, safe="") for name in NAMESPACE_NAMES]),
    ("GET", WORKLOADS, "name", ["", "%20", "a%0ab", "%7f", "x" * 254, "a%00"]),
    ("GET", WORKLOADS, "cursor", ["x", "0", "zz", "6131", "0g", "%00", "prod%0aw"]),
    ("DELETE", f"{WORKLOADS}?name=w", "namespace", [quote(name, safe="") for name in NAMESPACE_NAMES]),
    ("DELETE", f"{WORKLOADS}?namespace=prod", "name", ["", "%20", "a%09b", "x" * 254]),
    ("GET", "/api/revisions", "limit", LIMITS),
    ("GET", "/api/revisions", "cursor", ["", "-1", "x", "1.0", "4611686018427387905", "%00"]),
    ("GET", "/api/revisions/1", "limit", LIMITS),
    ("GET", "/api/revisions/1", "cursor", ["", "-1", "x", "18446744073709551616"]),
]
NO_PARAMETERS = [("GET", "/readyz"), ("GET", "/metrics"), ("GET", SESSION), ("DELETE", SESSION), ("GET", TOKENS), ("GET", WORKLOADS),
                 ("GET", "/api/revisions"), ("GET", "/api/revisions/1")]

# Fields that a client may send once, and what is in none of them although it is asked for nothing on an open server.
TWICE = [
    [("Authorization", "Bearer x"), ("Authorization", "Bearer x")], [("Authorization", "Bearer x"), ("Authorization", "Basic x")],
    [("Authorization", ""), ("authorization", "")], [("Cookie", "a=b"), ("Cookie", "a=b")],
    [("Cookie", "egress_session=x"), ("COOKIE", "egress_session=y")],
]
GARBAGE = ["Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "bearer x", "Bearer x y", "x" * 7000, "Bearer " + "x" * 7000, "=", ",", "Digest a=b",
           b"\xff\xfe", b"Bearer \xff", "Bearer \u00e9", "Bearer egress_" + "0" * 64, "Bearer egressw_" + "0" * 64, "Negotiate",
           "Bearer egress_" + "0" * 63, "Bearer EGRESS_" + "0" * 64, "Token x", "Bearer\tx", "Bearer: x", '"Bearer x"', "Bearer null"]
COOKIES = ["", "egress_session", "egress_session=", "=", ";;;", "egress_session=x", "egress_session=" + "0" * 64, "x" * 7000,
           "egress_session=a; egress_session=b", b"egress_session=\xff", 'egress_session="x"', "EGRESS_SESSION=x", "a=b, egress_session=x"]
IGNORED = [*[(f"Authorization {brief(repr(value))}", [("Authorization", value)]) for value in GARBAGE],
           *[(f"Cookie {brief(repr(value))}", [("Cookie", value)]) for value in COOKIES]]


def post(path, body):
    return request("POST", path, body if isinstance(body, bytes) else json.dumps(body).encode())


CASES = [
    *[refused(f"{path} {field} = {brief(json.dumps(value))}", post(path, {**rest, field: value}), 400, "invalid_field", field)
      for path, rest, field, values in FIELDS for value in values],
    *[refused(f"{path} without {field}", post(path, rest), 400, "invalid_field", field)
      for path, rest, field, values in FIELDS if values[0] is None],
    *[refused(f"{path}: unknown {name}", post(path, {**rest, name: "x"}), 400, "unknown_field", name)
      for path, rest, names in UNKNOWN for name in names],
    *[refused(f"{path}: {what}", post(path, body), 400, "invalid_json") for path in (TOKENS, SESSION, WORKLOADS) for what, body in NOT_JSON],
    *[refused(f"{path}: {size} bytes", post(path, b" " * size), 413, "body_too_large")
      for path, size in ((TOKENS, 16_385), (SESSION, 16_385), (WORKLOADS, 65_537))],
    *[refused(f"{method} {path} with a body", request(method, path, b"{}"), 413, "body_too_large")
      for method, path in (("DELETE", SESSION), ("GET", SESSION), ("DELETE", TOKENS + "?id=x"), ("GET", "/readyz"), ("GET", "/metrics"),
                           ("GET", "/api/revisions/1"))],
    *ELSE,
    *[refused(f"{method} {target} {name}={brief(value)}", request(method, with_parameter(target, name, value)), 400, code_of(value))
      for method, target, name, values in PARAMETERS for value in values],
    *[refused(f"{method} {target} {name} twice",
              request(method, with_parameter(with_parameter(target, name, "1"), name, "1")), 400, "invalid_query")
      for method, target, name, _ in PARAMETERS],
    *[refused(f"{method} {target}, which lacks something", request(method, target), 400, "invalid_query")
      for method, target in (("DELETE", TOKENS), ("DELETE", WORKLOADS), ("DELETE", WORKLOADS + "?name=w"),
                             ("DELETE", WORKLOADS + "?namespace=prod"))],
    *[refused(f"{method} {target}?{query:.20}", request(method, f"{target}?{query}"), 400, code_of(query))
      for method, target in NO_PARAMETERS for query in ("x=y", "=y", "Limit=1", "id", "a" * 200 + "=1", "x%00=y")],
    *[refused(f"{path} with {fields}", request("GET", path, headers=fields), 400, "invalid_credentials")
      for path in ("/api/mode", "/healthz", SESSION) for fields in TWICE],
    refused("an Authorization of 1 MB", request("GET", "/api/mode", headers=[("Authorization", "Bearer " + "x" * 1_000_000)]), 431,
            "header_too_large"),
    refused("a Cookie of 1 MB", request("GET", "/api/mode", headers=[("Cookie", "egress_session=" + "x" * 1_000_000)]), 431,
            "header_too_large"),
    refused("an Authorization with a NUL", request("GET", "/api/mode", headers=[("Authorization", "Bearer \0")]), 400, "bad_request"),
]


def strangers(token, session):
    """(what, fields, code) of whom a closed server does not know; `token` and `session` are good ones."""
    cut, longer, shouted = token[:-1], token + "0", token.upper()
    offered = [*GARBAGE, *[f"Bearer {text}" for text in (cut, longer, shouted, token + "\u00e9", f"{token} {token}", f"{token},{token}",
                                                        f'"{token}"', token[7:])], f"Basic {token}", token, f"Bearer{token}"]
    nothing = ["", "egress_session", "egress_session=", "=", ";;;", "EGRESS_SESSION=" + session, "a=b, egress_session=" + session,
               f"egress_session={session}; egress_session=b", "x" * 7000]
    over = ["egress_session=x", "egress_session=" + session[:-1], "egress_session=" + session.upper() + "0", b"egress_session=\xff",
            f'egress_session="{session}"', "egress_session=" + "0" * 7000]
    return [
        ("nothing", [], "unauthenticated"), ("an empty Authorization", [("Authorization", "")], "unauthenticated"),
        *[(f"Authorization {brief(repr(value))} {number}", [("Authorization", value)], "unauthenticated")
          for number, value in enumerate(offered)],
        *[(f"Cookie {brief(repr(value))}", [("Cookie", value)], "unauthenticated") for value in nothing],
        *[(f"Cookie {brief(repr(value))}, over", [("Cookie", value)], "session_over") for value in over],
        ("a wrong token beside a good session", [("Authorization", "Bearer x"), ("Cookie", f"egress_session={session}")], "unauthenticated"),
    ]
