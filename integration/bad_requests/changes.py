"""Change-sets, and the way back: each operation with what it does not take, named by its place, and revisions that are
none."""

import json

from bad_requests.bodies import NOT_FLAG, NOT_JSON, NOT_TEXT
from bad_requests.wire import brief, refused, request

CHANGESETS, REVISIONS = "/api/changesets", "/api/revisions"
AT = 3  # which of the changes is bad
HARMLESS = {"op": "mode", "mode": "enforcement"}

ALLOW = {"op": "allow", "domain": "a.example"}
SPACE = {"op": "namespace", "name": "prod"}
MANIFEST = {"op": "manifest", "manifest": "kind: x"}
DOCUMENT = {"op": "remove_document", "kind": "PolicyTest", "name": "t"}

# (a change, the field of it that is refused; empty: the change itself)
FIELDS = [
    *[(change, "") for change in (None, 7, True, "allow", [], [ALLOW])],
    *[({**ALLOW, "op": op}, "op") for op in (None, 7, [], {}, "", "ALLOW", "allow ", "allow\u0000", "deny", "x" * 513, "x" * 100)],
    ({}, "op"), ({"domain": "a.example"}, "op"),
    *[({"op": op}, "domain") for op in ("allow", "block", "remove_allow", "remove_block")],
    *[({"op": op, "domain": domain}, "domain") for op in ("allow", "block", "remove_allow", "remove_block")
      for domain in (None, 7, "", "a..b", "*", "10.0.0.0/33", "x" * 513)],
    *[({**ALLOW, "reason": reason}, "reason") for reason in (*NOT_TEXT, "x" * 1025)],
    *[({**ALLOW, "require_auth": flag}, "require_auth") for flag in NOT_FLAG],
    *[({**ALLOW, "expires_in": term}, "expires_in") for term in (7, "", "soon", "-1h", "0s")],
    *[({**ALLOW, "expires_at": time}, "expires_at") for time in (7, "", "now", "2001-01-01T00:00:00Z")],
    ({**ALLOW, "expires_in": "1h", "expires_at": "2999-01-01T00:00:00Z"}, "expires_in"),
    *[({**SPACE, "name": name}, "name") for name in (None, 7, "", "a//b", "Prod", "a" * 2000)],
    ({**SPACE, "description": "x" * 4097}, "description"), ({**SPACE, "mode": "yolo"}, "mode"),
    ({**SPACE, "loopback": "deny"}, "loopback"), ({**SPACE, "lookups": 7}, "lookups"),
    ({**SPACE, "default_action": "drop"}, "default_action"), ({**SPACE, "default_action": "allow"}, "default_action"),
    ({**SPACE, "allowed_domains": {}}, "allowed_domains"), ({**SPACE, "allowed_domains": ["a.example", 7]}, "allowed_domains[1]"),
    ({**SPACE, "blocked_domains": ["a.example", "a.example"]}, "blocked_domains[1]"),
    ({**SPACE, "allowed_domains": [{"domain": "a..b"}]}, "allowed_domains[0].domain"),
    ({**SPACE, "allowed_domains": [{"domain": "a.example", "expires_at": "soon"}]}, "allowed_domains[0].expires_at"),
    *[({"op": "remove_namespace", "name": name}, "name") for name in (None, [], "", "a//b")], ({"op": "remove_namespace"}, "name"),
    ({"op": "mode"}, "mode"), *[({"op": "mode", "mode": mode}, "mode") for mode in (None, 7, "", "SHADOW")],
    ({"op": "manifest"}, "manifest"), *[({**MANIFEST, "manifest": text}, "manifest") for text in (None, 7, "", {}, [])],
    *[({**MANIFEST, "namespace": name}, "namespace") for name in (7, "a//b", "Prod")],
    ({"op": "remove_document"}, "kind"), *[({**DOCUMENT, "kind": kind}, "kind") for kind in (None, 7, "", "Pod", "policytest")],
    *[({**DOCUMENT, "name": name}, "name") for name in (None, 7, "", "x" * 1101)],
    *[({**DOCUMENT, "namespace": name}, "namespace") for name in (7, "a//b")],
    ({**DOCUMENT, "kind": "Namespace", "namespace": "prod"}, "namespace"),
    ({**DOCUMENT, "kind": "EgressDomain", "name": "a..b"}, "name"),
]
UNKNOWN = [
    ({**ALLOW, "reasn": "x"}, "reasn"), ({**ALLOW, "": "x"}, ""), ({**ALLOW, "force": True}, "force"),
    ({**ALLOW, "op": "block", "require_auth": True}, "require_auth"), ({**ALLOW, "op": "remove_allow", "reason": "x"}, "reason"),
    ({**SPACE, "parent": "/"}, "parent"), ({"op": "remove_namespace", "name": "prod", "force": True}, "force"),
    ({"op": "mode", "mode": "shadow", "name": "x"}, "name"), ({**MANIFEST, "dry_run": True}, "dry_run"),
    ({**DOCUMENT, "manifest": "x"}, "manifest"),
    ({**SPACE, "allowed_domains": [{"domain": "a.example", "x": 1}]}, "allowed_domains[0].x"),
]
NOT_THERE = [
    ({"op": "remove_allow", "domain": "nothere.example"}, 404, "egress_entry_not_found"),
    ({"op": "remove_block", "domain": "10.0.0.0/8"}, 404, "egress_entry_not_found"),
    ({"op": "remove_namespace", "name": "nothere"}, 404, "namespace_unknown"),
    ({"op": "remove_namespace", "name": "/"}, 409, "root_undeletable"),
    ({"op": "namespace", "name": "prod/payments", "allowed_domains": ["b.example"]}, 409, "child_widens_parent"),
    (DOCUMENT, 404, "document_not_found"), ({**DOCUMENT, "kind": "Namespace", "name": "nothere"}, 404, "namespace_unknown"),
    (MANIFEST, 400, "invalid_manifest"),
]
# What is wrong with the change-set as a whole: (body, field).
WHOLE = [
    ({}, "changes"), *[({"changes": changes}, "changes") for changes in (None, 7, "x", {}, ALLOW, [])],
    ({"changes": [HARMLESS] * 10_001}, "changes"),
    *[({"changes": [HARMLESS], "description": text}, "description") for text in (*NOT_TEXT, "x" * 4097)],
]
WHOLE_UNKNOWN = [({"changes": [HARMLESS], name: True}, name) for name in ("force", "dry_run", "Changes", "op", "ops")]
DEEP = b'{"changes":[{"op":"allow","domain":' + b"[" * 31 + b"]" * 31 + b"}]}"
TWICE = b'{"changes":[{"op":"mode","mode":"shadow","mode":"enforcement"}]}'

