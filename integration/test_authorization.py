"""Who may do what: every route x every role x in and out of scope, against the real server."""

import itertools

import pytest

from access_world import IN, ROLES, SCOPES, World, route_table

NUMBERS = itertools.count()


def fresh(prefix):
    return f"{prefix}{next(NUMBERS)}"


def new_token(world):
    name = fresh("spare")
    return world.server.post("/api/tokens", {"name": name, "role": "viewer", "namespace": IN})["id"]


def new_namespace(world):
    name = f"{IN}/eu/{fresh('n')}"
    world.server.post("/api/fleet/namespaces", {"name": name})
    return name


def new_entry(world, list_name):
    domain = fresh("d") + ".example"
    world.server.post(f"/api/policy/egress/{list_name}", {"domain": domain})
    return domain


def gateway(name, namespace=f"{IN}/eu"):
    return ("apiVersion: clrk.apoxy.dev/v1alpha1\nkind: EgressGateway\n"
            f"metadata: {{name: {name}, namespace: {namespace}}}\n"
            "spec: {listeners: [{name: tcp, protocol: TCP}]}\n").encode()


def new_gateway(world):
    name = fresh("g")
    reply = world.server.call("POST", "/api/manifests", gateway(name))
    assert reply.status == 200, reply.body
    return name


def new_workload(world):
    name = fresh("w")
    reply = world.server.call("POST", "/api/fleet/workloads", {"name": name, "namespace": ABOUT_IT})
    assert reply.status == 201, reply.body
    return name


def last_revision(world):
    return world.server.get("/api/revisions?limit=1")["items"][0]["revision"]


def revision_about_it(world):
    new_namespace(world)
    return last_revision(world)


def undoable_revision(world):
    """The number to go back to, when all that would be undone is of ABOUT_IT."""
    number = last_revision(world)
    new_namespace(world)
    return number


def changes(world):
    return {"changes": [{"op": "namespace", "name": f"{ABOUT_IT}/{fresh('n')}"}]}


OTLP = {"Content-Type": "application/json"}
EXPLAIN = "host=a.example&port=443"
ABOUT_IT = f"{IN}/eu"  # what the namespaced requests are about: below `prod`, `prod/payments` and itself

