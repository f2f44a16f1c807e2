"""policy.md section 6, sentence by sentence, against the real server: each test quotes what it shows. What running
processes see of it is in test_namespaces_live.py, which scope each write needs in test_scopes.py."""

import json
import time
from datetime import datetime, timedelta, timezone

from conftest import eventually

NAMESPACES = "/api/fleet/namespaces"


def put(server, name, query="", **fields):
    return server.call("POST", NAMESPACES + query, {"name": name, **fields})


def given(server, name, **fields):
    reply = put(server, name, **fields)
    assert reply.status in (200, 201), reply.body
    return reply.json


def delete(server, name, query=""):
    return server.call("DELETE", f"{NAMESPACES}?name={name}{query}")


def show(server, name):
    [item] = server.get(f"{NAMESPACES}?name={name}")["items"]
    return item


def names(server):
    return [item["name"] for item in server.get(f"{NAMESPACES}?limit=1000")["items"]]


def verdict(server, namespace, host):
    return server.get(f"/api/explain?namespace={namespace}&host={host}&port=443&protocol=tcp")["verdict"]


def manifest(server, text, query=""):
    return server.call("POST", "/api/manifests" + query, text.encode(), {"Content-Type": "application/yaml"})


def refused(reply, status, error):
    assert (reply.status, reply.json["error"]) == (status, error), reply.body
    return reply.json


def state(server):
    return server.get("/api/manifests?limit=1000")["items"]


def in_order(body):
    """JSON with the order of keys kept, so that comparing compares it too."""
    return json.loads(body, object_pairs_hook=lambda pairs: pairs)


GATEWAY = """\
apiVersion: clrk.apoxy.dev/v1alpha1
kind: EgressGateway
metadata: {name: g, namespace: prod}
spec: {listeners: [{name: tcp, protocol: TCP}]}
"""


# --- names and the root ----------------------------------------------------------------------------------------------

GOOD_NAMES = ["a", "0", "a-b", "prod/payments/eu-west", "a" * 63, "/".join(["x"] * 16), "/".join(["y" * 63] * 16)]
BAD_NAMES = ["", "/prod", "prod/", "prod//payments", "//", "Prod", "prod/Pay", "-a", "a-", "a/-b", "a/b-", "a_b", "a.b",
             "a b", "é", "a/../b", "a" * 64, "/".join(["x"] * 17), "a\nb", "a\x00b"]


def test_names(server):
    """Names: `/`-separated labels (`[a-z0-9]([a-z0-9-]*[a-z0-9])?`, <= 63 each, <= 16 deep), no leading, trailing or
    double slash."""
    for name in GOOD_NAMES:
        assert put(server, name).status == 201, name
    before = state(server)
    for name in BAD_NAMES:
        answer = refused(put(server, name), 400, "invalid_field")
        assert answer["field"] == "name", name
    assert state(server) == before


def test_the_root(server):
    """The root is `/`, depth 0, always present, undeletable."""
    root = show(server, "/")
    assert (root["depth"], root["parent"]) == (0, None)
    for query in ("", "&force=true", "&dry_run=true"):
        refused(delete(server, "/", query), 409, "root_undeletable")
    refused(server.call("POST", "/api/changesets", {"changes": [{"op": "remove_namespace", "name": "/"}]}), 409,
            "root_undeletable")
    assert show(server, "/") == root


def test_the_parent(server):
    """`Parent` is the textual parent, shown "(missing)" if it does not exist."""
    given(server, "prod/payments/eu")
    item = show(server, "prod/payments/eu")
    assert (item["parent"], item["parent_exists"], item["depth"]) == ("prod/payments", False, 3)
    given(server, "prod/payments")
    item = show(server, "prod/payments/eu")
    assert (item["parent"], item["parent_exists"]) == ("prod/payments", True)
    assert (show(server, "prod/payments")["parent"], show(server, "prod/payments")["parent_exists"]) == ("prod", False)
    given(server, "top")
    assert (show(server, "top")["parent"], show(server, "top")["parent_exists"]) == ("/", True)


def test_default_is_there_and_is_used(server):
    """`default` is created at first start and used where a workload names no namespace."""
    assert names(server) == ["/", "default"]
    reply = server.call("GET", "/api/bundle?workload=w")
    assert json.loads(reply.json["manifest"])["namespace"] == "default"
    assert delete(server, "default").status == 200
    server.stop()
    server.start()
    assert names(server) == ["/"], "what was deleted stays deleted"


