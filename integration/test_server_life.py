"""The server's life: where its settings come from, signals, logs, metrics, readiness, slow clients."""

import json
import re
import signal
import socket
import subprocess
import threading

import pytest

from conftest import BIN, Server, clean_environment, eventually

NAMESPACES = "/api/fleet/namespaces"


def run_server(*arguments, **environment):
    return subprocess.run([BIN / "egress-server", *map(str, arguments)], env=clean_environment() | environment,
                          capture_output=True, text=True, timeout=60)


@pytest.fixture
def start(tmp_path):
    """Starts servers that end with the test."""
    started = []

    def make(*arguments, name="server", **environment):
        server = Server(tmp_path / name, arguments=arguments, environment=environment)
        started.append(server)
        return server.start()

    yield make
    for server in started:
        server.stop()


# --- settings -------------------------------------------------------------------------------------------------------

def test_flag_over_environment_over_file(tmp_path):
    config = tmp_path / "egress.yaml"
    config.write_text(f"listen: 127.0.0.1:0\ndata: {tmp_path / 'from-file'}\nlog: info\nmax_wait_s: 1\n")
    process = subprocess.Popen([BIN / "egress-server", "--config", config, "--log", "debug"],
                               env=clean_environment() | {"EGRESS_SERVER_DATA": str(tmp_path / "from-environment"),
                                                          "EGRESS_SERVER_LOG": "off",
                                                          "EGRESS_SERVER_LOG_FORMAT": "json"},
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "listening on http://127.0.0.1:" in process.stdout.readline()
    assert (tmp_path / "from-environment" / "egress.db").exists()
    assert not (tmp_path / "from-file").exists()
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0
    assert [json.loads(line)["message"] for line in log.splitlines()][-1] == "stopping on Terminated"


@pytest.mark.parametrize("text,says", [
    ("data: {data}\nlissen: 127.0.0.1:0\n", "egress.yaml:2:1: lissen: unknown setting (expected listen)"),
    ("data: {data}\nio_threads: many\n", 'egress.yaml:2:13: io_threads: expected a whole number from 1 to 64, not "many"'),
    ("data: {data}\ndata: {data}\n", "egress.yaml:2:1"),
    ("data: [{data}]\n", "egress.yaml:1:7: data: not what can be set here"),
    ("data: [{data}\n", "not YAML"),
    ("data: '{data}\n", "egress.yaml:1:7: not YAML: a quote that nothing closes"),
])
def test_a_bad_file_is_refused_with_its_place(tmp_path, text, says):
    config = tmp_path / "egress.yaml"
    config.write_text(text.format(data=tmp_path / "data"))
    done = run_server("--config", config)
    assert done.returncode == 2
    assert says in done.stderr
    assert not (tmp_path / "data").exists()


def test_bad_settings_name_their_source(tmp_path):
    data = tmp_path / "data"
    for arguments, environment, says in [
            (["--data", data, "--worker-threads", "0"], {}, "--worker-threads: expected a whole number from 1 to 256"),
            (["--data", data], {"EGRESS_SERVER_LISTEN": "here"}, "EGRESS_SERVER_LISTEN: expected ADDRESS:PORT"),
            (["--config", tmp_path / "absent.yaml"], {}, "absent.yaml: cannot be opened"),
            (["--config", tmp_path], {}, "not a regular file"),
            ([], {}, "a data directory is needed")]:
        done = run_server(*arguments, **environment)
        assert done.returncode == 2
        assert says in done.stderr
    assert not data.exists()


def test_help_names_every_setting_and_its_variable():
    done = run_server("--help")
    assert done.returncode == 0
    for name in ("listen", "data", "tls-cert", "tls-key", "allowed-host", "log", "log-format", "max-connections",
                 "header-bytes", "max-wait-s", "io-threads", "worker-threads"):
        assert f"--{name} " in done.stdout
        assert f"[EGRESS_SERVER_{name.replace('-', '_').upper()}]" in done.stdout


def test_the_limits_that_are_set_hold(start):
    server = start("--max-connections", "6", "--header-bytes", "1024", "--max-wait-s", "1")
    long = server.call("GET", "/healthz", headers={"X-Long": "x" * 2000})
    assert (long.status, long.json["error"]) == (431, "header_too_large")
    etag = server.call("GET", "/api/bundle").headers["ETag"]
    held = server.call("GET", "/api/bundle", headers={"If-None-Match": etag, "Prefer": "wait=60"}, timeout_s=30)
    assert held.status == 304  # long before the minute that was asked for
    open_ones = []

    def hold_one_more():
        """Earlier connections may take a moment to be gone."""
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        try:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if connection.recv(65536).startswith(b"HTTP/1.1 200"):
                open_ones.append(connection)
        except ConnectionError:
            pass
        return len(open_ones) == 6

    eventually(hold_one_more, what="six open connections")
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as one_more:
        assert one_more.recv(1) == b""
    for connection in open_ones:
        connection.close()

    def refused():
        try:
            return metric(server, "egress_http_connections_refused_total")
        except OSError:  # there is no room for this one yet
            return 0

    eventually(refused, what="the count of refused connections")


# --- signals and logs -----------------------------------------------------------------------------------------------

def test_sighup_takes_the_log_level_and_nothing_else(start, tmp_path):
    config = tmp_path / "egress.yaml"
    config.write_text("log: info\n")
    server = start("--config", config)
    server.get("/healthz")
    assert "/healthz" not in server.log_text()
    config.write_text("log: debug\nio_threads: 7\n")
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: "the log level is debug" in server.log_text(), what="the new level")
    eventually(lambda: "io-threads has changed, which needs a restart" in server.log_text(), what="the warning")
    server.get("/healthz")
    eventually(lambda: "GET /healthz 200" in server.log_text(), what="the access line")
    config.write_text("log: shouting\n")
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: "the settings stay as they are" in server.log_text(), what="the complaint")
    server.get("/healthz")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_answers_held_polls_and_ends_well(start, how):
    server = start()
    etag = server.call("GET", "/api/bundle").headers["ETag"]
    answers = []

    def poll():
        headers = {"If-None-Match": etag, "Prefer": "wait=60"}
        answers.append(server.call("GET", "/api/bundle", headers=headers, timeout_s=90).status)

    threads = [threading.Thread(target=poll) for _ in range(10)]
    for thread in threads:
        thread.start()
    eventually(lambda: metric(server, "egress_http_polls_held") == 10, what="ten held polls")
    assert server.stop(how) == 0
    for thread in threads:
        thread.join(60)
    assert answers == [304] * 10


