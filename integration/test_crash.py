"""The server is killed at random points under concurrent writes: every acknowledged write is there afterwards, nothing is
half there, and the file is whole. Backups while it runs; refusal to start on a damaged file."""

import contextlib
import hashlib
import http.client
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from datetime import datetime, timezone

import pytest

from conftest import BIN, Server, clean_environment

ROUNDS = int(os.environ.get("EGRESS_CRASH_ROUNDS", "200"))
LONGEST_ROUND_S = 0.15
STARTS_KILLED = 0.15  # how many of the starts are killed, too


@pytest.fixture(scope="module", autouse=True)
def built():
    """These tests need the server alone."""
    assert (BIN / "egress-server").exists(), "egress-server is missing: build it first (scripts/test does)"


class Writer(threading.Thread):
    """Writes until the server is gone. `known` is what was acknowledged, `unsure` what was asked for and not answered."""

    def __init__(self, name, port, seed, known):
        super().__init__(daemon=True)
        self.name, self.port, self.random, self.known = name, port, random.Random(seed), known
        self.unsure, self.acknowledged, self.refused = {}, 0, None

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        while True:
            method, path, body, outcome = self.next_write()
            data = None if body is None else body if isinstance(body, bytes) else json.dumps(body)
            content_type = "application/yaml" if isinstance(body, bytes) else "application/json"
            try:
                connection.request(method, path, data, {"Content-Type": content_type})
                reply = connection.getresponse()
                answer = reply.read()
            except (OSError, http.client.HTTPException):
                self.unsure = outcome
                connection.close()
                return
            if reply.status not in (200, 201):
                self.refused = f"{method} {path} {body!r}: {reply.status} {answer!r}"
                connection.close()
                return
            self.known.update(outcome)
            self.acknowledged += 1


class EgressWriter(Writer):
    def next_write(self):
        action = self.random.choice(["allow", "block"])
        domain = f"{self.random.randrange(6)}.{action}.{self.name}.example"
        if self.known.get(("egress", domain)) is not None and self.random.random() < 0.3:
            return "DELETE", f"/api/policy/egress/{action}?domain={domain}", None, {("egress", domain): None}
        reason = f"{self.random.getrandbits(64):x}"
        return "POST", f"/api/policy/egress/{action}", {"domain": domain, "reason": reason}, {("egress", domain): reason}


class NamespaceWriter(Writer):
    def next_write(self):
        path = f"{self.name}-{self.random.randrange(6)}"
        if self.known.get(("namespace", path)) is not None and self.random.random() < 0.3:
            return "DELETE", f"/api/fleet/namespaces?name={path}", None, {("namespace", path): None}
        text = f"{self.random.getrandbits(64):x}"
        domains = [f"{i}.{text}.example" for i in range(self.random.randrange(1, 20))]
        body = {"name": path, "description": text, "allowed_domains": domains}
        return "POST", "/api/fleet/namespaces", body, {("namespace", path): text}


class ManifestWriter(Writer):
    """Two documents a write: a namespace and a domain that say the same, or neither does."""

    def next_write(self):
        path, text = f"{self.name}-{self.random.randrange(6)}", f"{self.random.getrandbits(64):x}"
        stream = (f"apiVersion: egress/v1\nkind: Namespace\nmetadata: {{name: {path}}}\n"
                  f"spec: {{description: {text!r}, allowed_domains: [{text}.example]}}\n---\n"
                  f"apiVersion: egress/v1\nkind: EgressDomain\nmetadata: {{name: {path}.manifest.example}}\n"
                  f"spec: {{action: allow, reason: {text!r}}}\n")
        outcome = {("namespace", path): text, ("egress", f"{path}.manifest.example"): text}
        return "POST", "/api/manifests", stream.encode(), outcome


class TelemetryWriter(Writer):
    def next_write(self):
        events = [f"{self.random.getrandbits(128):032x}" for _ in range(self.random.randrange(1, 4))]
        records = [{"timeUnixNano": "1767225605000000000", "eventName": "egress.dial.denied",
                    "attributes": [{"key": "egress.event_id", "value": {"stringValue": event}},
                                   {"key": "clrk.dst.name", "value": {"stringValue": "evil.example"}}]}
                   for event in events]
        body = {"resourceLogs": [{"resource": {"attributes": []},
                                  "scopeLogs": [{"scope": {"name": "t"}, "logRecords": records}]}]}
        return "POST", "/v1/logs", body, {("event", event): "there" for event in events}


WRITERS = [EgressWriter, EgressWriter, NamespaceWriter, NamespaceWriter, ManifestWriter, TelemetryWriter, TelemetryWriter]