def test_an_unknown_namespace_gets_no_bundle(server):
    """A workload in an unknown namespace gets no bundle (404 `namespace_unknown`, fails closed, with the remedy in the
    message); `explain` judges it as inheriting and returns `namespace_exists: false`."""
    answer = refused(server.call("GET", "/api/bundle?namespace=prod/nowhere"), 404, "namespace_unknown")
    assert "POST /api/fleet/namespaces" in answer["message"] and "prod/nowhere" in answer["message"]
    given(server, "prod", allowed_domains=["a.example"])
    explained = server.get("/api/explain?namespace=prod/nowhere&host=a.example&port=443&protocol=tcp")
    assert (explained["namespace_exists"], explained["verdict"]) == (False, "allow")
    assert verdict(server, "prod/nowhere", "b.example") == "deny"


# --- upsert ----------------------------------------------------------------------------------------------------------

FULL = {"description": "d", "allowed_domains": ["a.example"], "blocked_domains": ["b.example"], "mode": "shadow",
        "loopback": "enforce", "lookups": "listed"}
EMPTY = {"description": "", "allowed_domains": None, "blocked_domains": [], "mode": None, "loopback": None,
         "lookups": None}


def fields_of(item):
    return {key: item[key] for key in FULL}


def test_upsert(server):
    """`POST` is an upsert: on update an absent field keeps its value, `null` resets it; on create absent is null."""
    assert put(server, "prod").status == 201
    assert fields_of(show(server, "prod")) == EMPTY
    assert put(server, "prod", **FULL).status == 200
    assert fields_of(show(server, "prod")) == FULL
    assert put(server, "prod").status == 200
    assert fields_of(show(server, "prod")) == FULL
    for field in FULL:
        given(server, "prod", **{field: None})
        assert fields_of(show(server, "prod")) == {**FULL, field: EMPTY[field]}, field
        given(server, "prod", **FULL)


def test_null_inherits_and_empty_means_nothing(server):
    """`allowed_domains`: null inherits, `[]` means nothing."""
    given(server, "prod", allowed_domains=["a.example"])
    given(server, "prod/x", allowed_domains=None)
    assert verdict(server, "prod/x", "a.example") == "allow"
    assert show(server, "prod/x")["effective_allowed_domains"] == ["a.example"]
    given(server, "prod/x", allowed_domains=[])
    assert verdict(server, "prod/x", "a.example") == "deny"
    assert show(server, "prod/x")["effective_allowed_domains"] == []
    assert verdict(server, "prod", "a.example") == "allow"


def test_entries(server):
    """Entries are strings or `{domain, reason, expires_at}`."""
    entries = ["a.example", {"domain": "b.example", "reason": "SEPA", "expires_at": "2999-01-31T00:00:00Z"},
               {"domain": "c.example", "reason": "why", "expires_at": None}]
    given(server, "prod", allowed_domains=entries, blocked_domains=entries)
    item = show(server, "prod")
    assert item["allowed_domains"] == entries and item["blocked_domains"] == entries
    for bad in (7, [], {"reason": "x"}, {"domain": "a"}, {"domain": "a.b", "expires": "x"},
                {"domain": "a.b", "expires_at": "soon"}):
        reply = put(server, "prod", allowed_domains=["x.example", bad])
        if bad == {"domain": "a"}:
            assert reply.status == 200, "a name of one label is a name"
            continue
        assert reply.status == 400 and reply.json["field"].startswith("allowed_domains[1]"), reply.body


def test_documents_replace_whole(server):
    """`Namespace` documents replace whole."""
    given(server, "prod", **FULL)
    assert manifest(server, "apiVersion: egress/v1\nkind: Namespace\nmetadata: {name: prod}\n"
                            "spec: {mode: shadow}\n").status == 200
    assert fields_of(show(server, "prod")) == {**EMPTY, "mode": "shadow"}


# --- child against ancestors -----------------------------------------------------------------------------------------

WIDENS = """{"error": "child_widens_parent", "namespace": "prod/payments/eu-west", "domain": "api.foo.com",
"ancestor": "prod/payments", "message": "domain api.foo.com is not covered by ancestor prod/payments"}"""


def test_a_child_cannot_widen(server):
    """each entry that a write *adds* must be covered by every ancestor that defines `allowed_domains`, nearest first.
    Otherwise 409 with exactly the body the seed prints (`child_widens_parent`). No force for this one."""
    given(server, "prod", allowed_domains=["api.stripe.com", "api.bank.eu", "*.wild.example"])
    given(server, "prod/payments", allowed_domains=["api.stripe.com", "api.bank.eu"])
    before = state(server)
    for query in ("", "?force=true", "?dry_run=true"):
        reply = put(server, "prod/payments/eu-west", query,
                    allowed_domains=["api.stripe.com", "api.bank.eu", "api.foo.com"])
        assert reply.status == 409 and in_order(reply.body) == in_order(WIDENS)
    # The nearest ancestor that defines a list is named, whatever those above it say; one that defines none is skipped.
    answer = refused(put(server, "prod/payments/x/y", allowed_domains=["a.wild.example"]), 409, "child_widens_parent")
    assert answer["ancestor"] == "prod/payments"
    answer = refused(put(server, "prod/other", allowed_domains=["b.a.wild.example"]), 409, "child_widens_parent")
    assert answer["ancestor"] == "prod"
    assert state(server) == before
    assert put(server, "prod/other", allowed_domains=["a.wild.example"]).status == 201