def test_the_json_log_is_one_object_a_line(start):
    server = start("--log", "debug", "--log-format", "json")
    server.call("GET", "/api/audit?q=secret", headers={"X-Request-Id": "my-id"})
    server.call("POST", "/api/mode", {"mode": "nonsense"})
    server.call("GET", '/api/%22quoted%22/"')
    server.stop()
    lines = [json.loads(line) for line in server.log_text().splitlines()]
    assert all({"time", "level", "logger"} <= line.keys() for line in lines)
    # Written once the answer is sent, so that those of different connections may change places.
    access = sorted((line for line in lines if line["logger"] == "access"), key=lambda line: line["status"])
    assert access[0] | {"time": "", "duration_ms": 0} == {
        "time": "", "level": "debug", "logger": "access", "method": "GET", "path": "/api/audit", "status": 200,
        "duration_ms": 0, "principal": "anonymous", "request_id": "my-id"}
    assert access[0]["duration_ms"] > 0
    assert [line["status"] for line in access] == [200, 400, 404]
    assert "secret" not in server.log_text()


def test_every_answer_has_a_request_id(server):
    assert server.call("GET", "/healthz", headers={"X-Request-Id": "trace-1"}).headers["X-Request-Id"] == "trace-1"
    made = {server.call("GET", "/healthz").headers["X-Request-Id"] for _ in range(5)}
    assert len(made) == 5
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in made)
    odd = server.call("GET", "/healthz", headers={"X-Request-Id": "two words"}).headers["X-Request-Id"]
    assert re.fullmatch("[0-9a-f]{16}", odd)


# --- metrics and readiness ------------------------------------------------------------------------------------------

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)?\}})? (-?[0-9.e+-]+|\+Inf|NaN)")


def parse_metrics(text):
    """The text exposition format, strictly: {family: (type, {sample with labels: value})}."""
    families, current = {}, None
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current = line.split(" ")[2]
            assert current not in families, f"{current} stands in two places"
            assert len(line.split(" ", 3)[3]) > 0
            families[current] = ["", {}]
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current and kind in ("counter", "gauge", "histogram")
            families[current][0] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match, f"not a sample: {line!r}"
            kind, samples = families[current]
            ends = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
            assert match[1] in [current + end for end in ends], f"{line} stands under {current}"
            key = line.rsplit(" ", 1)[0]
            assert key not in samples, f"{key} stands there twice"
            samples[key] = float(match[3])
            assert kind == "gauge" or samples[key] >= 0
    assert all(kind for kind, _ in families.values())
    return families


def metrics(server):
    reply = server.call("GET", "/metrics")
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return parse_metrics(reply.body.decode())


def metric(server, key):
    return metrics(server)[key.split("{", 1)[0]][1][key]


