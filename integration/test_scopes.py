"""policy.md sections 4 and 6: who may narrow, widen, cut and go back where. Real tokens over HTTP; each test quotes what
it shows. What roles and routes alone decide is in test_authorization.py."""

import pytest

from access_world import Actor
from test_changesets import accepted, change, newest, roll_back, whole_state
from test_namespaces import delete, given, manifest, put, refused, show, verdict

MODE = "/api/mode"
SHADOW = {"mode": "shadow"}


def mirrord(namespace, name, outgoing):
    return ("apiVersion: policies.mirrord.metalbear.co/v1alpha\nkind: MirrordPolicy\n"
            f"metadata: {{name: {name}, namespace: {namespace}}}\nspec: {{network: {{outgoing: {outgoing}}}}}\n---\n")


def gateway(namespace, name="g", policy="deny-all"):
    return ("apiVersion: clrk.apoxy.dev/v1alpha1\nkind: EgressGateway\n"
            f"metadata: {{name: {name}, namespace: {namespace}}}\n"
            f"spec: {{defaultPolicy: {policy}, listeners: [{{name: tcp, protocol: TCP}}]}}\n---\n")


def route(namespace, of, host, name="r"):
    return ("apiVersion: clrk.apoxy.dev/v1alpha1\nkind: EgressL4Route\n"
            f"metadata: {{name: {name}, namespace: {namespace}}}\n"
            f"spec: {{parentRefs: [{{name: g, namespace: {of}}}], "
            f"rules: [{{matches: [{{destinationHostnames: [{host}]}}]}}]}}\n---\n")


def policy_test(name, about, home="/", allow="a.example:443/tcp"):
    return ("apiVersion: egress/v1\nkind: PolicyTest\n"
            f"metadata: {{name: {name}, namespace: {home}}}\nspec: {{namespace: {about}, allow: ['{allow}']}}\n---\n")


class People:
    """prod (a.example, b.example) > prod/team (a.example) beside dev (a.example), each with its operator."""

    def __init__(self, server):
        self.server = server
        server.token = server.make_token("admin", "admin")
        self.admin = Actor(server, server.token)
        self.root = Actor(server, server.make_token("root", "operator"))
        for name, path in (("prod", "prod"), ("team", "prod/team"), ("dev", "dev")):
            setattr(self, name, Actor(server, server.make_token(name, "operator", path)))
        self.viewer = Actor(server, server.make_token("viewer", "viewer", "prod"))
        given(self.root, "prod", allowed_domains=["a.example", "b.example"])
        given(self.root, "prod/team", allowed_domains=["a.example"])
        given(self.root, "dev", allowed_domains=["a.example"])

    def everything(self):
        return whole_state(self.admin), newest(self.admin)["revision"]


@pytest.fixture
def people(server):
    return People(server)


@pytest.fixture
def refuses(people):
    """That a call is refused for its scope, that the answer says who may, and that nothing came of it."""

    def check(call, namespace, role="operator"):
        before = people.everything()
        answer = refused(call(), 403, "out_of_scope")
        assert (answer["namespace"], answer["needed_role"]) == (namespace, role), answer
        assert people.everything() == before
        return answer

    return check


# --- the subtree -----------------------------------------------------------------------------------------------------

def test_an_operator_changes_its_subtree_and_nothing_else(people, refuses):
    """an operator of `prod/payments` can change it and what is below, and nothing else"""
    given(people.team, "prod/team", description="ours")
    given(people.team, "prod/team/deep", allowed_domains=["a.example"])
    assert delete(people.team, "prod/team/deep").status == 200
    for path in ("/", "prod", "dev", "dev/x", "prod/team2", "prod/te"):
        refuses(lambda: put(people.team, path, description="theirs"), path)
        refuses(lambda: put(people.team, path, "?dry_run=true", description="theirs"), path)
    for path in ("prod", "dev", "default"):
        refuses(lambda: delete(people.team, path, "&force=true"), path)
    refused(put(people.viewer, "prod", description="d"), 403, "role_required")


