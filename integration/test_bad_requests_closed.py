"""Whom a closed server does not know: refused before anything of a body is read, as the API's description says, and
nothing changes but the audit."""

import itertools
import json

import pytest

from access_world import bearer
from bad_requests import access
from bad_requests.judge import Documented, open_descriptors, wrong_with
from bad_requests.wire import Case, answers_in, code_of, connect, exchange, request
from conftest import BIN, Server, eventually

STATE = ("/api/policy/egress", "/api/fleet/namespaces", "/api/mode", "/api/manifests", "/api/otlp/logs", "/api/bundle/status",
         "/api/revisions", "/api/tokens", "/api/fleet/workloads")
PEERS = itertools.count(2)


def new_peer():
    """An address that has all its attempts left."""
    number = next(PEERS)
    return f"127.0.{number // 250 + 1}.{number % 250 + 1}"


@pytest.fixture(scope="module", autouse=True)
def built():
    """These tests need the server alone."""
    assert (BIN / "egress-server").exists(), f"{BIN / 'egress-server'} is missing: build it first (scripts/test does)"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("bad_requests_closed")).start()
    try:
        running.token = running.make_token("root-admin", "admin")
        running.viewer = running.make_token("viewer", "viewer", "prod")
        running.post("/api/fleet/namespaces", {"name": "prod", "allowed_domains": ["a.example"]})
        running.workload = running.post("/api/fleet/workloads", {"name": "w", "namespace": "prod"})["token"]
        login = running.call("POST", "/api/session", {"token": running.token}, headers={})
        running.session = login.headers["Set-Cookie"].split(";")[0].split("=")[1]
        yield running
    finally:
        status = running.stop()
    assert status == 0


@pytest.fixture(autouse=True)
def unharmed(server):
    before, descriptors = [server.get(path) for path in STATE], open_descriptors(server)
    yield
    assert server.process.poll() is None, f"the server died: {(server.data / 'server.log').read_text()[-2000:]}"
    assert [server.get(path) for path in STATE] == before
    eventually(lambda: open_descriptors(server) <= descriptors, what="the return of open files to their number")


@pytest.fixture(scope="module")
def description(server):
    return server.get("/api/openapi.json")


def writes_of(description):
    """(path, body limit) of every call that needs somebody known and takes a body."""
    found = [(path.replace("{number}", "1"), operation["x-egress-body-limit-bytes"])
             for path, methods in description["paths"].items() for method, operation in methods.items()
             if method == "post" and operation["x-egress-role"] != "anyone"]
    assert len(found) > 10
    return found


@pytest.mark.parametrize("method, target", [("GET", "/api/mode"), ("POST", "/api/changesets"), ("DELETE", "/api/tokens?id=x"),
                                            ("GET", "/api/bundle"), ("GET", "/metrics")])
def test_strangers_are_refused_whatever_they_bring(server, description, method, target):
    documented, wrong = Documented(description), []
    body = b"{}" if method == "POST" else None
    for what, fields, code in access.strangers(server.token, server.session):
        data = request(method, target, body, headers=fields)
        problem = wrong_with(Case(what, data, (401,), code), exchange(server.port, data, source=new_peer()), documented)
        if problem:
            wrong.append(problem)
    assert not wrong, "\n".join(wrong)


def test_credentials_given_twice_are_refused_even_if_they_are_good(server):
    for fields in ([("Authorization", f"Bearer {server.token}")] * 2, [("Cookie", f"egress_session={server.session}")] * 2):
        (answer,) = exchange(server.port, request("GET", "/api/mode", headers=fields))
        assert (answer.status, code_of(answer)) == (400, "invalid_credentials")


def test_a_cookie_changes_nothing_without_evidence_of_our_own_pages(server, description):
    cookie = ("Cookie", f"egress_session={server.session}")
    for path, _ in writes_of(description):
        (answer,) = exchange(server.port, request("POST", path, b"{}", headers=[cookie, ("Content-Type", "application/json")]))
        expected = (403, "cross_site") if not path.startswith("/v1/") else (403, 7)
        assert (answer.status, code_of(answer)) == expected, path


def head_of(path, fields):
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *[f"{n}: {v}" for n, v in fields]]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def answer_to(server, data):
    """To a header whose body never comes."""
    received = b""
    with connect(server.port, source=new_peer()) as connection:
        connection.sendall(data)
        while b"\r\n\r\n" not in received:
            chunk = connection.recv(65536)
            assert chunk, "closed without an answer"
            received += chunk
        assert not received.startswith(b"HTTP/1.1 100 "), "the body is asked for"
        while len(answers_or_none(received)) == 0:
            received += connection.recv(65536)
    (answer,) = answers_or_none(received)
    return answer


def answers_or_none(received):
    try:
        return answers_in(received)
    except AssertionError:  # torn, so far
        return []


@pytest.mark.parametrize("announcement", ["Content-Length: {limit}", "Content-Length: 9000000000", "Transfer-Encoding: chunked",
                                          "Content-Length: {limit}\r\nExpect: 100-continue"])
def test_no_body_is_read_for_whom_a_call_does_not_serve(server, description, announcement):
    """The header announces a body that never comes: only a server that does not wait for it answers."""
    for path, limit in writes_of(description):
        announced = [tuple(line.split(": ")) for line in announcement.format(limit=limit).split("\r\n")]
        refused = [(None, 401), ("egress_" + "0" * 64, 401), (server.viewer, 403)]
        if not path.startswith(("/v1/", "/api/bundle")):
            refused.append((server.workload, 403))
        for token, status in refused:
            fields = [*bearer(token).items(), *announced]
            answer = answer_to(server, head_of(path, fields))
            assert answer.status == status, f"{path} {announcement}: {answer}"
            assert answer.headers["connection"] == "close" and json.loads(answer.body)["message"]