def test_only_what_is_added_must_be_covered(server):
    """each entry that a write *adds*"""
    given(server, "prod", allowed_domains=["a.example", "b.example"])
    given(server, "prod/x", allowed_domains=["a.example", "b.example"])
    assert put(server, "prod", "?force=true", allowed_domains=["a.example"]).status == 200
    # b.example is uncovered, but was there before: the child can be edited, and that does not let it through.
    assert put(server, "prod/x", allowed_domains=["b.example"], description="kept").status == 200
    refused(put(server, "prod/x", allowed_domains=["b.example", "c.example"]), 409, "child_widens_parent")
    assert verdict(server, "prod/x", "b.example") == "deny"
    assert put(server, "prod/x", allowed_domains=[]).status == 200
    refused(put(server, "prod/x", allowed_domains=["b.example"]), 409, "child_widens_parent")


# --- parent against descendants --------------------------------------------------------------------------------------

CASCADE = """{"error": "cascade_violations", "cascade_warnings": [
{"child": "prod/payments/eu-west", "uncovered_domains": ["api.bank.eu"]}]}"""


def test_a_parent_may_not_break_its_descendants(server):
    """an update, or a creation above existing children, that leaves a descendant's entry uncovered is 409
    `cascade_violations` with `cascade_warnings: [{child, uncovered_domains}]` (the seed's body: no `message`), and nothing
    changes."""
    given(server, "prod/payments", allowed_domains=["api.stripe.com", "api.bank.eu"])
    given(server, "prod/payments/eu-west", allowed_domains=["api.bank.eu"])
    before = state(server)
    for domains in ([], ["api.stripe.com"]):
        reply = put(server, "prod/payments", allowed_domains=domains)
        assert reply.status == 409 and in_order(reply.body) == in_order(CASCADE)
    # Creation above existing children: of their parent, and of nobody's parent between them.
    reply = put(server, "prod", allowed_domains=["api.stripe.com"])
    assert refused(reply, 409, "cascade_violations")["cascade_warnings"] == [
        {"child": "prod/payments", "uncovered_domains": ["api.bank.eu"]},
        {"child": "prod/payments/eu-west", "uncovered_domains": ["api.bank.eu"]}]
    assert state(server) == before and "prod" not in names(server)
    assert put(server, "prod", allowed_domains=["api.stripe.com", "api.bank.eu"]).status == 201


def test_force_breaks_and_says_so(server):
    """With `?force=true` it is applied and returns the warnings; the descendants show as *broken* until mended, and can
    still be edited."""
    given(server, "prod", allowed_domains=["a.example", "b.example"])
    given(server, "prod/x", allowed_domains=["a.example", "b.example"])
    warnings = [{"child": "prod/x", "uncovered_domains": ["b.example"]}]
    reply = put(server, "prod", "?force=true", allowed_domains=["a.example"])
    assert reply.status == 200 and reply.json["cascade_warnings"] == warnings
    assert show(server, "prod")["broken_children"] == warnings
    child = show(server, "prod/x")
    assert child["cascade_state"] == "broken"
    assert child["broken"] == [{"ancestor": "prod", "uncovered_domains": ["b.example"]}]
    assert child["effective_allowed_domains"] == ["a.example"]
    [row] = server.audit("namespace_updated", namespace="prod")
    assert row["detail"]["forced"] and row["detail"]["cascade_warnings"] == warnings
    assert put(server, "prod/x", description="still edited").status == 200
    assert show(server, "prod/x")["cascade_state"] == "broken"
    given(server, "prod/x", allowed_domains=["a.example"])
    assert (show(server, "prod/x")["cascade_state"], show(server, "prod")["broken_children"]) == ("ok", [])


