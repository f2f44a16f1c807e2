"""Fixtures: the real server, real upstreams and real programs under the real library. Loopback only."""

import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

import pytest

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(os.environ.get("EGRESS_BIN_DIR", ROOT / "build/release/bin"))
LIB = Path(os.environ.get("EGRESS_LIB_DIR", ROOT / "build/release/lib"))
LIBRARY = LIB / "libegress.so"

# No proxy of the machine that runs the tests may stand between a client and its upstream.
PROXY_VARIABLES = {name for base in ("http", "https", "all", "no") for name in (f"{base}_proxy", f"{base}_PROXY".upper())}


# The sanitizer's runtime refuses to start behind another preloaded library, so `egress` cannot run inside `egress exec`.
SANITIZED = (BIN / "egress").exists() and b"__asan_init" in (BIN / "egress").read_bytes()
runs_under_preload = pytest.mark.skipif(
    SANITIZED, reason="the sanitizer's runtime does not start behind a preloaded library")


def clean_environment():
    return {k: v for k, v in os.environ.items() if not k.startswith("EGRESS_") and k not in PROXY_VARIABLES}


def eventually(condition, timeout_s=10.0, what="condition"):
    """Asks until the answer is true, bounded; the last answer is returned."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not hold within {timeout_s} s; last answer: {answer!r}")
        time.sleep(0.01)


def wait_for_end(pid, timeout_s=10.0):
    """Waits for a process that need not be our child."""

    def ended():
        try:
            with open(f"/proc/{pid}/stat") as stat:
                return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
        except FileNotFoundError:
            return True

    eventually(ended, timeout_s, f"end of process {pid}")


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


class Server:
    def __init__(self, data, prefix=(), listen="127.0.0.1:0", arguments=(), tls=None, environment=None):
        """`tls`: (certificate, key, authority's certificate); then the server speaks https."""
        self.data, self.prefix, self.listen = Path(data), list(prefix), listen
        self.arguments, self.environment, self.process, self.context = list(arguments), environment or {}, None, None
        self.token = None  # sent with every request that brings no headers of its own
        if tls:
            certificate, key, authority = tls
            self.arguments += ["--tls-cert", certificate, "--tls-key", key]
            self.context = ssl.create_default_context(cafile=authority)

    def start(self):
        self.data.mkdir(parents=True, exist_ok=True)
        self.log = open(self.data / "server.log", "ab")
        self.process = subprocess.Popen(
            [*self.prefix, BIN / "egress-server", "--listen", self.listen, "--data", self.data, *self.arguments],
            stdout=subprocess.PIPE, stderr=self.log, env=clean_environment() | self.environment, text=True)
        line = self.process.stdout.readline()
        scheme = "https" if self.context else "http"
        assert f"listening on {scheme}://" in line, f"server said {line!r}: {(self.data / 'server.log').read_text()}"
        self.url = line.split("listening on ", 1)[1].strip()
        self.port = int(self.url.rsplit(":", 1)[1])
        self.listen = f"127.0.0.1:{self.port}"  # a restart keeps the port
        return self

    def offline(self, *arguments):
        """egress-server's own commands on the data directory."""
        return subprocess.run([BIN / "egress-server", *arguments, "--data", self.data], capture_output=True, text=True,
                              timeout=30, env=clean_environment())

    def make_token(self, name, role, namespace="/", **fields):
        return self.post("/api/tokens", {"name": name, "role": role, "namespace": namespace, **fields})["token"]

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            status = self.process.wait(timeout=20)
            self.process.stdout.close()
            self.log.close()
            return status
        return None

    def call(self, method, path, body=None, headers=None, timeout_s=20):
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        if headers is None:
            headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                             urllib.request.HTTPSHandler(context=self.context))
        try:
            with opener.open(request, timeout=timeout_s) as reply:
                return Reply(reply.status, reply.headers, reply.read())
        except urllib.error.HTTPError as reply:
            return Reply(reply.code, reply.headers, reply.read())

    def log_text(self):
        return (self.data / "server.log").read_text()

    def get(self, path):
        reply = self.call("GET", path)
        assert reply.status == 200, reply.body
        return reply.json

    def post(self, path, body):
        reply = self.call("POST", path, body)
        assert reply.status in (200, 201), reply.body
        return reply.json

    def audit(self, event, **filters):
        query = "&".join([f"event={event}", *(f"{k}={v}" for k, v in filters.items())])
        return self.get(f"/api/audit?{query}")["items"]


def explain(server, destination, namespace="default", **more):
    """`destination` is host:port/protocol, [address]:port/protocol or host/icmp."""
    match = re.fullmatch(r"\[?(?P<host>[^\]/]+?)\]?(:(?P<port>\d+))?/(?P<protocol>\w+)", destination)
    query = {k: v for k, v in match.groupdict().items() if v is not None} | {"namespace": namespace} | more
    return server.get("/api/explain?" + urlencode(query))


