"""HTTP itself: request lines, header fields, lengths, chunks, pipelines, and what tries to smuggle a request."""

from bad_requests.wire import Case, refused, request

ALLOW = "/api/policy/egress/allow"
GOOD = b'{"domain":"smuggled.example"}'
HEALTH = request("GET", "/healthz")
OPEN_HEALTH = request("GET", "/healthz", close=False)
# What must never be taken for a request of its own.
SMUGGLED = request("POST", ALLOW, GOOD)


def raw(text):
    return text.replace("\n", "\r\n").encode()


def post_with(*fields, body=b"", target=ALLOW, version="HTTP/1.1"):
    head = [f"POST {target} {version}".encode(), b"Host: localhost", *fields]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


REQUEST_LINES = [
    ("nothing but a line end", b"\r\n\r\n\r\n"),
    ("HTTP/0.9", b"GET /healthz\r\n\r\n"),
    ("no version", b"GET /healthz \r\nHost: localhost\r\n\r\n"),
    ("version 2.0", raw("GET /healthz HTTP/2.0\nHost: localhost\n\n")),
    ("version 9.9", raw("GET /healthz HTTP/9.9\nHost: localhost\n\n")),
    ("version 1", raw("GET /healthz HTTP/1\nHost: localhost\n\n")),
    ("version 1.1.1", raw("GET /healthz HTTP/1.1.1\nHost: localhost\n\n")),
    ("version 01.1", raw("GET /healthz HTTP/01.1\nHost: localhost\n\n")),
    ("version in lower case", raw("GET /healthz http/1.1\nHost: localhost\n\n")),
    ("version of another protocol", raw("GET /healthz ICAP/1.1\nHost: localhost\n\n")),
    ("two spaces before the target", raw("GET  /healthz HTTP/1.1\nHost: localhost\n\n")),
    ("two spaces behind the target", raw("GET /healthz  HTTP/1.1\nHost: localhost\n\n")),
    ("a space in front", raw(" GET /healthz HTTP/1.1\nHost: localhost\n\n")),
    ("a tab between the parts", raw("GET\t/healthz\tHTTP/1.1\nHost: localhost\n\n")),
    ("a space in the target", raw("GET /health z HTTP/1.1\nHost: localhost\n\n")),
    ("no target", raw("GET HTTP/1.1\nHost: localhost\n\n")),
    ("no method", raw("/healthz HTTP/1.1\nHost: localhost\n\n")),
    ("a method with a colon", raw("GE:T /healthz HTTP/1.1\nHost: localhost\n\n")),
    ("a method of bytes beyond ASCII", "G\u00c9T /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()),
    ("NUL in the method", b"G\x00T /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("NUL in the target", b"GET /health\x00z HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("DEL in the target", b"GET /health\x7fz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("a bare LF behind the request line", b"GET /healthz HTTP/1.1\nHost: localhost\n\n"),
    ("a bare CR in the request line", b"GET /healthz\r HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("a TLS hello", bytes.fromhex("16030100b8010000b40303") + bytes(range(64)) + b"\r\n\r\n"),
    ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    ("SMTP", b"EHLO localhost\r\n\r\n"),
    ("SOCKS", b"\x05\x01\x00\r\n\r\n"),
    ("the PROXY protocol", b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n" + HEALTH),
    ("zeros", b"\x00" * 1000),
    ("bytes", bytes(range(128, 256)) * 8),
]

FIELDS = [
    ("a space before the colon", raw("GET /healthz HTTP/1.1\nHost : localhost\n\n")),
    ("a field without a colon", raw("GET /healthz HTTP/1.1\nHost: localhost\nnonsense\n\n")),
    ("a field without a name", raw("GET /healthz HTTP/1.1\nHost: localhost\n: x\n\n")),
    ("a space in a field's name", raw("GET /healthz HTTP/1.1\nHost: localhost\nX Y: z\n\n")),
    ("a field's name in brackets", raw("GET /healthz HTTP/1.1\nHost: localhost\nX(y): z\n\n")),
    ("the first field folded", raw("GET /healthz HTTP/1.1\n Host: localhost\n\n")),
    ("NUL in a value", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n"),
    ("a control character in a value", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\x01b\r\n\r\n"),
    ("DEL in a value", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\x7fb\r\n\r\n"),
    ("a bare CR in a value", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n"),
    ("a bare LF in the header", b"GET /healthz HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n"),
    ("NUL in a name", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX\x00: y\r\n\r\n"),
    ("bytes beyond ASCII in a name", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX\xe9: y\r\n\r\n"),
    ("a length with a sign", post_with(b"Content-Length: +2", body=b"{}")),
    ("a negative length", post_with(b"Content-Length: -2", body=b"{}")),
    ("a length in hexadecimal", post_with(b"Content-Length: 0x2", body=b"{}")),
    ("a length with a fraction", post_with(b"Content-Length: 2.0", body=b"{}")),
    ("a length of words", post_with(b"Content-Length: two", body=b"{}")),
    ("an empty length", post_with(b"Content-Length: ", body=b"{}")),
    ("a length with a blank inside", post_with(b"Content-Length: 1 2", body=b"{}")),
    ("a length beyond 64 bits", post_with(b"Content-Length: 99999999999999999999", body=b"{}")),
    ("a length of 2^64", post_with(b"Content-Length: 18446744073709551616", body=b"{}")),
    ("two lengths that differ", post_with(b"Content-Length: 2", b"Content-Length: 3", body=b"{} ")),
    ("two lengths in one field", post_with(b"Content-Length: 2, 3", body=b"{} ")),
    ("the same length twice", post_with(b"Content-Length: 2", b"Content-Length: 2", body=b"{}")),
    ("the same length twice in one field", post_with(b"Content-Length: 2, 2", body=b"{}")),
    ("a length and chunks", post_with(b"Content-Length: 2", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED)),
    ("chunks and a length", post_with(b"Transfer-Encoding: chunked", b"Content-Length: 2", body=b"0\r\n\r\n" + SMUGGLED)),
    ("chunked twice", post_with(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n")),
    ("chunked twice in one field", post_with(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n" + SMUGGLED)),
    ("an unknown transfer coding", post_with(b"Transfer-Encoding: xchunked", body=SMUGGLED)),
    ("chunked, then identity", post_with(b"Transfer-Encoding: chunked, identity", body=SMUGGLED)),
    ("identity", post_with(b"Transfer-Encoding: identity", body=SMUGGLED)),
    ("gzip, then chunked", post_with(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n" + SMUGGLED)),
    ("an empty transfer coding", post_with(b"Transfer-Encoding: ", body=SMUGGLED)),
    ("chunked with a vertical tab", post_with(b"Transfer-Encoding: \x0bchunked", body=SMUGGLED)),
    ("chunked in quotes", post_with(b'Transfer-Encoding: "chunked"', body=SMUGGLED)),
    ("chunked with a parameter", post_with(b"Transfer-Encoding: chunked;x=1", body=SMUGGLED)),
    ("chunked with a comma behind", post_with(b"Transfer-Encoding: chunked,", body=SMUGGLED)),
    ("chunks from an HTTP/1.0 client", post_with(b"Transfer-Encoding: chunked", body=b"0\r\n\r\n", version="HTTP/1.0")),
    ("an unknown coding and a length", post_with(b"Content-Length: 2", b"Transfer-Encoding: x", body=b"{}" + SMUGGLED)),
]


def chunked(body):
    return post_with(b"Transfer-Encoding: chunked", body=body)


CHUNKS = [
    ("a chunk size of words", chunked(b"zz\r\n")),
    ("an empty chunk size", chunked(b"\r\n\r\n")),
    ("a negative chunk size", chunked(b"-1\r\n")),
    ("a chunk size with a sign", chunked(b"+2\r\n{}\r\n0\r\n\r\n")),
    ("a chunk size with 0x", chunked(b"0x2\r\n{}\r\n0\r\n\r\n")),
    ("a chunk size beyond 64 bits", chunked(b"10000000000000000\r\n")),
    ("a chunk size of many digits", chunked(b"f" * 64 + b"\r\n")),
    ("a space before the chunk size", chunked(b" 2\r\n{}\r\n0\r\n\r\n")),
    ("no line end behind a chunk", chunked(b"2\r\n{}0\r\n\r\n")),
    ("a chunk longer than its size", chunked(b"1\r\n{}\r\n0\r\n\r\n")),
    ("a chunk extension without end", chunked(b"2;" + b"x" * 200_000)),
    ("NUL in a chunk extension", chunked(b"2;x=\x00\r\n{}\r\n0\r\n\r\n")),
    ("a trailer field without a colon", chunked(b"0\r\nnonsense\r\n\r\n")),
    ("a trailer without end", chunked(b"0\r\n" + b"X: y\r\n" * 20_000)),
]

# The client goes away in the middle: an answer if one makes sense, never a hang.
TORN = [
    ("half a request line", b"GET /hea", ()),
    ("half a header", b"GET /healthz HTTP/1.1\r\nHost: local", ()),
    ("a header without its end", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n", ()),
    ("half a body", post_with(b"Content-Length: 100", body=b'{"domain":'), (400,)),
    ("no body", post_with(b"Content-Length: 100"), (400,)),
    ("half a chunk", chunked(b"ff\r\n{"), (400,)),
    ("half a chunk size", chunked(b"f"), (400,)),
    ("no last chunk", chunked(b"2\r\n{}\r\n"), (400,)),
    ("half a trailer", chunked(b"2\r\n{}\r\n0\r\nX: "), (400,)),
    ("bare LFs around a chunk", chunked(b"2\n{}\n0\n\n"), (400,)),
    ("nothing", b"", ()),
    ("a request, then half of one", OPEN_HEALTH + b"GET /hea", (200,)),
]

TOO_LARGE = [
    ("ten thousand fields", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 10_000 + b"\r\n"),
    ("a field of 20 KB", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 20_000 + b"\r\n\r\n"),
    ("a field of 1 MB", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n"),
    ("a field's name of 20 KB", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X" * 20_000 + b": y\r\n\r\n"),
    ("a target of 20 KB", b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("a query of 100 KB", b"GET /healthz?" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("a method of 20 KB", b"G" * 20_000 + b" /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("a folded field of 20 KB", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: y\r\n" + b" y\r\n" * 5_000 + b"\r\n"),
]

# Several requests in one write. A refused one that left its body unread ends the connection: what follows it is never
# a request.
PIPELINES = [
    Case("three in one write", OPEN_HEALTH * 2 + HEALTH, (200, 200, 200), None),
    Case("a thousand in one write", OPEN_HEALTH * 999 + HEALTH, (200,) * 1000, None),
    Case("a malformed one in the middle", OPEN_HEALTH + b"nonsense\r\n\r\n" + SMUGGLED, (200, 400), "bad_request"),
    Case("an unknown path in the middle", OPEN_HEALTH + request("GET", "/x", close=False) + HEALTH, (200, 404, 200), None),
    Case("a refused body in the middle",
         OPEN_HEALTH + request("POST", ALLOW, b"x" * 20_000, close=False) + SMUGGLED, (200, 413), "body_too_large"),
    Case("a body of requests for a GET", request("GET", "/healthz", SMUGGLED, close=False) + SMUGGLED, (413,),
         "body_too_large"),
    Case("a body of requests for no path", request("POST", "/api/nope", SMUGGLED, close=False) + SMUGGLED, (404,),
         "not_found"),
    Case("a body of requests for another method", request("PUT", "/api/mode", SMUGGLED, close=False) + SMUGGLED, (405,),
         "method_not_allowed"),
    Case("a body of requests that is gzip",
         request("POST", ALLOW, SMUGGLED, [("Content-Encoding", "gzip")], close=False) + SMUGGLED, (415,),
         "unsupported_encoding"),
    Case("a body of requests from another site",
         request("POST", ALLOW, SMUGGLED, [("Origin", "https://evil.example")], close=False) + SMUGGLED, (403,),
         "cross_site"),
    Case("a malformed body, then a request", request("POST", ALLOW, b"{", close=False) + HEALTH, (400, 200), None),
    Case("chunks, then a request", chunked(b"1\r\n{\r\n0\r\n\r\n") + HEALTH, (400, 200), None),
    Case("close, then a request", HEALTH + SMUGGLED, (200,), None),
    Case("HTTP/1.0 closes by itself",
         request("GET", "/healthz", close=False, version="HTTP/1.0") + SMUGGLED, (200,), None),
    Case("HTTP/1.0 stays if asked",
         request("GET", "/healthz", headers=[("Connection", "keep-alive")], close=False, version="HTTP/1.0") + HEALTH,
         (200, 200), None),
    Case("an expectation of HTTP/1.0",
         request("POST", ALLOW, b"{", [("Expect", "100-continue")], version="HTTP/1.0"), (400,), "invalid_json"),
    Case("an expectation", request("POST", ALLOW, b"{", [("Expect", "100-continue")]), (400,), "invalid_json"),
    Case("an expectation with a body too large",
         request("POST", ALLOW, b"x" * 20_000, [("Expect", "100-continue")]), (413,), "body_too_large"),
]

CASES = [
    *[refused(what, data, 400, "bad_request") for what, data in REQUEST_LINES + FIELDS + CHUNKS],
    *[refused(what, data, 431, "header_too_large") for what, data in TOO_LARGE],
    *PIPELINES,
]
