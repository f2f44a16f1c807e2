"""Change-sets, revisions and rollback through the real server."""

import signal

from conftest import eventually
from test_namespaces import GATEWAY, given, manifest, names, put, refused, show, state, verdict

CHANGESETS = "/api/changesets"

TEST = """\
apiVersion: egress/v1
kind: PolicyTest
metadata: {name: t}
spec: {namespace: prod, allow: ['a.example:443/tcp'], deny: ['c.example:443/tcp']}
"""
ROUTE = """\
apiVersion: clrk.apoxy.dev/v1alpha1
kind: EgressL4Route
metadata: {name: r, namespace: prod}
spec: {parentRefs: [{name: g}], rules: [{matches: [{destinationHostnames: [a.example]}]}]}
"""


def change(server, *changes, query="", **fields):
    return server.call("POST", CHANGESETS + query, {"changes": list(changes), **fields})


def accepted(server, *changes, query="", **fields):
    reply = change(server, *changes, query=query, **fields)
    assert reply.status == 200, reply.body
    return reply.json


def newest(server):
    return server.get("/api/revisions?limit=1")["items"][0]


def roll_back(server, revision, query="", body=None):
    return server.call("POST", f"/api/revisions/{revision}:rollback{query}", body)


def whole_state(server):
    """Everything that policy says, without who wrote it when."""
    return ([(item["kind"], item["namespace"], item["name"], item["source"]) for item in state(server)],
            server.get("/api/mode"))


# --- change-sets -----------------------------------------------------------------------------------------------------

def test_any_mix_in_one_revision(server):
    server.post("/api/policy/egress/allow", {"domain": "old.example"})
    before = newest(server)["revision"]
    answer = accepted(
        server,
        {"op": "allow", "domain": "a.example", "reason": "payments", "require_auth": True, "expires_in": "1h"},
        {"op": "block", "domain": "evil.example"},
        {"op": "remove_allow", "domain": "old.example"},
        {"op": "namespace", "name": "prod", "allowed_domains": ["a.example"], "mode": "shadow"},
        {"op": "manifest", "manifest": GATEWAY + "---\n" + ROUTE},
        {"op": "mode", "mode": "discovery"},
        description="the release")
    assert answer["revision"] == before + 1
    assert [(r["op"], r.get("subject"), r["result"]) for r in answer["results"]] == [
        ("allow", "a.example", "created"), ("block", "evil.example", "created"),
        ("remove_allow", "old.example", "removed"), ("namespace", "prod", "created"), ("manifest", None, "changed"),
        ("mode", "discovery", "changed")]
    assert [d["result"] for d in answer["results"][4]["applied"]] == ["created", "created"]
    assert (answer["cascade_warnings"], answer["restricts"]) == ([], 0)
    revision = newest(server)
    assert (revision["summary"], revision["changes"]) == ("change-set of 6 changes: the release", 7)
    assert [e["domain"] for e in server.get("/api/policy/egress")["allowed"]] == ["a.example"]
    for event in ("policy_allow", "policy_block", "policy_removed", "namespace_created", "manifest_applied",
                  "mode_changed"):
        assert server.audit(event), event
    answer = accepted(server, {"op": "remove_block", "domain": "evil.example"},
                      {"op": "remove_document", "kind": "EgressL4Route", "namespace": "prod", "name": "r"},
                      {"op": "remove_document", "kind": "EgressGateway", "namespace": "prod", "name": "g"},
                      {"op": "remove_namespace", "name": "prod"})
    assert {r["result"] for r in answer["results"]} == {"removed"}
    assert "prod" not in names(server)


