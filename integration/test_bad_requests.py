"""Every malformed request that bad_requests/ lists, at one real server: each gets its documented error, and after all of
them the server is the same process, with the same policy and no more open files."""

import itertools
import json
import os
import random
import re
import socket
import threading

import pytest

from bad_requests import access, bodies, changes, documents, framing, queries, targets
from bad_requests.judge import Documented, open_descriptors, wrong_with
from bad_requests.wire import answers_in, code_of, connect, exchange, request
from conftest import BIN, Server, eventually

TABLES = {"framing": framing.CASES, "targets": targets.CASES, "bodies": bodies.CASES, "queries": queries.CASES,
          "documents": documents.CASES, "changes": changes.CASES, "access": access.CASES}
STATE = ("/api/audit", "/api/policy/egress", "/api/fleet/namespaces", "/api/mode", "/api/manifests", "/api/otlp/logs",
         "/api/bundle/status", "/api/revisions", "/api/tokens", "/api/fleet/workloads")


@pytest.fixture(scope="module", autouse=True)
def built():
    """These tests need the server alone."""
    assert (BIN / "egress-server").exists(), f"{BIN / 'egress-server'} is missing: build it first (scripts/test does)"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("bad_requests")).start()
    try:
        running.post("/api/fleet/namespaces", {"name": "prod", "allowed_domains": ["a.example"]})
        running.post("/api/fleet/namespaces", {"name": "prod/payments", "allowed_domains": ["a.example"]})
        yield running
    finally:
        status = running.stop()
    assert status == 0


@pytest.fixture(autouse=True)
def unharmed(server):
    """Whatever a test sends: the same process, nothing changed, nothing left open."""
    before, descriptors = [server.get(path) for path in STATE], open_descriptors(server)
    yield
    assert server.process.poll() is None, f"the server died: {(server.data / 'server.log').read_text()[-2000:]}"
    assert server.get("/healthz") == {"status": "ok"}
    assert [server.get(path) for path in STATE] == before
    eventually(lambda: open_descriptors(server) <= descriptors, what="the return of open files to their number")


@pytest.fixture(scope="module")
def documented(server):
    return Documented(server.get("/api/openapi.json"))


def test_there_are_enough_of_them_and_no_two_are_the_same():
    cases = list(itertools.chain(*TABLES.values()))
    assert len({case.data for case in cases}) >= 1500
    names = [case.what for case in cases]
    assert len(set(names)) == len(names), [name for name in names if names.count(name) > 1]


@pytest.mark.parametrize("table", TABLES)
def test_each_gets_its_documented_error(server, documented, table):
    wrong = []
    for number, case in enumerate(TABLES[table]):
        if problem := wrong_with(case, exchange(server.port, case.data), documented):
            wrong.append(problem)
        if number % 50 == 0:
            assert server.get("/healthz") == {"status": "ok"}, case.what
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("what, data, statuses", framing.TORN, ids=[what for what, _, _ in framing.TORN])
def test_a_client_that_goes_away_is_answered_if_it_still_listens(server, what, data, statuses):
    assert tuple(answer.status for answer in exchange(server.port, data, half_close=True)) == statuses


def test_head_is_answered_without_a_body_also_when_it_is_refused(server):
    for target, status in (("/healthz", 200), ("/api/nope", 404), ("/healthz?x=y", 400), ("/api/audit?limit=0", 400)):
        (answer,) = exchange(server.port, request("HEAD", target))
        assert (answer.status, answer.body) == (status, b"")
        assert int(answer.headers["content-length"]) > 0


