"""Tokens, sessions, failed authentication and what a server refuses before it knows who asks."""

import json
import re
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from access_world import IN, bearer, make_workload_token
from conftest import BIN, Server, clean_environment, eventually

WRONG = "egress_" + "f" * 64


@pytest.fixture
def closed(server):
    made = server.post("/api/tokens", {"name": "root-admin", "role": "admin"})
    server.token = made["token"]
    return server


def failures(server):
    return [(row["detail"]["reason"], row["detail"]["count"]) for row in server.audit("authentication_failed")]


def test_the_first_token_closes_an_open_server(server):
    assert "OPEN TO EVERYONE, without authentication" in (server.data / "server.log").read_text()
    refused = server.call("POST", "/api/tokens", {"name": "a", "role": "operator"})
    assert refused.status == 409 and refused.json["error"] == "first_token_must_be_admin"
    assert server.call("GET", "/api/mode").status == 200
    made = server.call("POST", "/api/tokens", {"name": "a", "role": "admin"})
    assert made.status == 201 and made.json["namespace"] == "/" and made.json["expires_at"] is None
    assert server.call("GET", "/api/mode").status == 401
    server.token = made.json["token"]
    assert server.get("/api/mode")
    last = server.call("DELETE", f"/api/tokens?id={made.json['id']}")
    assert last.status == 409 and last.json["error"] == "last_admin"
    server.stop()
    server.start()
    assert server.call("GET", "/api/mode", headers={}).status == 401, "it stays closed"
    assert server.get("/api/mode")


def test_a_revoked_and_an_expired_token_are_told_apart(closed):
    made = closed.post("/api/tokens", {"name": "ci", "role": "viewer"})
    assert closed.call("GET", "/api/mode", headers=bearer(made["token"])).status == 200
    assert closed.call("DELETE", f"/api/tokens?id={made['id']}").json == {"removed": made["id"]}
    refused = closed.call("GET", "/api/mode", headers=bearer(made["token"]))
    assert refused.status == 401 and refused.json["error"] == "token_revoked"
    short = closed.make_token("short", "viewer", expires_in="1s")
    eventually(lambda: closed.call("GET", "/api/mode", headers=bearer(short)).json.get("error") == "token_expired",
               what="the end of the token")
    states = {item["name"]: item["state"] for item in closed.get("/api/tokens")["items"]}
    assert states == {"root-admin": "live", "ci": "revoked", "short": "expired"}