def in_seconds(seconds):
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def test_an_expiring_parent_entry_breaks_descendants(server):
    """An expiring parent entry makes descendants broken with an audit event."""
    given(server, "prod", allowed_domains=[{"domain": "a.example", "expires_at": in_seconds(2)}, "b.example"])
    given(server, "prod/x", allowed_domains=["a.example", "b.example"])
    assert show(server, "prod/x")["cascade_state"] == "ok"
    eventually(lambda: server.audit("namespace_broken"), what="the event")
    [row] = server.audit("namespace_broken", namespace="prod/x")
    assert row["detail"] == {"ancestor": "prod", "uncovered_domains": ["a.example"]}
    item = show(server, "prod/x")
    assert item["broken"] == [{"ancestor": "prod", "uncovered_domains": ["a.example"]}]
    assert verdict(server, "prod/x", "a.example") == "deny"
    assert verdict(server, "prod/x", "b.example") == "allow"
    server.stop()
    server.start()
    # The watch looks around once before anything else that we can see of it: a second event would come with it.
    given(server, "later", allowed_domains=[{"domain": "a.example", "expires_at": in_seconds(0.3)}])
    given(server, "later/x", allowed_domains=["a.example"])
    eventually(lambda: server.audit("namespace_broken", namespace="later/x"), what="the next event")
    assert len(server.audit("namespace_broken", namespace="prod/x")) == 1


def test_what_expires_while_the_server_is_down_is_noticed_when_it_starts(server):
    """An expiring parent entry makes descendants broken with an audit event."""
    ends_at = time.time() + 2
    given(server, "prod", allowed_domains=[{"domain": "a.example", "expires_at": in_seconds(2)}])
    given(server, "prod/x", allowed_domains=["a.example"])
    server.stop()
    eventually(lambda: time.time() > ends_at, what="the end of the entry")
    server.start()
    eventually(lambda: server.audit("namespace_broken", namespace="prod/x"), what="the event")


# --- deletion --------------------------------------------------------------------------------------------------------

def test_deletion_of_what_is_used(server):
    """Deletion with descendants, attached documents or workloads is 409 `namespace_in_use`"""
    given(server, "prod")
    given(server, "prod/x")
    assert refused(delete(server, "prod"), 409, "namespace_in_use")["descendants"] == ["prod/x"]
    assert delete(server, "prod/x").status == 200
    assert manifest(server, GATEWAY).status == 200
    assert refused(delete(server, "prod"), 409, "namespace_in_use")["documents"] == ["EgressGateway prod/g"]
    assert server.call("DELETE", "/api/manifests?kind=EgressGateway&namespace=prod&name=g").status == 200
    assert delete(server, "prod", "&dry_run=true").status == 200
    assert delete(server, "prod").status == 200
    assert "prod" not in names(server)


# --- dry run, tests, settings ----------------------------------------------------------------------------------------

def test_a_dry_run(server):
    """`?dry_run=true` validates and changes nothing."""
    given(server, "prod", allowed_domains=["a.example"])
    given(server, "prod/x", allowed_domains=["a.example"])
    before, audit = state(server), server.get("/api/audit?limit=1000")
    reply = put(server, "new", "?dry_run=true", allowed_domains=["b.example"])
    assert (reply.status, reply.json["dry_run"]) == (200, True)
    refused(put(server, "prod", "?dry_run=true", allowed_domains=[]), 409, "cascade_violations")
    reply = put(server, "prod", "?dry_run=true&force=true", allowed_domains=[])
    assert reply.json["cascade_warnings"] == [{"child": "prod/x", "uncovered_domains": ["a.example"]}]
    assert delete(server, "prod/x", "&dry_run=true").json == {"removed": "prod/x", "dry_run": True}
    assert (state(server), server.get("/api/audit?limit=1000")) == (before, audit)


def test_settings_are_inherited(server):
    """(section 4) `mode`, `loopback`, `lookups` come from the nearest namespace that sets them, else the server's."""
    given(server, "prod/x/y")
    assert show(server, "prod/x/y")["effective"] == {"mode": "enforcement", "loopback": "pass", "lookups": "resolvable"}
    server.post("/api/mode", {"mode": "discovery"})
    given(server, "/", loopback="enforce")
    given(server, "prod", mode="shadow", lookups="listed")
    assert show(server, "prod/x/y")["effective"] == {"mode": "shadow", "loopback": "enforce", "lookups": "listed"}
    given(server, "prod/x", mode="enforcement", loopback="pass")
    assert show(server, "prod/x/y")["effective"] == {"mode": "enforcement", "loopback": "pass", "lookups": "listed"}
    assert show(server, "default")["effective"] == {"mode": "discovery", "loopback": "enforce", "lookups": "resolvable"}
    refused(put(server, "prod", default_action="allow"), 400, "invalid_field")


def test_what_changes_nothing_makes_no_revision(server):
    given(server, "prod", **FULL)
    newest = server.get("/api/revisions?limit=1")["items"][0]["revision"]
    rows = len(server.audit("namespace_updated"))
    assert put(server, "prod", **FULL).status == 200
    assert server.get("/api/revisions?limit=1")["items"][0]["revision"] == newest
    assert len(server.audit("namespace_updated")) == rows