def test_a_parent_and_its_children_can_move_together(server):
    """A change-set applies many documents atomically and is validated on its final state, so a parent and its children
    can move together."""
    given(server, "prod", allowed_domains=["a.example"])
    given(server, "prod/x", allowed_domains=["a.example"])
    parent = {"op": "namespace", "name": "prod", "allowed_domains": ["b.example"]}
    child = {"op": "namespace", "name": "prod/x", "allowed_domains": ["b.example"]}
    refused(change(server, parent), 409, "cascade_violations")
    refused(change(server, child), 409, "child_widens_parent")
    for changes in ([parent, child], [child, parent]):
        accepted(server, *changes)
        assert show(server, "prod/x")["cascade_state"] == "ok"
        accepted(server, *[{**c, "allowed_domains": ["a.example"]} for c in changes])
    before = state(server)
    reply = change(server, {"op": "block", "domain": "z.example"}, parent)
    assert refused(reply, 409, "cascade_violations")["cascade_warnings"] == [
        {"child": "prod/x", "uncovered_domains": ["a.example"]}]
    assert state(server) == before, "nothing of it is applied"
    dry = accepted(server, parent, query="?dry_run=true&force=true")
    assert (dry["dry_run"], dry["cascade_warnings"]) == (True, [{"child": "prod/x", "uncovered_domains": ["a.example"]}])
    assert state(server) == before
    assert accepted(server, parent, query="?force=true")["cascade_warnings"] == dry["cascade_warnings"]


def test_tests_gate(server):
    """PolicyTests gate change-sets and manifests, never a block, a quarantine or a forced call."""
    given(server, "prod", allowed_domains=["a.example", "b.example"])
    assert manifest(server, TEST).status == 200
    narrow = {"op": "namespace", "name": "prod", "allowed_domains": ["b.example"]}
    answer = refused(change(server, narrow), 409, "policy_tests_failed")
    assert answer["failures"][0]["test"] == "PolicyTest /t"
    document = ("apiVersion: egress/v1\nkind: Namespace\nmetadata: {name: prod}\nspec: {allowed_domains: [b.example]}\n")
    refused(manifest(server, document), 409, "policy_tests_failed")
    refused(change(server, {"op": "manifest", "manifest": document}), 409, "policy_tests_failed")
    refused(change(server, {"op": "remove_document", "kind": "Namespace", "name": "prod"}), 409, "policy_tests_failed")
    # Never a block, a quarantine or a forced call.
    accepted(server, {"op": "block", "domain": "a.example"})
    accepted(server, {"op": "remove_block", "domain": "a.example"})
    accepted(server, {"op": "namespace", "name": "prod", "allowed_domains": []})
    accepted(server, narrow, query="?force=true")
    assert server.call("POST", "/api/policy/egress/block", {"domain": "a.example"}).status == 201
    assert put(server, "prod", allowed_domains=[]).status == 200
    assert manifest(server, document, "?force=true").status == 200


BAD = [
    ({}, "changes"), ({"changes": []}, "changes"), ({"changes": {}}, "changes"), ({"changes": [7]}, "changes[0]"),
    ({"changes": [{}]}, "changes[0].op"), ({"changes": [{"op": "explode"}]}, "changes[0].op"),
    ({"changes": [{"op": 7}]}, "changes[0].op"),
    ({"changes": [{"op": "allow"}]}, "changes[0].domain"),
    ({"changes": [{"op": "mode", "mode": "shadow"}, {"op": "allow", "domain": "a..b"}]}, "changes[1].domain"),
    ({"changes": [{"op": "block", "domain": "a.b", "require_auth": True}]}, "changes[0].require_auth"),
    ({"changes": [{"op": "allow", "domain": "a.b", "expires_at": "2001-01-01T00:00:00Z"}]}, "changes[0].expires_at"),
    ({"changes": [{"op": "allow", "domain": "a.b", "expires_in": "1h", "expires_at": "2999-01-01T00:00:00Z"}]},
     "changes[0].expires_in"),
    ({"changes": [{"op": "namespace"}]}, "changes[0].name"),
    ({"changes": [{"op": "namespace", "name": "A"}]}, "changes[0].name"),
    ({"changes": [{"op": "namespace", "name": "a", "mode": "lax"}]}, "changes[0].mode"),
    ({"changes": [{"op": "namespace", "name": "a", "allowed_domains": ["x.y", "x.y"]}]}, "changes[0].allowed_domains[1]"),
    ({"changes": [{"op": "namespace", "name": "a", "allowed_domains": [{"domain": "x.y", "extra": 1}]}]},
     "changes[0].allowed_domains[0].extra"),
    ({"changes": [{"op": "namespace", "name": "a", "default_action": "allow"}]}, "changes[0].default_action"),
    ({"changes": [{"op": "mode"}]}, "changes[0].mode"), ({"changes": [{"op": "manifest"}]}, "changes[0].manifest"),
    ({"changes": [{"op": "manifest", "manifest": "x", "namespace": "/x"}]}, "changes[0].namespace"),
    ({"changes": [{"op": "remove_document", "kind": "Nope", "name": "x"}]}, "changes[0].kind"),
    ({"changes": [{"op": "remove_namespace", "name": "a", "force": True}]}, "changes[0].force"),
    ({"changes": [{"op": "mode", "mode": "shadow"}], "dry_run": True}, "dry_run"),
    ({"changes": [{"op": "mode", "mode": "shadow"}] * 10_001}, "changes"),
]