# How to ask each route for something of ABOUT_IT: what its scope is judged by, and the request. "subtree": only a scope
# that holds ABOUT_IT; "root": only "/"; "global": every scope; "listed": every scope, and the answer is filtered.
REQUESTS = {
    "GET /healthz": ("global", lambda w: ("/healthz",)),
    "GET /api/session": ("global", lambda w: ("/api/session",)),
    "POST /api/session": ("global", lambda w: ("/api/session", {"token": w.server.token})),
    "DELETE /api/session": ("global", lambda w: ("/api/session",)),
    "GET /api/tokens": ("listed", lambda w: ("/api/tokens",)),
    "POST /api/tokens": ("subtree",
                         lambda w: ("/api/tokens", {"name": fresh("t"), "role": "viewer", "namespace": ABOUT_IT})),
    "DELETE /api/tokens": ("IN", lambda w: (f"/api/tokens?id={new_token(w)}",)),
    "GET /api/policy/egress": ("global", lambda w: ("/api/policy/egress",)),
    "POST /api/policy/egress/allow": ("root",
                                      lambda w: ("/api/policy/egress/allow", {"domain": fresh("a") + ".example"})),
    "POST /api/policy/egress/block": ("root",
                                      lambda w: ("/api/policy/egress/block", {"domain": fresh("b") + ".example"})),
    "DELETE /api/policy/egress/allow": ("root",
                                        lambda w: (f"/api/policy/egress/allow?domain={new_entry(w, 'allow')}",)),
    "DELETE /api/policy/egress/block": ("root",
                                        lambda w: (f"/api/policy/egress/block?domain={new_entry(w, 'block')}",)),
    "GET /api/fleet/namespaces": ("subtree", lambda w: (f"/api/fleet/namespaces?name={ABOUT_IT}",)),
    "POST /api/fleet/namespaces": ("subtree",
                                   lambda w: ("/api/fleet/namespaces", {"name": f"{ABOUT_IT}/{fresh('n')}"})),
    "DELETE /api/fleet/namespaces": ("subtree", lambda w: (f"/api/fleet/namespaces?name={new_namespace(w)}",)),
    "GET /api/fleet/workloads": ("subtree", lambda w: (f"/api/fleet/workloads?namespace={ABOUT_IT}",)),
    "POST /api/fleet/workloads": ("subtree",
                                  lambda w: ("/api/fleet/workloads", {"name": fresh("w"), "namespace": ABOUT_IT})),
    "DELETE /api/fleet/workloads": (
        "subtree", lambda w: (f"/api/fleet/workloads?namespace={ABOUT_IT}&name={new_workload(w)}",)),
    "GET /api/manifests": ("subtree", lambda w: (f"/api/manifests?namespace={ABOUT_IT}",)),
    "POST /api/manifests": ("subtree", lambda w: ("/api/manifests", gateway(fresh("g")))),
    "DELETE /api/manifests": (
        "subtree", lambda w: (f"/api/manifests?kind=EgressGateway&namespace={ABOUT_IT}&name={new_gateway(w)}",)),
    "POST /api/changesets": ("subtree", lambda w: ("/api/changesets", changes(w))),
    "GET /api/revisions": ("listed", lambda w: ("/api/revisions",)),
    "GET /api/revisions/{number}": ("subtree", lambda w: (f"/api/revisions/{revision_about_it(w)}",)),
    "POST /api/revisions/{number}:rollback": ("subtree",
                                              lambda w: (f"/api/revisions/{undoable_revision(w)}:rollback",)),
    "GET /api/openapi.json": ("global", lambda w: ("/api/openapi.json",)),
    "GET /readyz": ("global", lambda w: ("/readyz",)),
    "GET /metrics": ("global", lambda w: ("/metrics",)),
    "GET /api/explain": ("subtree", lambda w: (f"/api/explain?namespace={ABOUT_IT}&{EXPLAIN}",)),
    "GET /api/mode": ("global", lambda w: ("/api/mode",)),
    "POST /api/mode": ("root", lambda w: ("/api/mode", {"mode": "enforcement"})),
    "GET /api/audit": ("subtree", lambda w: (f"/api/audit?namespace={ABOUT_IT}",)),
    "GET /api/otlp/logs": ("listed", lambda w: ("/api/otlp/logs",)),
    "GET /api/otlp/traces": ("listed", lambda w: ("/api/otlp/traces",)),
    "GET /api/bundle/status": ("listed", lambda w: ("/api/bundle/status",)),
    "GET /api/bundle": ("workload", lambda w: (f"/api/bundle?namespace={IN}&workload=checkout",)),
    "GET /api/layers/{sha256}": ("workload", lambda w: (f"/api/layers/{'0' * 64}",)),
    "POST /api/bundle/status": (
        "workload", lambda w: ("/api/bundle/status", {"agent_id": "a", "namespace": IN, "workload": "checkout"})),
    "POST /v1/logs": ("workload", lambda w: ("/v1/logs", {"resourceLogs": []}, OTLP)),
    "POST /v1/traces": ("workload", lambda w: ("/v1/traces", {"resourceSpans": []}, OTLP)),
}
ADMITTED = {"POST /api/tokens": 201, "POST /api/policy/egress/allow": 201, "POST /api/policy/egress/block": 201,
            "POST /api/fleet/namespaces": 201, "POST /api/fleet/workloads": 201, "GET /api/layers/{sha256}": 404}

# What is out of scope is not even said to be there.
UNKNOWN_OUTSIDE = {"GET /api/revisions/{number}"}

# Which scopes hold what a request is about.
HOLDERS = {"global": set(SCOPES), "listed": set(SCOPES), "root": {"root"},
           "subtree": {"root", "above", "in", "below"}, "IN": {"root", "above", "in"}}
PEOPLE = [f"{role} {place}" for role in ROLES for place in SCOPES]
EVERYBODY = ["nobody", "wrong", "workload", *PEOPLE]


def expected(route, audience, judged_by, who):
    admitted = ADMITTED.get(route, 200)
    if audience == "anyone":
        return {admitted}
    if who in ("nobody", "wrong"):
        return {401} if who == "nobody" else {401, 429}
    is_person = who != "workload"
    role, place = who.split(" ") if is_person else (None, None)
    if audience.startswith("workload"):
        if not is_person:
            return {admitted}
        needed = audience.removeprefix("workload").removeprefix(" or ")
        return {admitted} if needed and ROLES.index(role) >= ROLES.index(needed) else {403}
    if not is_person or ROLES.index(role) < ROLES.index(audience):
        return {403}
    if place in HOLDERS[judged_by]:
        return {admitted}
    return {404} if route in UNKNOWN_OUTSIDE else {403}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("access"))
    yield made
    made.close()


def test_there_is_a_request_for_every_route():
    missing = sorted(set(route_table()) - set(REQUESTS))
    assert not missing, f"say in REQUESTS how to ask for {missing}"


@pytest.mark.parametrize("route", sorted(set(route_table()) & set(REQUESTS)))
def test_every_role_in_and_out_of_scope(world, route):
    audience = route_table()[route]
    judged_by, make = REQUESTS[route]
    wrong = []
    for who in EVERYBODY:
        path, body, headers = (*make(world), None, None)[:3]
        reply = world.call(who, route.split(" ")[0], path, body, **(headers or {}))
        wanted = expected(route, audience, judged_by, who)
        if reply.status not in wanted:
            wrong.append(f"{who}: {reply.status} instead of {wanted}: {reply.body[:200]}")
    assert not wrong, "\n".join(wrong)


