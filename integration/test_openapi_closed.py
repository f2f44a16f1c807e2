"""The API's description against a server that is closed: what makes tokens, and what is answered for the want of one."""

import itertools

import pytest

from access_world import bearer
from conftest import BIN, Server
from openapi_shape import Shape, body_operations, check_answer, check_body

WRONG = "egress_" + "0" * 64
NUMBERS = itertools.count()


@pytest.fixture(scope="module", autouse=True)
def built():
    """These tests need the server alone."""
    assert (BIN / "egress-server").exists(), f"{BIN / 'egress-server'} is missing: build it first (scripts/test does)"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("openapi_closed")).start()
    try:
        running.token = running.make_token("root-admin", "admin")
        running.viewer = running.make_token("viewer", "viewer", "prod", expires_in="1h")
        revoked = running.post("/api/tokens", {"name": "revoked", "role": "viewer"})
        running.revoked = revoked["token"]
        assert running.call("DELETE", f"/api/tokens?id={revoked['id']}").status == 200
        running.post("/api/fleet/namespaces", {"name": "prod"})
        made = running.post("/api/fleet/workloads", {"name": "w", "namespace": "prod", "labels": {"app": "pay"}, "target": "pod/w"})
        running.workload = made["token"]
        running.post("/api/fleet/workloads", {"name": "silent", "namespace": "prod"})
        report = {"agent_id": "a", "active": 2, "offered": 3, "error": "e", "processes": 4}
        assert running.call("POST", "/api/bundle/status", report, bearer(running.workload)).status == 200
        yield running
    finally:
        status = running.stop()
    assert status == 0


@pytest.fixture(scope="module")
def shape(server):
    return Shape(server.get("/api/openapi.json"))


GOOD_BODIES = {
    "createToken": lambda server: {"name": f"spare{next(NUMBERS)}", "role": "viewer"},
    "putWorkload": lambda server: {"name": "new", "namespace": "prod"},
    "beginSession": lambda server: {"token": server.token},
}


def test_bodies_that_make_tokens_or_take_them_are_taken_as_described(server, shape):
    asked = set()
    for method, path, operation, schema in body_operations(shape.description):
        name = operation["operationId"]
        if name in GOOD_BODIES:
            asked.add(name)
            check_body(server, shape, method, path, operation, schema, lambda: GOOD_BODIES[name](server))
    assert asked == GOOD_BODIES.keys()


def test_lists_show_what_is_described(server, shape):
    for target in ("/api/tokens", "/api/tokens?limit=1", "/api/fleet/workloads", "/api/fleet/workloads?limit=1",
                   "/api/fleet/workloads?namespace=prod&name=w", "/api/session", "/api/revisions"):
        reply = server.call("GET", target)
        check_answer(shape, "GET", target, reply)
        assert target == "/api/session" or reply.json["items"], f"{target}: an empty list shows nothing"
    states = {item["state"] for item in server.get("/api/tokens")["items"]}
    assert {"live", "revoked"} <= states
    (workload,) = server.get("/api/fleet/workloads?namespace=prod&name=w")["items"]
    assert workload["agents"] == 1 and workload["error"] == "e"


def test_refusals_for_who_asks_are_described(server, shape):
    """Every call, by everybody whom it might refuse: whatever is answered, the call's description has it. What is sent
    is nothing that a call would do, once it admits."""
    asked, codes = 0, set()
    tokens = {"nobody": None, "viewer": server.viewer, "revoked": server.revoked, "workload": server.workload}
    login = server.call("POST", "/api/session", {"token": server.viewer}, headers={})
    cookie = login.headers["Set-Cookie"].split(";")[0]
    credentials = [*map(bearer, tokens.values()), {"Cookie": "egress_session=" + "0" * 64}, {"Cookie": cookie}]
    for pattern, methods in shape.description["paths"].items():
        for method, operation in methods.items():
            target = pattern.replace("{sha256}", "x").replace("{number}", "x")
            body = None if method != "post" else {"nonsense": 1}
            for headers in credentials:
                reply = server.call(method.upper(), target, body, {**headers, "Content-Type": "application/json"})
                check_answer(shape, method.upper(), target, reply)
                asked += 1
                if reply.status in (401, 403) and "error" in reply.json:
                    codes.add(reply.json["error"])
    assert asked > 200
    assert codes == {"unauthenticated", "token_revoked", "session_over", "role_required", "workload_token_required", "cross_site"}


def test_guesses_held_back_are_described(server, shape):
    replies = [server.call("GET", "/api/mode", headers=bearer(WRONG)) for _ in range(12)]
    replies += [server.call("POST", "/api/session", {"token": WRONG}, headers={})]
    for reply, (method, target) in zip(replies, [("GET", "/api/mode")] * 12 + [("POST", "/api/session")]):
        check_answer(shape, method, target, reply)
    assert replies[-1].status == 429
