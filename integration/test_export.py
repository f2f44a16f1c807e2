"""`egress export` of a listing that comes in pages: all of it, or a failure."""

import http.server
import socketserver
import subprocess
import threading

import pytest

from conftest import BIN, clean_environment


@pytest.fixture
def paged_server():
    """Answers three pages; the second's cursor needs its encoding kept."""

    class Handler(http.server.BaseHTTPRequestHandler):
        pages = {"": ("---\na: 1\n", "one%20more"), "one%20more": ("---\nb: 2\n", "last"), "last": ("---\nc: 3\n", None)}
        broken_at = None

        def do_GET(self):
            cursor = self.path.split("cursor=")[1] if "cursor=" in self.path else ""
            body, following = self.pages[cursor]
            self.send_response(500 if cursor == self.broken_at else 200)
            self.send_header("Content-Type", "application/yaml")
            self.send_header("Content-Length", str(len(body)))
            if following:
                self.send_header("Egress-Next-Cursor", following)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server, Handler
        server.shutdown()
        thread.join(5)


def export(server):
    url = f"http://127.0.0.1:{server.server_address[1]}"
    return subprocess.run([BIN / "egress", "export", "--server", url], env=clean_environment(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30)


def test_every_page_is_written(paged_server):
    done = export(paged_server[0])
    assert (done.returncode, done.stdout) == (0, "---\na: 1\n---\nb: 2\n---\nc: 3\n"), done.stderr


def test_a_page_that_fails_is_a_failure(paged_server):
    server, handler = paged_server
    handler.broken_at = "last"
    done = export(server)
    assert done.returncode != 0 and "500" in done.stderr
