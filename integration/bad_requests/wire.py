"""Requests as bytes and answers taken apart by hand: no client library stands between a test and the server."""

import json
import socket
from collections import namedtuple

# What is sent, and what must come back: the statuses in order, and the last answer's code (a word of the API's, a number
# of google.rpc's, or None where nothing is refused), and the field that it names, if that is looked at.
Case = namedtuple("Case", "what data statuses code field", defaults=(None,))
Answer = namedtuple("Answer", "status headers body")

HOST = "localhost"


def request(method, target, body=None, headers=(), close=True, version="HTTP/1.1", host=HOST):
    """One request with honest framing; `headers` are (name, value) pairs of text or bytes."""
    lines = [encode(method) + b" " + encode(target) + b" " + encode(version)]
    fields = [] if host is None else [("Host", host)]
    fields += list(headers)
    if body is not None:
        fields.append(("Content-Length", str(len(encode(body)))))
    if close:
        fields.append(("Connection", "close"))
    lines += [encode(name) + b": " + encode(value) for name, value in fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + encode(body or b"")


def encode(text):
    return text if isinstance(text, bytes) else text.encode()


def brief(text):
    """For the names of cases."""
    return text if len(text) <= 60 else f"{text[:50]}... ({len(text)} characters)"


def refused(what, data, status, code, field=None):
    return Case(what, data, (status,), code, field)


def connect(port, timeout_s=30, source="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", port), timeout=timeout_s, source_address=(source, 0))


def exchange(port, data, half_close=False, timeout_s=30, source="127.0.0.1"):
    """Sends everything, reads until the server closes; the answers, without interim ones. A reset after an answer is
    how a server's close reaches a client that still sends: what came before it counts. None if the server does not
    close in time."""
    received = b""
    with connect(port, timeout_s, source) as connection:
        try:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass
        except (TimeoutError, socket.timeout):
            return None
    return answers_in(received, data)


def answers_in(received, sent=b""):
    """Every final answer of a connection. HEAD's answers have no body: `sent` tells (only when all are HEAD)."""
    answers = []
    while received:
        head, separator, rest = received.partition(b"\r\n\r\n")
        assert separator, f"a torn answer: {received[:200]!r}"
        lines = head.decode("latin-1").split("\r\n")
        version, status = lines[0].split(" ", 2)[:2]
        assert version == "HTTP/1.1", lines[0]
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if status == "100":
            received = rest
            continue
        length = 0 if sent.startswith(b"HEAD ") else int(headers.get("content-length", 0))
        assert len(rest) >= length, f"a torn body: {head!r}"
        answers.append(Answer(int(status), headers, rest[:length]))
        received = rest[length:]
    return answers


def code_of(answer):
    body = json.loads(answer.body)
    return body["error"] if "error" in body else body["code"]