def test_metrics_say_what_happened(server):
    before = metrics(server)
    server.post(NAMESPACES, {"name": "prod", "allowed_domains": ["a.test"]})
    assert server.call("POST", NAMESPACES, {"name": "prod/x", "allowed_domains": ["b.test"]}).status == 409
    server.call("GET", "/no/such/path")
    server.call("GET", "/another")
    logs = {"resourceLogs": [{"resource": {}, "scopeLogs": [{"scope": {}, "logRecords": [
        {"timeUnixNano": "1", "attributes": [{"key": "egress.event_id", "value": {"stringValue": "a" * 32}}]}]}]}]}
    for _ in range(2):
        assert server.call("POST", "/v1/logs", logs, {"Content-Type": "application/json"}).status == 200
    assert server.call("POST", "/v1/logs", {"resourceLogs": 1}, {"Content-Type": "application/json"}).status == 400
    report = {"agent_id": "agent-1", "namespace": "prod", "offered": 2, "active": 2}
    server.post("/api/bundle/status", report)
    server.post("/api/bundle/status", report | {"agent_id": "agent-2", "error": "refused"})
    after = metrics(server)

    def grew(key):
        family = key.split("{", 1)[0]
        return after[family][1][key] - before.get(family, ["", {}])[1].get(key, 0)

    route = 'route="/api/fleet/namespaces"'
    assert grew(f'egress_http_requests_total{{method="POST",{route},status="2xx"}}') == 1
    assert grew(f'egress_http_requests_total{{method="POST",{route},status="4xx"}}') == 1
    assert grew('egress_http_requests_total{method="none",route="none",status="4xx"}') == 2
    assert after["egress_policy_revision"][1]["egress_policy_revision"] == 2
    assert grew('egress_store_writes_total{outcome="refused"}') == 1
    assert grew('egress_store_writes_total{outcome="failed"}') == 0
    assert grew('egress_store_writes_total{outcome="committed"}') >= 4
    assert grew('egress_telemetry_records_total{outcome="accepted"}') == 1
    assert grew('egress_telemetry_records_total{outcome="duplicate"}') == 1
    assert grew("egress_telemetry_malformed_batches_total") == 1
    assert after["egress_agents"][1] == {'egress_agents{state="newest_revision"}': 1,
                                         'egress_agents{state="older_revision"}': 0, 'egress_agents{state="failing"}': 1}
    assert after["egress_store_readable"][1]["egress_store_readable"] == 1
    assert after["egress_http_connections_open"][1]["egress_http_connections_open"] >= 1


def test_histograms_add_up(server):
    for _ in range(5):
        server.get("/healthz")
    kind, samples = metrics(server)["egress_http_request_duration_seconds"]
    assert kind == "histogram"
    buckets = [(key, value) for key, value in samples.items() if 'route="/healthz"' in key and "_bucket" in key]
    values = [value for _, value in buckets]
    assert values == sorted(values)
    assert 'le="+Inf"' in buckets[-1][0]
    count = samples['egress_http_request_duration_seconds_count{method="GET",route="/healthz"}']
    assert values[-1] == count >= 5


def test_the_number_of_series_does_not_follow_requests(server):
    server.get("/healthz")
    metrics(server)
    before = sum(len(samples) for _, samples in metrics(server).values())
    server.call("GET", "/first")
    known = sum(len(samples) for _, samples in metrics(server).values())
    for i in range(50):
        server.call("GET", f"/path-{i}?query={i}")
        server.call(f"METHOD{i}", f"/other-{i}")
    assert sum(len(samples) for _, samples in metrics(server).values()) == known > before


def test_readiness(server):
    assert server.get("/readyz") == {"status": "ready"}
    assert server.call("GET", "/readyz?x=1").status == 400
    assert server.call("GET", "/metrics?x=1").status == 400
    assert server.call("POST", "/readyz", {}).status == 405


# --- slow clients ---------------------------------------------------------------------------------------------------

def send_slowly(server, first, rest):
    """How the server ends it: a byte every so often, until it answers or closes, or nothing is left to send."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        try:
            connection.sendall(first)
            connection.settimeout(0.2)  # the pace
            for byte in rest:
                connection.sendall(bytes([byte]))
                try:
                    answer = connection.recv(65536)
                    return "answered" if answer else "cut"
                except TimeoutError:
                    pass
        except ConnectionError:
            return "cut"
    return "served to the end"


def test_slow_senders_are_cut_and_nobody_waits_for_them(server):
    """Slow-loris against the server's own limit of ten seconds a header; meanwhile it answers others."""
    outcomes = []
    header = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
    threads = [threading.Thread(target=lambda: outcomes.append(send_slowly(server, header, b"x" * 1000)))
               for _ in range(16)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert server.get("/healthz") == {"status": "ok"}
        threads[-1].join(0.05)
    assert outcomes == ["cut"] * 16
    eventually(lambda: metric(server, "egress_http_connections_open") == 1, what="the end of the slow connections")