def test_what_is_the_fleets_needs_the_root(people, refuses):
    """the global egress table, the server's mode and `default_action` (root only) belong to nobody's subtree"""
    for method, path in (("POST", "/allow"), ("POST", "/block"), ("DELETE", "/block?domain=x.example")):
        body = {"domain": "x.example"} if method == "POST" else None
        refuses(lambda: people.prod.call(method, "/api/policy/egress" + path, body), "/")
    assert people.root.call("POST", "/api/policy/egress/block", {"domain": "x.example"}).status == 201
    assert people.root.call("DELETE", "/api/policy/egress/block?domain=x.example").status == 200
    refuses(lambda: put(people.prod, "/", default_action="allow"), "/")
    refused(people.root.call("POST", MODE, SHADOW), 403, "role_required")
    assert people.admin.call("POST", MODE, SHADOW).status == 200
    scoped = Actor(people.server, people.server.make_token("team-admin", "admin", "prod"))
    refuses(lambda: scoped.call("POST", MODE, {"mode": "discovery"}), "/", "admin")


# --- widening --------------------------------------------------------------------------------------------------------

def test_a_child_is_covered_whoever_writes_it(people):
    """each entry that a write *adds* must be covered by every ancestor that defines `allowed_domains` … No force for this
    one."""
    before = people.everything()
    for actor in (people.team, people.prod, people.root, people.admin):
        for query in ("", "?force=true", "?dry_run=true"):
            refused(put(actor, "prod/team", query, allowed_domains=["a.example", "evil.example"]), 409,
                    "child_widens_parent")
    assert people.everything() == before
    given(people.team, "prod/team", allowed_domains=["a.example", "b.example"])


def test_a_top_level_grant_needs_the_root(people, refuses):
    """A top-level grant (no defining ancestor) … needs operator scope on `/`."""
    for query in ("", "?force=true", "?dry_run=true"):
        refuses(lambda: put(people.prod, "prod", query, allowed_domains=["a.example", "b.example", "c.example"]), "/")
    assert "no allowed_domains above bounds" in refuses(
        lambda: put(people.prod, "prod", allowed_domains=["**.example"]), "/")["message"]
    given(people.prod, "prod", allowed_domains=["a.example"])  # narrowing is its own
    refuses(lambda: put(people.prod, "prod", allowed_domains=["a.example", "b.example"]), "/")  # and not taken back
    given(people.root, "prod", allowed_domains=["a.example", "b.example"])


@pytest.mark.parametrize("kind", ["gateway", "mirrord", "route"])
def test_a_top_level_document_that_grants_needs_the_root(people, refuses, kind):
    """an `allow-all` gateway or a mirrord `allow` there needs operator scope on `/`"""
    given(people.root, "open")  # null: nothing bounds it
    people.open = Actor(people.server, people.server.make_token("open", "operator", "open"))
    documents = {"gateway": lambda home: gateway(home, policy="allow-all"),
                 "mirrord": lambda home: mirrord(home, "m", "{allow: [{hostname: evil}]}"),
                 "route": lambda home: gateway(home) + route(home, home, "evil.example")}[kind]
    harmless = {"gateway": gateway("open"), "mirrord": mirrord("open", "m", "{block: [{hostname: evil}]}"),
                "route": gateway("open")}[kind]
    for query in ("", "?force=true", "?dry_run=true"):
        refuses(lambda: manifest(people.open, documents("open"), query), "/")
    refuses(lambda: change(people.open, {"op": "manifest", "manifest": documents("open")}), "/")
    assert manifest(people.open, harmless).status == 200
    # Under a list that bounds it, it grants nothing that was not granted.
    assert manifest(people.team, documents("prod/team")).status == 200
    assert verdict(people.team, "prod/team", "evil.example") == "deny"
    assert manifest(people.root, documents("open")).status == 200
    assert verdict(people.root, "open", "evil.example") == "allow"