def test_refusals_say_what_is_missing(world):
    nobody = world.call("nobody", "GET", "/api/mode")
    assert nobody.status == 401 and nobody.json["error"] == "unauthenticated"
    assert nobody.headers["WWW-Authenticate"] == "Bearer"
    low = world.call("viewer root", "POST", "/api/mode", {"mode": "shadow"})
    assert low.json["error"] == "role_required" and low.json["needed_role"] == "admin"
    out = world.call("admin out", "POST", "/api/tokens", {"name": "x", "role": "viewer", "namespace": IN})
    assert out.json["error"] == "out_of_scope" and out.json["namespace"] == IN
    assert "admin-out is admin of staging" in out.json["message"]
    person = world.call("admin root", "GET", f"/api/bundle?namespace={IN}")
    assert person.json["error"] == "workload_token_required"


def names(reply, key="name"):
    assert reply.status == 200, reply.body
    return [item[key] for item in reply.json["items"]]


def test_a_reader_sees_its_subtree_and_what_it_inherits(world):
    listed = names(world.call("viewer in", "GET", "/api/fleet/namespaces?limit=1000"))
    assert listed[:4] == ["/", "prod", "prod/payments", "prod/payments/eu"]
    assert "staging" not in listed and "prod/other" not in listed
    paged, cursor = [], ""
    while cursor is not None:
        page = world.call("viewer in", "GET", f"/api/fleet/namespaces?limit=1&cursor={cursor}").json
        paged += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert paged == listed
    assert world.call("viewer in", "GET", "/api/fleet/namespaces?name=prod").status == 200
    assert world.call("viewer in", "GET", "/api/fleet/namespaces?name=staging").json["error"] == "out_of_scope"
    assert "prod/other" in names(world.call("viewer root", "GET", "/api/fleet/namespaces?limit=1000"))


def test_manifests_show_the_readers_own_its_ancestors_and_the_global_ones(world):
    for name, namespace in (("of-prod", "prod"), ("of-payments", IN), ("of-other", "prod/other")):
        assert world.server.call("POST", "/api/manifests", gateway(name, namespace)).status == 200
    world.server.post("/api/policy/egress/block", {"domain": "seen-by-all.example"})
    seen = names(world.call("viewer in", "GET", "/api/manifests?limit=1000"))
    assert {"of-prod", "of-payments", "seen-by-all.example", "prod", IN} <= set(seen)
    assert not {"of-other", "prod/other", "staging"} & set(seen)
    assert world.call("viewer in", "GET", "/api/manifests?namespace=prod").status == 200
    assert world.call("viewer in", "GET", "/api/manifests?namespace=prod/other").status == 403


def test_the_audit_shows_the_subtree_only(world):
    rows = world.call("viewer in", "GET", "/api/audit?limit=1000").json["items"]
    assert rows and all(row["namespace"] == IN or row["namespace"].startswith(IN + "/") for row in rows)
    assert {row["namespace"] for row in world.server.get("/api/audit?limit=1000")["items"]} > {"/", IN, "staging"}


def log_record(namespace, body):
    return {"timeUnixNano": "1700000000000000000", "body": {"stringValue": body},
            "attributes": [{"key": "agent.namespace", "value": {"stringValue": namespace}}]}


def test_telemetry_shows_the_subtree_only(world):
    records = [log_record(n, f"of {n}") for n in (IN, f"{IN}/eu", f"{IN}-not", "prod", "staging")]
    sent = world.call("operator root", "POST", "/v1/logs",
                      {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}, **OTLP)
    assert sent.status == 200, sent.body

    def bodies(who):
        found = world.call(who, "GET", "/api/otlp/logs?limit=100").json
        return {record["body"]["stringValue"] for resource in found["resourceLogs"]
                for scope in resource["scopeLogs"] for record in scope["logRecords"]}

    assert bodies("viewer in") == {f"of {IN}", f"of {IN}/eu"}
    assert {"of staging", "of prod"} <= bodies("viewer root")


def test_bundle_statuses_show_the_subtree_only(world):
    def namespaces(who):
        return set(names(world.call(who, "GET", "/api/bundle/status"), "namespace"))

    posted = world.call("workload", "POST", "/api/bundle/status",
                        {"agent_id": "host-1", "namespace": IN, "workload": "checkout"})
    assert posted.status == 200, posted.body
    assert IN in namespaces("viewer in") and IN in namespaces("viewer above")
    assert namespaces("viewer out") == set()


def test_tokens_are_listed_within_the_scope_and_without_secrets(world):
    reply = world.call("admin in", "GET", "/api/tokens?limit=1000")
    assert all(item["namespace"].startswith(IN) for item in reply.json["items"])
    assert {"viewer-in", "viewer-below"} <= set(names(reply)) and "viewer-out" not in names(reply)
    assert b"egress_" not in reply.body and b"sha256" not in reply.body
