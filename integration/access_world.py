"""A closed server with a small tree of namespaces, and everybody who may ask it something."""

import hashlib
import secrets
import sqlite3
from pathlib import Path

from conftest import Server

ROOT = Path(__file__).resolve().parent.parent
IN, OUT = "prod/payments", "staging"  # what requests are about, and a scope that does not hold it
NAMESPACES = ("prod", "prod/payments", "prod/payments/eu", "prod/other", "staging")
ROLES = ("viewer", "operator", "admin")
SCOPES = {"root": "/", "in": IN, "above": "prod", "below": "prod/payments/eu", "out": OUT}


def route_table():
    """{"GET /healthz": "anyone", ...}, which a unit test holds equal to the router's own table."""
    lines = (ROOT / "tests/server/api/golden/routes.txt").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines)


def bearer(token):
    return {"Authorization": f"Bearer {token}"} if token else {}


def put_workload_token(data, namespace, workload):
    """Into the store of a server that does not run, as issuing one would leave it: its id and its text."""
    identity, token = secrets.token_hex(8), "egressw_" + secrets.token_hex(32)
    with sqlite3.connect(Path(data) / "egress.db") as database:
        database.execute("INSERT INTO tokens VALUES (?, 1, ?, 0, ?, ?, NULL, 'test', 1, NULL)",
                         (identity, workload, namespace, hashlib.sha256(token.encode()).hexdigest()))
    database.close()
    return identity, token


def make_workload_token(server, namespace, workload):
    """By registration, where the server has that call."""
    if "POST /api/fleet/workloads" in route_table():
        made = server.post("/api/fleet/workloads", {"name": workload, "namespace": namespace})
        return made["token_id"], made["token"]
    server.stop()
    made = put_workload_token(server.data, namespace, workload)
    server.start()
    return made


class Actor:
    """A server as the bearer of a token meets it; what is written for a Server takes it for one."""

    def __init__(self, server, token):
        self.server, self.token = server, token

    def call(self, method, path, body=None, headers=None):
        return self.server.call(method, path, body, {**bearer(self.token), **(headers or {})})

    get, post, audit = Server.get, Server.post, Server.audit


class World:
    def __init__(self, directory):
        self.server = Server(Path(directory) / "server").start()
        for name in NAMESPACES:
            self.server.post("/api/fleet/namespaces", {"name": name})
        self.tokens = {"nobody": None, "wrong": "egress_" + "0" * 64}
        self.server.stop()
        made = self.server.offline("token", "create", "--role", "admin", "--name", "root-admin")
        assert made.returncode == 0, made.stderr
        self.server.token = made.stdout.strip()
        self.server.start()
        self.tokens["workload"] = make_workload_token(self.server, IN, "checkout")[1]
        for role in ROLES:
            for place, scope in SCOPES.items():
                self.tokens[f"{role} {place}"] = self.server.make_token(f"{role}-{place}", role, scope)
        self.tokens["admin root"] = self.server.token

    def call(self, who, method, path, body=None, **headers):
        return self.server.call(method, path, body, {**bearer(self.tokens[who]), **headers})

    def close(self):
        self.server.stop()