def test_a_list_that_bounds_is_not_taken_away_from_below(people, refuses):
    """A top-level grant (no defining ancestor) …: also one that becomes so by what it was bounded by going away"""
    assert manifest(people.team, mirrord("prod/team", "m", "{allow: [{hostname: evil}]}")).status == 200
    refuses(lambda: put(people.prod, "prod", allowed_domains=None), "/")
    refuses(lambda: delete(people.prod, "prod", "&force=true"), "/")
    refuses(lambda: change(people.prod, {"op": "remove_namespace", "name": "prod"}, query="?force=true"), "/")
    assert verdict(people.admin, "prod/team", "evil.example") == "deny"
    given(people.team, "prod/team", allowed_domains=None)  # its own list: the parent's still holds
    assert verdict(people.admin, "prod/team", "evil.example") == "deny"


@pytest.mark.parametrize("setting, lax, strict", [("mode", "shadow", "enforcement"), ("loopback", "pass", "enforce"),
                                                  ("lookups", "resolvable", "listed")])
def test_a_laxer_value_needs_the_parent(people, refuses, setting, lax, strict):
    """A value laxer than the inherited one (discovery < shadow < enforcement; pass < enforce; resolvable < listed) needs
    operator scope on the **parent**"""
    given(people.root, "prod", **{setting: strict})
    for query in ("", "?force=true", "?dry_run=true"):
        refuses(lambda: put(people.team, "prod/team", query, **{setting: lax}), "prod")
    refuses(lambda: change(people.team, {"op": "namespace", "name": "prod/team", setting: lax}), "prod")
    document = ("apiVersion: egress/v1\nkind: Namespace\nmetadata: {name: prod/team}\n"
                f"spec: {{allowed_domains: [a.example], {setting}: {lax}}}\n")
    refuses(lambda: manifest(people.team, document), "prod")
    given(people.prod, "prod/team", **{setting: lax})  # the parent's operator may
    assert show(people.team, "prod/team")["effective"][setting] == lax
    given(people.team, "prod/team", description="edited")  # and what it did stays
    given(people.team, "prod/team", **{setting: strict})
    refuses(lambda: put(people.team, "prod/team", **{setting: lax}), "prod")
    # The top of a scope has a parent, too.
    refuses(lambda: put(people.prod, "prod", **{setting: lax}), "/")
    refuses(lambda: put(people.dev, "prod/team", **{setting: lax}), "prod/team")


def test_a_stricter_value_is_not_taken_back_from_below(people, refuses):
    """laxer … needs operator scope on the **parent**: by a value, by null or by deletion"""
    assert people.admin.call("POST", MODE, SHADOW).status == 200
    given(people.root, "prod", mode="enforcement")
    refuses(lambda: put(people.prod, "prod", mode=None), "/")
    given(people.root, "dev", mode="enforcement", allowed_domains=None)
    refuses(lambda: delete(people.dev, "dev"), "/")
    assert delete(people.root, "dev").status == 200


# --- cutting ---------------------------------------------------------------------------------------------------------

def test_force_goes_past_cascades_in_the_own_subtree_only(people, refuses):
    """With `?force=true` it is applied and returns the warnings; the descendants show as *broken* until mended, and can
    still be edited."""
    refused(put(people.prod, "prod", allowed_domains=["b.example"]), 409, "cascade_violations")
    refuses(lambda: put(people.team, "prod", "?force=true", allowed_domains=["b.example"]), "prod")
    reply = put(people.prod, "prod", "?force=true", allowed_domains=["b.example"])
    assert reply.json["cascade_warnings"] == [{"child": "prod/team", "uncovered_domains": ["a.example"]}]
    assert show(people.team, "prod/team")["cascade_state"] == "broken"
    given(people.team, "prod/team", description="still edited")
    given(people.team, "prod/team", allowed_domains=["b.example"])
    assert show(people.team, "prod/team")["cascade_state"] == "ok"