def test_a_mistake_is_named_with_its_place_and_changes_nothing(server):
    before = (whole_state(server), newest(server))
    for body, field in BAD:
        reply = server.call("POST", CHANGESETS, body)
        assert reply.status == 400 and reply.json.get("field") == field, (str(body)[:200], reply.body)
    for changes, error, where in (
            ([{"op": "manifest", "manifest": "kind: Nope\n"}], "invalid_manifest", "changes[0].manifest: "),
            ([{"op": "mode", "mode": "shadow"}, {"op": "manifest", "manifest": ROUTE}], "invalid_manifest",
             "changes[1].manifest: spec.parentRefs[0]")):
        answer = refused(change(server, *changes), 400, error)
        assert answer["problems"][0]["path"].startswith(where), answer
    for changes, error in (([{"op": "remove_allow", "domain": "a.b"}], "egress_entry_not_found"),
                           ([{"op": "remove_namespace", "name": "nope"}], "namespace_unknown"),
                           ([{"op": "remove_document", "kind": "EgressGateway", "name": "x"}], "document_not_found")):
        answer = refused(change(server, {"op": "mode", "mode": "shadow"}, *changes), 404, error)
        assert answer["change"] == 1 and "changes[1]" in answer["message"]
    assert (whole_state(server), newest(server)) == before


# --- revisions -------------------------------------------------------------------------------------------------------

def test_revisions_tell_who_changed_what(server):
    given(server, "prod", allowed_domains=["a.example", "b.example"])
    given(server, "prod", allowed_domains=["a.example", "c.example"])
    page = server.get("/api/revisions")
    assert [(item["revision"], item["summary"], item["changes"]) for item in page["items"]] == [
        (3, "namespace prod", 1), (2, "namespace prod", 1), (1, "first start", 2)]
    assert page["next_cursor"] is None and all(item["actor"] and item["time"] for item in page["items"])
    seen, cursor = [], ""
    while cursor is not None:
        part = server.get(f"/api/revisions?limit=1{cursor and '&cursor='}{cursor}")
        seen += [item["revision"] for item in part["items"]]
        cursor = part["next_cursor"]
    assert seen == [3, 2, 1]
    revision = server.get("/api/revisions/3")
    [one] = revision["changes"]
    assert (one["kind"], one["subject"]) == ("namespace", "prod")
    assert '- "b.example"' in one["before"] and '- "c.example"' in one["after"]
    assert '\n     - "a.example"\n-    - "b.example"\n+    - "c.example"\n' in revision["diff"]
    assert revision["diff"].startswith("--- namespace prod\n+++ namespace prod\n@@ ")
    assert server.get("/api/revisions/2")["changes"][0]["before"] is None
    assert [c["subject"] for c in server.get("/api/revisions/1?limit=1&cursor=1")["changes"]] == ["default"]
    for path in ("/api/revisions/4", "/api/revisions/0"):
        refused(server.call("GET", path), 404, "revision_unknown")
    for path in ("/api/revisions/x", "/api/revisions/-1", "/api/revisions/1.5", "/api/revisions/99999999999999999999"):
        refused(server.call("GET", path), 400, "invalid_path")
    assert server.call("GET", "/api/revisions/3:rollback").status == 405
    assert server.call("POST", "/api/revisions/3:explode", {}).status == 404
    assert server.call("POST", "/api/revisions/3", {}).status == 405