@pytest.mark.parametrize("body, field", [
    ({"role": "viewer"}, "name"), ({"name": "", "role": "viewer"}, "name"), ({"name": "a b", "role": "viewer"}, "name"),
    ({"name": "server", "role": "viewer"}, "name"), ({"name": "a"}, "role"), ({"name": "a", "role": "root"}, "role"),
    ({"name": "a", "role": "viewer", "namespace": "Prod"}, "namespace"),
    ({"name": "a", "role": "viewer", "expires_in": "soon"}, "expires_in"),
    ({"name": "a", "role": "viewer", "expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
    ({"name": "a", "role": "viewer", "token": "mine"}, "token"),
])
def test_bad_token_requests_name_the_field(closed, body, field):
    refused = closed.call("POST", "/api/tokens", body)
    assert refused.status == 400 and refused.json["field"] == field, refused.body
    assert len(closed.get("/api/tokens")["items"]) == 1


def test_failed_attempts_are_limited_and_folded_in_the_audit(closed):
    replies = [closed.call("GET", "/api/mode", headers=bearer(WRONG)) for _ in range(15)]
    statuses = [reply.status for reply in replies]
    assert statuses[:10] == [401] * 10 and 429 in statuses[10:]
    limited = next(reply for reply in replies if reply.status == 429)
    assert limited.json["error"] == "rate_limited" and 1 <= int(limited.headers["Retry-After"]) <= 6
    assert closed.get("/api/mode"), "a valid token is never held back"
    assert failures(closed) == [("unauthenticated", 1)]
    closed.stop()
    closed.start()
    assert failures(closed) == [("unauthenticated", 14), ("unauthenticated", 1)]


def test_metrics_count_failed_authentication_by_reason(closed):
    revoked = closed.post("/api/tokens", {"name": "ci", "role": "viewer"})
    closed.call("DELETE", f"/api/tokens?id={revoked['id']}")
    asked = [{}, {}, bearer(revoked["token"]), {"Cookie": "egress_session=x"}, *[bearer(WRONG)] * 11]
    replies = [closed.call("GET", "/api/mode", headers=headers) for headers in asked]
    assert [reply.status for reply in replies] == [401] * 14 + [429]
    assert closed.call("POST", "/api/session", {"token": WRONG}, headers={}).status == 429
    text = closed.call("GET", "/metrics").body.decode()
    counted = dict(re.findall(r'^egress_authentication_failures_total\{reason="(\w+)"\} (\d+)$', text, re.MULTILINE))
    assert counted == {"missing": "2", "unknown": "10", "revoked": "1", "expired": "0", "session_over": "1", "rate_limited": "2",
                       "other": "0"}
    assert closed.call("GET", "/metrics", headers={}).status == 401


def test_a_login_makes_a_cookie_that_works_from_our_own_pages_only(closed):
    viewer = closed.make_token("viewer", "viewer", "prod")
    stranger = closed.call("GET", "/api/session", headers={}).json
    assert stranger == {"authenticated": False, "open": False, "name": None, "role": None, "namespace": None}
    login = closed.call("POST", "/api/session", {"token": viewer}, headers={})
    assert login.json == {"authenticated": True, "open": False, "name": "viewer", "role": "viewer", "namespace": "prod"}
    value, *attributes = login.headers["Set-Cookie"].split("; ")
    assert attributes == ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"]
    assert viewer not in value
    cookie = {"Cookie": f"other=1; {value}"}
    assert closed.call("GET", "/api/session", headers=cookie).json["name"] == "viewer"
    assert closed.call("GET", "/api/mode", headers=cookie).status == 200
    for evidence in ({}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://evil.example"}):
        assert closed.call("DELETE", "/api/session", headers={**cookie, **evidence}).status == 403
    assert closed.call("GET", "/api/mode", headers=cookie).status == 200
    ended = closed.call("DELETE", "/api/session", headers={**cookie, "Sec-Fetch-Site": "same-origin"})
    assert ended.status == 200 and "Max-Age=0" in ended.headers["Set-Cookie"]
    stale = [closed.call("GET", "/api/mode", headers=cookie) for _ in range(20)]
    assert {(reply.status, reply.json["error"]) for reply in stale} == {(401, "session_over")}, "never rate-limited"


def test_a_session_ends_with_its_token(closed):
    made = closed.post("/api/tokens", {"name": "operator", "role": "operator"})
    login = closed.call("POST", "/api/session", {"token": made["token"]}, headers={})
    cookie = {"Cookie": login.headers["Set-Cookie"].split(";")[0]}
    changed = closed.call("POST", "/api/policy/egress/block", {"domain": "a.example"},
                          headers={**cookie, "Origin": closed.url})
    assert changed.status == 201 and changed.json["created_by"] == "operator"
    assert closed.call("DELETE", f"/api/tokens?id={made['id']}").status == 200
    assert closed.call("GET", "/api/mode", headers=cookie).json["error"] == "token_revoked"


def test_failed_logins_count_as_failed_authentication(closed):
    for body in ({"token": WRONG}, {"token": "x"}):
        assert closed.call("POST", "/api/session", body, headers={}).status == 401
    assert failures(closed) == [("unauthenticated", 1)]
    for _ in range(8):
        closed.call("POST", "/api/session", {"token": WRONG}, headers={})
    assert closed.call("POST", "/api/session", {"token": WRONG}, headers={}).status == 429
    assert closed.call("POST", "/api/session", {"token": closed.token}, headers={}).status == 200


def test_a_strangers_body_is_never_read(closed):
    with socket.create_connection(("127.0.0.1", closed.port), timeout=10) as connection:
        # 16 MiB are announced and none is sent: only a server that does not wait for them answers.
        connection.sendall(b"POST /api/manifests HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16777216\r\n\r\n")
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 401 ") and b"Connection: close" in answer


def test_hosts_are_allowed_by_name(tmp_path):
    server = Server(tmp_path / "server", arguments=["--allowed-host", "egress.example"]).start()
    try:
        assert server.call("GET", "/healthz", headers={"Host": "egress.example:8443"}).status == 200
        assert server.call("GET", "/healthz", headers={"Host": "evil.example"}).status == 403
    finally:
        server.stop()
    bad = subprocess.run([BIN / "egress-server", "--data", tmp_path / "x", "--allowed-host", "a b"],
                         capture_output=True, text=True, timeout=30, env=clean_environment())
    assert bad.returncode == 2 and "--allowed-host" in bad.stderr and not (tmp_path / "x").exists()


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"])
def test_nothing_but_loopback_without_tls(tmp_path, listen):
    refused = subprocess.run([BIN / "egress-server", "--listen", listen, "--data", tmp_path / "x"],
                             capture_output=True, text=True, timeout=30, env=clean_environment())
    assert refused.returncode == 2 and "TLS" in refused.stderr
    assert not (tmp_path / "x").exists(), "a refusal leaves nothing behind"


def test_tokens_are_made_listed_and_revoked_offline(tmp_path):
    server = Server(tmp_path / "server")
    made = server.offline("token", "create", "--role", "admin")
    assert made.returncode == 0, made.stderr
    admin = made.stdout.strip()
    assert made.stdout == admin + "\n" and admin.startswith("egress_") and admin not in made.stderr
    scoped = server.offline("token", "create", "--role", "viewer", "--namespace", IN, "--name", "v",
                            "--expires-in", "90d")
    assert scoped.returncode == 0, scoped.stderr
    listed = server.offline("token", "list").stdout
    assert admin not in listed and "viewer" in listed and IN in listed
    identity = next(line.split()[0] for line in listed.splitlines() if " v " in line)
    assert server.offline("token", "revoke", "--id", identity).returncode == 0
    assert server.offline("token", "revoke", "--id", identity).returncode == 2
    server.start()
    try:
        server.token = admin
        assert [row["actor"] for row in server.audit("token_created")] == ["console", "console"]
        assert [row["subject"] for row in server.audit("token_revoked")] == [identity]
        busy = server.offline("token", "create", "--role", "admin")
        assert busy.returncode == 1 and "/api/tokens" in busy.stderr and busy.stdout == ""
    finally:
        server.stop()


@pytest.mark.parametrize("arguments", [
    ["create"], ["create", "--role", "root"], ["create", "--role", "viewer", "--namespace", "/x"],
    ["create", "--role", "viewer", "--name", "a b"], ["create", "--role", "viewer", "--expires-in", "soon"],
    ["revoke"], ["revoke", "--id", "nope"], ["frobnicate"], [],
])
def test_bad_token_commands_are_refused(tmp_path, arguments):
    server = Server(tmp_path / "server")
    assert server.offline("token", "create", "--role", "admin").returncode == 0
    refused = server.offline("token", *arguments)
    assert refused.returncode == 2 and refused.stderr, refused
    assert refused.stdout == ""


def test_no_secret_is_written_anywhere(tmp_path):
    server = Server(tmp_path / "server", arguments=["--log", "debug"])
    secrets = [server.offline("token", "create", "--role", "admin", "--name", "root-admin").stdout.strip()]
    server.start()
    server.token = secrets[0]
    secrets.append(server.make_token("ci", "operator", "prod"))
    login = server.call("POST", "/api/session", {"token": secrets[1]}, headers={})
    secrets.append(login.headers["Set-Cookie"].split(";")[0].split("=")[1])
    secrets.append(WRONG)
    server.call("GET", "/api/mode", headers=bearer(WRONG))
    server.call("POST", "/api/session", {"token": WRONG}, headers={})
    server.call("GET", "/api/mode", headers=bearer(secrets[1]))
    server.call("GET", "/api/audit", headers={"Cookie": f"egress_session={secrets[2]}"})
    audit = json.dumps(server.get("/api/audit?limit=1000"))
    server.stop()
    files = [path for path in server.data.iterdir() if path.is_file()]
    assert {"egress.db", "server.log"} <= {path.name for path in files}
    for secret in secrets:
        digits = secret.split("_")[-1]
        assert digits not in audit
        for path in files:
            assert digits.encode() not in path.read_bytes(), path.name


def test_a_held_poll_ends_with_its_token(tmp_path):
    server = Server(tmp_path / "server").start()
    server.post("/api/fleet/namespaces", {"name": "prod"})
    identity, token = make_workload_token(server, "prod", "checkout")
    try:
        path = "/api/bundle?namespace=prod&workload=checkout"
        assert server.call("GET", path).status == 401
        first = server.call("GET", path, headers=bearer(token))
        assert first.status == 200, first.body
        held = {**bearer(token), "If-None-Match": first.headers["ETag"], "Prefer": "wait=60"}
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(server.call, "GET", path, None, held)
            assert server.call("DELETE", f"/api/tokens?id={identity}").status == 200
            ended = waiting.result(timeout=20)
        assert ended.status == 401 and ended.json["error"] == "token_revoked"
    finally:
        server.stop()


def run_cli(server, *arguments, **environment):
    return subprocess.run([BIN / "egress", *arguments, "--server", server.url], capture_output=True, text=True,
                          timeout=30, env={**clean_environment(), **environment})


def test_the_command_line_sends_a_persons_token(closed, tmp_path):
    without = run_cli(closed, "export")
    assert without.returncode == 1 and "EGRESS_ADMIN_TOKEN" in without.stderr
    assert run_cli(closed, "export", EGRESS_TOKEN=closed.token).returncode == 1, "that one is a workload's"
    assert run_cli(closed, "export", EGRESS_ADMIN_TOKEN=closed.token).returncode == 0
    viewer = tmp_path / "viewer.token"
    viewer.write_text(closed.make_token("viewer", "viewer", "prod") + "\n")
    seen = run_cli(closed, "explain", "-n", "prod", "a.example:443", "--token-file", viewer)
    assert seen.returncode == 1 and "403" not in seen.stderr, "denied by policy, not refused"
    outside = run_cli(closed, "explain", "-n", "staging", "a.example:443", "--token-file", viewer)
    assert outside.returncode == 4 and "out_of_scope" in outside.stderr and "ask an admin" in outside.stderr
    manifest = tmp_path / "p.yaml"
    manifest.write_text("apiVersion: egress/v1\nkind: Namespace\nmetadata: {name: prod}\nspec: {}\n")
    refused = run_cli(closed, "apply", "-f", manifest, "--token-file", viewer)
    assert refused.returncode == 1 and "role_required" in refused.stderr, refused.stderr