def test_a_quarantine_is_the_operators_own(people, refuses):
    """Quarantine (`[]`, forced) stops new connections at once everywhere"""
    refuses(lambda: put(people.dev, "prod", "?force=true", allowed_domains=[]), "prod")
    assert put(people.prod, "prod", "?force=true", allowed_domains=[]).status == 200
    assert verdict(people.team, "prod/team", "a.example") == "deny"
    # What was put above it does not end from below: neither by a value, nor by null, nor by going away.
    refuses(lambda: put(people.team, "prod", allowed_domains=["a.example"]), "prod")
    refused(put(people.team, "prod/team", allowed_domains=["a.example", "b.example"]), 409, "child_widens_parent")
    assert delete(people.team, "prod/team").status == 200
    given(people.team, "prod/team")
    assert verdict(people.team, "prod/team", "a.example") == "deny"
    # And what the root granted comes back by the root's doing.
    refuses(lambda: put(people.prod, "prod", allowed_domains=["a.example"]), "/")


# --- change-sets, manifests, tests -----------------------------------------------------------------------------------

def test_a_change_set_is_the_operators_as_a_whole(people, refuses):
    """A change-set applies many documents atomically and is validated on its final state, so a parent and its children
    can move together."""
    parent = {"op": "namespace", "name": "prod", "allowed_domains": ["b.example"]}
    child = {"op": "namespace", "name": "prod/team", "allowed_domains": ["b.example"]}
    answer = refuses(lambda: change(people.team, child, parent), "prod")
    assert answer["change"] == 1
    beside = {"op": "namespace", "name": "dev", "allowed_domains": []}
    assert refuses(lambda: change(people.prod, parent, child, beside), "dev")["change"] == 2
    for foreign in ({"op": "block", "domain": "x.example"}, {"op": "mode", "mode": "shadow"}):
        refuses(lambda: change(people.prod, parent, child, foreign), "/",
                "admin" if foreign["op"] == "mode" else "operator")
    accepted(people.prod, parent, child)
    assert newest(people.admin)["actor"] == "prod"
    refuses(lambda: change(people.prod, {"op": "namespace", "name": "prod", "allowed_domains": ["a.example"]}), "/")


def test_a_manifest_is_the_operators_as_a_whole(people, refuses):
    """`Namespace` documents replace whole … documents are written over every namespace in which they have an effect"""
    ours = mirrord("prod/team", "m", "{block: [{hostname: evil}]}")
    refuses(lambda: manifest(people.team, ours + mirrord("dev", "m", "{}")), "dev")
    refuses(lambda: manifest(people.team, ours + mirrord("prod", "m", "{}")), "prod")
    assert manifest(people.root, gateway("dev")).status == 200
    refuses(lambda: manifest(people.prod, route("prod", "dev", "evil.example")), "dev")
    refuses(lambda: people.team.call("DELETE", "/api/manifests?kind=EgressGateway&namespace=dev&name=g"), "dev")
    replaced = ("apiVersion: egress/v1\nkind: Namespace\nmetadata: {name: prod}\n"
                "spec: {allowed_domains: [a.example]}\n---\n")
    refuses(lambda: manifest(people.team, ours + replaced), "prod")
    assert manifest(people.prod, ours + replaced).status == 200
    assert [row["actor"] for row in people.admin.audit("manifest_applied", namespace="prod/team")] == ["prod"]


def test_a_test_gates_those_whom_its_owner_may_write(people, refuses):
    """PolicyTests gate change-sets and manifests, never a block, a quarantine or a forced call."""
    refuses(lambda: manifest(people.team, policy_test("t", "prod", "prod/team")), "prod")
    refuses(lambda: manifest(people.dev, policy_test("t", "prod/team", "dev")), "prod/team")
    assert manifest(people.prod, policy_test("t", "prod/team", "prod")).status == 200
    narrow = {"op": "namespace", "name": "prod/team", "allowed_domains": ["b.example"]}
    refused(change(people.team, narrow), 409, "policy_tests_failed")
    refuses(lambda: people.team.call("DELETE", "/api/manifests?kind=PolicyTest&namespace=prod&name=t"), "prod")
    accepted(people.team, {"op": "namespace", "name": "prod/team", "allowed_domains": []})  # a quarantine
    accepted(people.team, narrow, query="?force=true")
    # Force is past the test, not past the scope.
    refuses(lambda: change(people.team, {**narrow, "name": "dev"}, query="?force=true"), "dev")


# --- revisions and rollback ------------------------------------------------------------------------------------------