class TcpUpstream:
    """An HTTP server that remembers every byte it received."""

    def __init__(self, address="127.0.0.1", port=0):
        self.received, self.connections = b"", 0
        self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((address, port))
        self.socket.listen(64)
        self.address, self.port = self.socket.getsockname()[:2]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                connection.settimeout(5)
                try:
                    self.received += connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n")
                except OSError:
                    pass

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(5)


class UdpUpstream:
    def __init__(self, address="127.0.0.1"):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.socket.settimeout(0.2)
        self.address, self.port = self.socket.getsockname()

    def receive(self):
        """Everything that arrived by now. Loopback delivers before sendto returns."""
        datagrams = []
        while True:
            try:
                datagrams.append(self.socket.recv(65536))
            except (TimeoutError, socket.timeout):
                return datagrams

    def close(self):
        self.socket.close()


class Host:
    """A machine as the agent sees it: one runtime and one state directory; programs run under the library on it."""

    def __init__(self, directory, server_url, prefix=()):
        self.runtime, self.state = Path(directory) / "run", Path(directory) / "state"
        self.server_url, self.prefix = server_url, list(prefix)
        self.resolve = {}

    def environment(self, namespace="test", preload=True, **extra):
        env = clean_environment()
        env.update(EGRESS_SERVER=self.server_url, EGRESS_NAMESPACE=namespace, EGRESS_RUNTIME_DIR=str(self.runtime),
                   EGRESS_STATE_DIR=str(self.state))
        if self.resolve:
            env["EGRESS_RESOLVE"] = ";".join(f"{name}={','.join(to)}" for name, to in self.resolve.items())
        if preload:
            env["LD_PRELOAD"] = str(LIBRARY)
        env.update({k: v for k, v in extra.items() if v is not None})
        return env

    def run(self, *command, namespace="test", timeout_s=60, **extra):
        return subprocess.run([*self.prefix, *map(str, command)], env=self.environment(namespace, **extra),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=timeout_s)

    def start(self, *command, namespace="test", **extra):
        return subprocess.Popen([*self.prefix, *map(str, command)], env=self.environment(namespace, **extra),
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def status(self):
        """What `egress status --json` says, or None without an agent."""
        done = subprocess.run([*self.prefix, BIN / "egress", "status", "--json"],
                              env=self.environment(preload=False), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=30)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def agent_pid(self):
        status = self.status()
        return status["agent"]["pid"] if status else None

    def stop_agent(self, how=signal.SIGTERM):
        pid = self.agent_pid()
        if pid:
            os.kill(pid, how)
            wait_for_end(pid)


@pytest.fixture(scope="session", autouse=True)
def built():
    for path in (BIN / "egress", BIN / "egress-server", LIBRARY):
        assert path.exists(), f"{path} is missing: build it first (scripts/test does)"


@pytest.fixture
def server(tmp_path):
    running = Server(tmp_path / "server").start()
    yield running
    running.stop()


@pytest.fixture
def host(tmp_path, server):
    """A host of the server, with namespace `test`: loopback judged like any address, nothing allowed by name yet."""
    server.post("/api/fleet/namespaces", {"name": "test", "loopback": "enforce", "allowed_domains": ["allowed.test"]})
    machine = Host(tmp_path / "host", server.url)
    machine.resolve = {"allowed.test": ["127.0.0.2"], "denied.test": ["127.0.0.3"]}
    yield machine
    machine.stop_agent()


@pytest.fixture
def allowed_upstream():
    upstream = TcpUpstream("127.0.0.2")
    yield upstream
    upstream.close()


@pytest.fixture
def denied_upstream():
    upstream = TcpUpstream("127.0.0.3")
    yield upstream
    upstream.close()


@pytest.fixture
def allowed_datagrams():
    upstream = UdpUpstream("127.0.0.2")
    yield upstream
    upstream.close()


@pytest.fixture
def denied_datagrams():
    upstream = UdpUpstream("127.0.0.3")
    yield upstream
    upstream.close()


@pytest.fixture
def network_namespace(tmp_path):
    """A mount and network namespace of our own with loopback up and resolv.conf pointing at 127.0.0.1."""
    if os.geteuid() != 0:
        pytest.skip("making network namespaces needs root")
    resolv = tmp_path / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    script = f"mount --bind {resolv} /etc/resolv.conf && ip link set lo up && echo ready && exec sleep infinity"
    holder = subprocess.Popen(["unshare", "--mount", "--net", "sh", "-c", script], stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.PIPE)
    if holder.stdout.readline() != "ready\n":
        holder.wait(10)
        pytest.skip(f"this kernel gives no namespaces: {holder.stderr.read().strip()}")
    yield ["nsenter", f"--target={holder.pid}", "--mount", "--net", "--"]
    holder.kill()
    holder.wait(10)
    holder.stdout.close()
    holder.stderr.close()


def require_tool(name):
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path