NOT_A_NUMBER = ["x", "-1", "+1", "1.5", "1e3", "0x1", "%31", "1%20", "%201", "1;2", "1,2", "*", "latest", "{number}", "\u0661".encode(),
                "4611686018427387905", "18446744073709551615", "18446744073709551616", "9" * 200]
NO_REVISION = ["0", "999999", "4611686018427387904"]
NO_VERB = [":rollback", "1:", "1:undo", "1:ROLLBACK", "1:rollback:rollback", "1:rollback/", "1:rollback/x", "1/rollback", "1:rollbac",
           "1:rollback;x", "/1:rollback", "1:rollback%20", "1:%72ollback", ":", "::rollback"]
OTHER_METHOD = [("GET", "1:rollback"), ("DELETE", "1:rollback"), ("PUT", "1:rollback"), ("POST", "1"), ("DELETE", "1"),
                ("POST", "1%3arollback")]


def place(field):
    return f"changes[{AT}]" + ("" if field is None else f".{field}")


def changeset(change):
    return post(CHANGESETS, {"changes": [HARMLESS] * AT + [change]})


def post(path, body):
    return request("POST", path, body if isinstance(body, bytes) else json.dumps(body).encode())


def path_of(number, verb=""):
    return f"{REVISIONS}/".encode() + (number if isinstance(number, bytes) else number.encode()) + verb.encode()


CASES = [
    *[refused(f"change {number}, {field or 'itself'}: {brief(json.dumps(change))}", changeset(change), 400, "invalid_field",
              place(field or None)) for number, (change, field) in enumerate(FIELDS)],
    *[refused(f"change {brief(json.dumps(change))}: unknown {field}", changeset(change), 400, "unknown_field", place(field))
      for change, field in UNKNOWN],
    *[refused(f"change {brief(json.dumps(change))}: {code}", changeset(change), status, code) for change, status, code in NOT_THERE],
    *[refused(f"change-set {number}, {field}: {brief(json.dumps(body))}", post(CHANGESETS, body), 400, "invalid_field", field)
      for number, (body, field) in enumerate(WHOLE)],
    *[refused(f"change-set with {field}", post(CHANGESETS, body), 400, "unknown_field", field) for body, field in WHOLE_UNKNOWN],
    *[refused(f"change-set: {what}", post(CHANGESETS, body), 400, "invalid_json") for what, body in NOT_JSON],
    refused("a change 34 levels deep", post(CHANGESETS, DEEP), 400, "invalid_json"),
    refused("a change with a key twice", post(CHANGESETS, TWICE), 400, "invalid_json"),
    *[refused(f"change-set?{query}", post(f"{CHANGESETS}?{query}", {"changes": [HARMLESS]}), 400, "invalid_query")
      for query in ("force=1", "dry_run=yes", "dry_run=", "x=y", "force=true&force=true", "namespace=prod")],

    *[refused(f"revision {number!r:.40}", request("GET", path_of(number)), 400, "invalid_path") for number in NOT_A_NUMBER],
    *[refused(f"back to {number!r:.40}", post(path_of(number, ":rollback"), b""), 400, "invalid_path") for number in NOT_A_NUMBER],
    *[refused(f"revision {number}", request("GET", path_of(number)), 404, "revision_unknown") for number in NO_REVISION],
    *[refused(f"back to {number}", post(path_of(number, ":rollback"), b"{}"), 404, "revision_unknown") for number in NO_REVISION],
    *[refused(f"revision {rest}", post(path_of(rest), b"{}"), 404, "not_found") for rest in NO_VERB],
    *[refused(f"{method} {rest}", request(method, path_of(rest)), 405, "method_not_allowed") for method, rest in OTHER_METHOD],
    *[refused(f"back to 1, {what}", post(path_of("1", ":rollback"), body), 400, "invalid_json")
      for what, body in NOT_JSON if body],
    *[refused(f"back to 1, reason {brief(json.dumps(reason))}", post(path_of("1", ":rollback"), {"reason": reason}), 400,
              "invalid_field", "reason") for reason in (*NOT_TEXT, "x" * 1025)],
    *[refused(f"back to 1, with {name}", post(path_of("1", ":rollback"), {name: True}), 400, "unknown_field", name)
      for name in ("force", "dry_run", "Reason", "revision")],
    *[refused(f"back to 1?{query}", post(path_of("1", f":rollback?{query}"), b"{}"), 400, "invalid_query")
      for query in ("force=1", "dry_run=yes", "x=y", "dry_run=true&dry_run=true", "limit=1", "reason=x")],
    refused("back to 1, with 20 KB", post(path_of("1", ":rollback"), b" " * 20_000), 413, "body_too_large"),
]