def test_rollback_needs_the_scope_of_all_that_it_changes(people, refuses):
    """Rollback makes a **new** revision with the old content: re-validated, expiries stay absolute, tokens and workloads
    are not touched."""
    registered = people.prod.post("/api/fleet/workloads", {"name": "web", "namespace": "prod/team"})
    start = newest(people.admin)["revision"]
    given(people.team, "prod/team", allowed_domains=[])
    dry = roll_back(people.team, start, "?dry_run=true")
    assert (dry.status, dry.json["changes"]) == (200, [{"kind": "namespace", "subject": "prod/team"}])
    assert roll_back(people.team, start).json["changed"]
    assert show(people.team, "prod/team")["allowed_domains"] == ["a.example"]
    assert newest(people.admin)["actor"] == "team"
    refused(roll_back(people.viewer, start), 403, "role_required")
    # What others changed meanwhile is not the operator's to undo: above, beside, or the fleet's.
    given(people.prod, "prod", allowed_domains=["a.example"])
    for query in ("", "?force=true", "?dry_run=true"):
        refuses(lambda: roll_back(people.team, start, query), "prod")
        refuses(lambda: roll_back(people.prod, start, query), "/")  # b.example again is a grant again
    assert roll_back(people.root, start).status == 200
    given(people.dev, "dev", description="changed")
    refuses(lambda: roll_back(people.prod, start), "dev")
    people.admin.call("POST", MODE, SHADOW)
    refuses(lambda: roll_back(people.root, start), "/", "admin")
    assert roll_back(people.admin, start).json["changed"]
    [workload] = people.prod.get("/api/fleet/workloads?namespace=prod/team")["items"]
    assert workload["token_id"] == registered["token_id"]


def test_a_rollback_is_no_way_to_what_was_taken_away(people, refuses):
    """re-validated: a grant that the root took back does not come back from below"""
    start = newest(people.admin)["revision"]
    given(people.prod, "prod", allowed_domains=["a.example"])  # by the operator itself
    refuses(lambda: roll_back(people.prod, start), "/")
    assert roll_back(people.root, start).status == 200
    given(people.root, "prod/team", mode="shadow")
    lax = newest(people.admin)["revision"]
    given(people.team, "prod/team", mode="enforcement")
    refuses(lambda: roll_back(people.team, lax), "prod")
    assert roll_back(people.prod, lax).status == 200


def test_a_reader_sees_its_part_of_a_revision(people):
    """who changed what, a diff … `hidden_changes`: what the reader may not see is counted, not shown"""
    accepted(people.root, {"op": "namespace", "name": "prod/team", "description": "mixed-ours"},
             {"op": "namespace", "name": "dev", "description": "mixed-theirs"},
             {"op": "block", "domain": "secret.example"}, description="the secret plan")
    mixed = newest(people.admin)["revision"]
    given(people.dev, "dev", description="only theirs")
    theirs = newest(people.admin)["revision"]
    whole = people.admin.get(f"/api/revisions/{mixed}")
    assert len(whole["changes"]) == 3 and "hidden_changes" not in whole and "secret plan" in whole["summary"]
    for actor in (people.team, people.prod, people.viewer):
        reply = actor.call("GET", f"/api/revisions/{mixed}")
        part = reply.json
        assert [c["subject"] for c in part["changes"]] == ["prod/team"]
        assert (part["hidden_changes"], part["summary"]) == (2, "")
        assert "mixed-ours" in part["diff"]
        listing = actor.call("GET", "/api/revisions")
        items = {item["revision"]: item for item in listing.json["items"]}
        assert items[mixed]["changes"] == 1 and theirs not in items
        for body in (reply.body, listing.body):
            for secret in (b"mixed-theirs", b"secret", b"only theirs", b"dev"):
                assert secret not in body, body
        hidden = actor.call("GET", f"/api/revisions/{theirs}")
        assert (hidden.status, hidden.json["error"]) == (404, "revision_unknown")  # as the list leaves it out
    assert people.dev.get(f"/api/revisions/{theirs}")["changes"][0]["subject"] == "dev"