ODD = [
    ("a byte order mark before JSON", request("POST", "/api/fleet/namespaces?dry_run=true", b'\xef\xbb\xbf{"name":"prod"}'), 200),
    ("blanks around JSON", request("POST", "/api/fleet/namespaces?dry_run=true", b' \r\n\t{"name":"prod"}\n '), 200),
    ("JSON said to be a form", request("POST", "/api/fleet/namespaces?dry_run=true", b'{"name":"prod"}',
                                       [("Content-Type", "application/x-www-form-urlencoded")]), 200),
    ("32 levels of JSON", request("POST", "/v1/logs", b'{"x":' + b"[" * 31 + b"]" * 31 + b"}", [("Content-Type", "application/json")]), 200),
    ("a folded field", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\nConnection: close\r\n\r\n", 200),
    ("bytes beyond ASCII in a value", request("GET", "/healthz", headers=[("X", b"\xff")]), 200),
    ("chunks with extensions and a trailer", b"POST /api/fleet/namespaces?dry_run=true HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
     b'Transfer-Encoding: chunked\r\n\r\nf;x=y\r\n{"name":"prod"}\r\n0;z\r\nX: y\r\n\r\n', 200),
    ("Chunked in capitals", b"POST /api/fleet/namespaces?dry_run=true HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
     b'Transfer-Encoding: CHUNKED\r\n\r\nf\r\n{"name":"prod"}\r\n0\r\n\r\n', 200),
    ("a body that is identity", request("POST", "/api/fleet/namespaces?dry_run=true", b'{"name":"prod"}',
                                        [("Content-Encoding", "identity")]), 200),
    ("an unknown expectation", request("GET", "/healthz", headers=[("Expect", "the-unexpected")]), 200),
    ("HTTP/1.0", request("GET", "/healthz", version="HTTP/1.0"), 200),
    ("empty pairs in a query", request("GET", "/api/audit?&&limit=1&&"), 200),
    ("a plus for a space", request("GET", "/api/audit?q=a+b"), 200),
    ("a name in percent-encoding", request("GET", "/api/audit?%6cimit=1"), 200),
    ("an unknown preference", request("GET", "/api/bundle", headers=[("Prefer", "respond-async, x=y; wait=z")]), 200),
    ("a wait of a hundred years, with nothing to wait for", request("GET", "/api/bundle", headers=[("Prefer", "wait=3153600000")]), 200),
    ("a garbled tag", request("GET", "/api/bundle", headers=[("If-None-Match", 'W/"", "x, *x')]), 200),
    ("the port of another", request("GET", "/healthz", host="localhost:1"), 200),
    ("a host in capitals", request("GET", "/healthz", host="LOCALHOST"), 200),
    ("a loopback address of our own", request("GET", "/healthz", host="[::1]:8443"), 200),
    *[(f"an open server, {what}", request("GET", "/api/mode", headers=fields), 200) for what, fields in access.IGNORED],
    ("same-origin", request("POST", "/api/fleet/namespaces?dry_run=true", b'{"name":"prod"}', [("Origin", "http://localhost")]), 200),
]


@pytest.mark.parametrize("what, data, status", ODD, ids=[what for what, _, _ in ODD])
def test_what_is_odd_and_well_formed_is_served(server, what, data, status):
    """The other side of strictness: what the specifications allow, or leave to the server and it takes."""
    assert [answer.status for answer in exchange(server.port, data)] == [status]


def test_slow_clients_are_cut(server):
    """A byte now and then does not keep a connection: the header has a deadline as a whole."""
    drips = {
        "a header byte by byte": itertools.chain(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ", itertools.repeat(ord("y"))),
        "a request line byte by byte": itertools.chain(b"GET /", itertools.repeat(ord("a"))),
        "fields without end": itertools.chain(b"GET / HTTP/1.1\r\n", itertools.cycle(b"X: y\r\n")),
        "one byte and silence": iter(b"G"),
        "half a header and silence": iter(b"GET / HTTP/1.1\r\nHost: loc"),
    }
    ended = {}
    silent = [connect(server.port) for _ in range(300)]
    for connection in silent:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: loc")

    def drip(what, source):
        with connect(server.port, timeout_s=0.2) as connection:
            while True:
                byte = next(source, None)
                try:
                    if byte is not None:
                        connection.sendall(bytes([byte]))
                    if not connection.recv(65536):
                        break
                except (TimeoutError, socket.timeout):
                    continue
                except (BrokenPipeError, ConnectionResetError):
                    break
        ended[what] = True

    threads = [threading.Thread(target=drip, args=item) for item in drips.items()]
    for thread in threads:
        thread.start()
    assert server.get("/healthz") == {"status": "ok"}, "others are served meanwhile"
    for thread in threads:
        thread.join(60)
    assert set(ended) == set(drips)
    for connection in silent:
        with connection:
            assert connection.recv(1) == b"", "cut without an answer"


def test_an_answer_that_nobody_reads_harms_nobody(server):
    with connect(server.port) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(request("GET", "/api/openapi.json", close=False) * 200)
        assert server.get("/healthz") == {"status": "ok"}


def test_a_body_is_read_on_after_an_early_refusal_so_that_the_client_sees_it(server):
    with connect(server.port) as connection:
        connection.sendall(request("POST", "/api/mode", b"x" * 5_000_000))
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    (answer,) = answers_in(received)
    assert (answer.status, code_of(answer)) == (413, "body_too_large")


# --- mutations ------------------------------------------------------------------------------------------------------

SEEDS = [
    request("GET", "/healthz", close=False),
    request("GET", "/api/audit?limit=3&since=2026-01-01T00:00:00Z&q=x", close=False),
    request("GET", "/api/explain?host=a.example&port=443&namespace=prod&labels=a=b", close=False),
    request("GET", "/api/fleet/namespaces?name=prod", close=False),
    request("GET", "/api/bundle?namespace=prod&workload=w", headers=[("Prefer", "wait=0")], close=False),
    request("GET", "/api/otlp/logs?attr.agent.name=web&limit=2", close=False),
    request("DELETE", "/api/fleet/namespaces?name=prod%2fpayments&dry_run=true", close=False),
    request("POST", "/api/fleet/namespaces?dry_run=true",
            b'{"name":"prod/x","allowed_domains":["a.example",{"domain":"a.example","reason":"r"}],"mode":"shadow"}', close=False),
    request("POST", "/api/changesets?dry_run=true",
            b'{"changes":[{"op":"allow","domain":"a.example"},{"op":"namespace","name":"prod/x","allowed_domains":["a.example"]}]}',
            close=False),
    request("POST", "/api/revisions/1:rollback?dry_run=true&force=true", b'{"reason":"r"}', close=False),
    request("GET", "/api/revisions/2?limit=1&cursor=1", headers=[("Authorization", "Bearer x"), ("Cookie", "egress_session=x; a=b")],
            close=False),
    request("GET", "/api/fleet/workloads?namespace=prod&name=w&limit=2", close=False),
    request("POST", "/api/manifests?dry_run=true", documents.document("PolicyTest", "t", '{namespace: prod, deny: ["b.example:1/tcp"]}'),
            close=False),
]
NASTY = [b"\x00", b"\xff", b"%", b"%00", b"\r\n", b"\n", b"{", b"[" * 40, b'"', b"\\u", b"-", b"9" * 30, b":", b"/", b"..", b"*", b"&", b"=",
         b"\xed\xa0\x80", b" ", b"\t", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 7\r\n", b"Expect: 100-continue\r\n"]


def mutate(random_source, data):
    """One to four edits, none of which can make a dry run a real one."""
    data = bytearray(data)
    for _ in range(random_source.randint(1, 4)):
        at = random_source.randrange(len(data))
        edit = random_source.randrange(4)
        if edit == 0:
            data[at] = random_source.randrange(256)
        elif edit == 1:
            del data[at:at + random_source.randint(1, 8)]
        elif edit == 2:
            data[at:at] = random_source.choice(NASTY)
        else:
            end = min(len(data), at + random_source.randint(1, 32))
            data[at:at] = data[at:end]
        if not data:
            return b"\r\n"
    return bytes(data)


def is_harmless(data):
    """Mutated or not, a write must stay a dry run: the state is compared afterwards."""
    return data.startswith((b"GET ", b"HEAD ")) or b"dry_run=true" in data.split(b"\r\n", 1)[0]


def test_mutated_requests_are_answered_with_2xx_or_4xx(server):
    seed = int(os.environ.get("EGRESS_SEED", random.randrange(2**32)))
    count = int(os.environ.get("EGRESS_MUTATIONS", 20_000))
    print(f"EGRESS_SEED={seed}")
    source = random.Random(seed)
    answered = {}
    while sum(answered.values()) < count:
        # A batch shares a connection until the server ends it; what is left of a torn request ends with our half.
        batch = [data for data in (mutate(source, source.choice(SEEDS)) for _ in range(20)) if is_harmless(data)]
        answers = exchange(server.port, b"".join(batch), half_close=True)
        assert answers is not None, f"EGRESS_SEED={seed}: the connection stays open after {batch}"
        strange = [answer for answer in answers if not (200 <= answer.status < 300 or 400 <= answer.status < 500)]
        assert not strange, f"EGRESS_SEED={seed}: {strange} for {batch}"
        for answer in answers:
            answered[answer.status] = answered.get(answer.status, 0) + 1
    assert {200, 400, 404} <= answered.keys(), answered