def stored_state(database):
    state = {("egress", domain): reason for domain, reason in database.execute("SELECT pattern, reason FROM egress_entries")}
    state.update({("namespace", path): text for path, text in
                  database.execute("SELECT path, description FROM namespaces WHERE path NOT IN ('/', 'default')")})
    state.update({("event", event): "there" for (event,) in database.execute("SELECT event_id FROM telemetry")})
    return state


def check_whole(database):
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert database.execute("PRAGMA foreign_key_check").fetchall() == []


def format_time(time_ms):
    moment = datetime.fromtimestamp(time_ms // 1000, timezone.utc)
    fraction = f".{time_ms % 1000:03}" if time_ms % 1000 else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def check_chain(database, after=0, previous="0" * 64):
    """Recomputes the audit past row `after`, whose hash is `previous`; returns the newest row's."""
    query = ("SELECT seq, time_ms, event, actor, namespace, subject, detail, prev_hash, hash FROM audit WHERE seq > ? "
             "ORDER BY seq")
    for seq, time_ms, event, actor, namespace, subject, detail, prev_hash, stored in database.execute(query, (after,)):
        head = json.dumps({"seq": seq, "time": format_time(time_ms), "event": event, "actor": actor,
                           "namespace": namespace, "subject": subject}, separators=(",", ":"), ensure_ascii=False)
        computed = hashlib.sha256((previous + head[:-1] + ',"detail":' + detail + "}").encode()).hexdigest()
        assert (seq, prev_hash, stored) == (after + 1, previous, computed)
        after, previous = seq, stored
    return after, previous


def check_agreement(database):
    """Revisions, audit and tables speak of the same writes."""
    [(count, newest)] = database.execute("SELECT count(*), max(number) FROM revisions")
    assert count == newest, "revisions have no gap"
    assert database.execute("SELECT path FROM namespaces WHERE revision NOT IN (SELECT number FROM revisions)").fetchall() == []
    last = {}
    query = ("SELECT event, subject, detail FROM audit WHERE event LIKE 'policy_%' OR event LIKE 'namespace_%' ORDER BY seq")
    for event, subject, detail in database.execute(query):
        kind = "namespace" if event.startswith("namespace_") else "egress"
        last[kind, subject] = None if event.endswith(("_removed", "_deleted")) else detail
    audited = {key for key, detail in last.items() if detail is not None} - {("namespace", "/"), ("namespace", "default")}
    in_tables = {key for key in stored_state(database) if key[0] != "event"}
    assert audited == in_tables, "each row's last audit entry says that it is there, and each other one's that it went"
    # What is indexed below each ancestor is what the lists say.
    assert database.execute(
        "SELECT namespace, position FROM allowed_below WHERE ancestor = '/' EXCEPT SELECT namespace, position FROM "
        "namespace_domains").fetchall() == []
    [(indexed, listed)] = database.execute(
        "SELECT (SELECT count(*) FROM allowed_below), (SELECT count(*) FROM namespace_domains WHERE namespace <> '/')")
    assert indexed == listed, "these namespaces have one ancestor each"


@contextlib.contextmanager
def copied_database(data, scratch):
    """The file and its log as the crash left them; the originals are the server's to recover."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    for name in ("egress.db", "egress.db-wal"):
        if (data / name).exists():
            shutil.copyfile(data / name, scratch / name)
    with contextlib.closing(sqlite3.connect(scratch / "egress.db")) as database:
        yield database


def kill_a_start(server, random_source):
    """A start that is killed somewhere between its first instruction and its first answer."""
    process = subprocess.Popen([BIN / "egress-server", "--listen", "127.0.0.1:0", "--data", server.data],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean_environment())
    time.sleep(random_source.uniform(0, 0.1))
    process.kill()
    process.wait(20)


def test_no_acknowledged_write_is_lost_in_any_crash(tmp_path):
    seed = int(os.environ.get("EGRESS_CRASH_SEED", random.SystemRandom().getrandbits(32)))
    print(f"seed {seed}, {ROUNDS} rounds")
    source = random.Random(seed)
    server = Server(tmp_path / "server")
    kill_a_start(server, source)  # the very first one: a directory that is half made
    expected, acknowledged, unsure, survived = [dict() for _ in WRITERS], 0, 0, 0
    chain = (0, "0" * 64)
    for number in range(ROUNDS):
        server.start()
        writers = [kind(f"w{i}", server.port, source.getrandbits(64), expected[i]) for i, kind in enumerate(WRITERS)]
        for writer in writers:
            writer.start()
        time.sleep(source.uniform(0, LONGEST_ROUND_S))
        server.stop(signal.SIGKILL)
        for writer in writers:
            writer.join(30)
            assert not writer.is_alive() and writer.refused is None, writer.refused
            acknowledged += writer.acknowledged
        with copied_database(server.data, tmp_path / "copy") as database:
            check_whole(database)
            chain = check_chain(database, *chain)
            check_agreement(database)
            stored = stored_state(database)
        for writer in writers:
            # The write that got no answer happened as a whole or not at all.
            happened = {key: stored.get(key) for key in writer.unsure} == writer.unsure
            if happened:
                writer.known.update(writer.unsure)
            unsure += bool(writer.unsure)
            survived += happened and bool(writer.unsure)
        wanted = {key: value for known in expected for key, value in known.items() if value is not None}
        assert stored == wanted, f"round {number}, seed {seed}"
        if source.random() < STARTS_KILLED:
            kill_a_start(server, source)
    print(f"{acknowledged} acknowledged writes, {unsure} without an answer of which {survived} happened")
    assert acknowledged > 5 * ROUNDS, "too few writes to mean anything"

    server.start()
    allowed = {entry["domain"] for entry in server.get("/api/policy/egress")["allowed"]}
    assert {key[1] for key in wanted if key[0] == "egress" and ".block." not in key[1]} == allowed
    assert server.stop() == 0
    log = (server.data / "server.log").read_text()
    assert "the last server did not stop by itself" in log and "the database is whole" in log
    with contextlib.closing(sqlite3.connect(server.data / "egress.db")) as database:
        check_whole(database)
        assert check_chain(database)[0] >= chain[0], "the whole chain, from its first row"


def run(*arguments):
    return subprocess.run([BIN / "egress-server", *map(str, arguments)], env=clean_environment(), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=60)


def test_a_clean_start_checks_nothing_and_one_after_a_kill_does(server):
    log = server.data / "server.log"
    server.stop()
    server.start()
    assert "did not stop by itself" not in log.read_text()
    server.stop(signal.SIGKILL)
    server.start()
    assert "the last server did not stop by itself: checking" in log.read_text()
    server.stop()
    assert not (server.data / "running").exists()


def test_a_damaged_database_is_not_served_and_a_backup_brings_it_back(server, tmp_path):
    for i in range(30):
        server.post("/api/policy/egress/allow", {"domain": f"{i}.example", "reason": "r" * 1000})
    backup = tmp_path / "backup.db"
    done = run("backup", "--data", server.data, "--to", backup)
    assert done.returncode == 0, done.stderr
    revision = int(done.stdout.split("revision ")[1].split()[0])
    assert f"to {backup} ({backup.stat().st_size} bytes)" in done.stdout
    with contextlib.closing(sqlite3.connect(backup)) as copy:
        check_whole(copy)
        check_chain(copy)
        assert copy.execute("SELECT count(*) FROM egress_entries").fetchall() == [(30,)]
    assert run("backup", "--data", server.data, "--to", backup).returncode == 1, "a backup replaces nothing"
    server.post("/api/policy/egress/allow", {"domain": "after.example"})

    assert "another egress-server uses" in run("restore", "--from", backup, "--data", server.data).stderr
    server.stop()
    (server.data / "running").touch()  # as if it had been killed
    with open(server.data / "egress.db", "r+b") as database:
        for page in range(12, 22):
            database.seek(4096 * page)
            database.write(b"\xa5" * 2048)
    refused = run("--listen", "127.0.0.1:0", "--data", server.data)
    assert refused.returncode == 1
    assert "corrupt" in refused.stderr or "malformed" in refused.stderr
    assert f"egress-server restore --from FILE --data {server.data}" in refused.stderr

    done = run("restore", "--from", backup, "--data", server.data)
    assert done.returncode == 0, done.stderr
    assert f"restored revision {revision}, which is revision" in done.stdout
    assert "egress.db.before-restore" in done.stdout
    server.start()
    assert len(server.get("/api/policy/egress")["allowed"]) == 30
    assert server.audit("database_restored")[0]["detail"]["backup_revision"] == revision
    bundle = server.get("/api/bundle?namespace=default")
    assert json.loads(bundle["manifest"])["revision"] >= revision + 1_000_000, "agents refuse an older one"


@pytest.mark.parametrize("arguments, why", [
    (["backup", "--data", "{data}"], "--to is required"),
    (["backup", "--data", "{data}", "--to", "{tmp}/no/such/place"], "cannot create"),
    (["backup", "--data", "{tmp}", "--to", "{tmp}/b"], "it has no egress.db"),
    (["restore", "--from", "{tmp}/missing", "--data", "{tmp}/new"], "there is no backup"),
    (["restore", "--from", "{tmp}", "--data", "{tmp}/new"], "cannot open the database"),
    (["restore", "--from", "{tmp}/x", "--data", "{tmp}/new", "--revision-at-least", "-1"], "--revision-at-least"),
])
def test_bad_use_of_backup_and_restore_is_named(server, tmp_path, arguments, why):
    done = run(*[argument.format(data=server.data, tmp=tmp_path) for argument in arguments])
    assert done.returncode in (1, 2)
    assert why in done.stderr, done.stderr
    assert not (tmp_path / "new" / "egress.db").exists()