def test_rollback(server):
    """Rollback makes a **new** revision with the old content: re-validated, expiries stay absolute, tokens and workloads
    are not touched."""
    accepted(server, {"op": "namespace", "name": "prod", "allowed_domains": ["a.example"]},
             {"op": "allow", "domain": "a.example", "expires_at": "2999-01-01T00:00:00Z"},
             {"op": "manifest", "manifest": GATEWAY + "---\n" + ROUTE})
    good, content = newest(server)["revision"], whole_state(server)
    accepted(server, {"op": "remove_document", "kind": "EgressL4Route", "namespace": "prod", "name": "r"},
             {"op": "remove_allow", "domain": "a.example"}, {"op": "mode", "mode": "shadow"},
             {"op": "namespace", "name": "prod", "allowed_domains": ["z.example"]},
             {"op": "namespace", "name": "new"})
    bad = whole_state(server)
    dry = roll_back(server, good, "?dry_run=true")
    assert dry.status == 200 and dry.json["dry_run"] and dry.json["changed"], dry.body
    assert whole_state(server) == bad
    reply = roll_back(server, good, body={"reason": "it broke"})
    assert reply.status == 200, reply.body
    assert (reply.json["changed"], reply.json["revision"], reply.json["rolled_back_to"]) == (True, good + 2, good)
    assert reply.json["diff"] == dry.json["diff"] and "z.example" in reply.json["diff"]
    assert whole_state(server) == content
    assert newest(server)["summary"] == f"roll back to revision {good}"
    [row] = server.audit("revision_rolled_back")
    assert (row["detail"]["to"], row["detail"]["reason"]) == (good, "it broke")
    [entry] = server.get("/api/policy/egress")["allowed"]
    assert entry["expires_at"] == "2999-01-01T00:00:00Z"
    # Equal already: no revision.
    again = roll_back(server, good)
    assert (again.status, again.json["changed"], again.json["revision"]) == (200, False, None)
    assert newest(server)["revision"] == good + 2
    # And forth again, which is a revision as well.
    assert roll_back(server, good + 1).json["changed"]
    assert whole_state(server) == bad


def test_a_rollback_is_validated_again(server):
    assert manifest(server, TEST.replace("allow: ['a.example:443/tcp'], ", "")).status == 200
    given(server, "prod", allowed_domains=["c.example"])  # a single call is not gated
    wide = newest(server)["revision"]
    given(server, "prod", allowed_domains=[])
    refused(roll_back(server, wide), 409, "policy_tests_failed")
    assert show(server, "prod")["allowed_domains"] == []
    assert roll_back(server, wide, "?force=true").status == 200
    assert show(server, "prod")["allowed_domains"] == ["c.example"]
    refused(roll_back(server, 4711), 404, "revision_unknown")
    refused(roll_back(server, "x"), 400, "invalid_path")
    refused(roll_back(server, wide, body={"why": "x"}), 400, "unknown_field")
    refused(roll_back(server, wide, "?now=true"), 400, "invalid_query")


def test_what_expired_meanwhile_comes_back_without_effect(server):
    answer = server.post("/api/policy/egress/allow", {"domain": "a.example", "expires_in": "1s"})
    then = newest(server)["revision"]
    assert server.call("DELETE", "/api/policy/egress/allow?domain=a.example").status == 200
    eventually(lambda: roll_back(server, then, "?dry_run=true").json["warnings"], what="the end of the entry")
    reply = roll_back(server, then)
    assert "allow a.example ended at " in reply.json["warnings"][0]
    assert server.get("/api/policy/egress")["allowed"][0]["expires_at"] == answer["expires_at"]
    assert verdict(server, "default", "a.example") == "deny"


def test_history_survives_a_kill(server):
    given(server, "prod", allowed_domains=["a.example"])
    then, content = newest(server)["revision"], whole_state(server)
    given(server, "prod", allowed_domains=["b.example"])
    server.stop(signal.SIGKILL)
    server.start()
    assert roll_back(server, then).json["changed"]
    assert whole_state(server) == content
