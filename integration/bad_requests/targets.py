"""Targets, methods, hosts and the header fields that the server reads."""

from bad_requests.wire import brief, refused, request

LAYER = "/api/layers/"

TARGETS = [
    ("*", 400, "invalid_target"),
    ("healthz", 400, "invalid_target"),
    ("http://localhost/healthz", 400, "invalid_target"),
    ("http://evil.example/healthz", 400, "invalid_target"),
    ("//evil.example/healthz", 404, "not_found"),
    ("localhost:80", 400, "invalid_target"),
    ("?x=y", 400, "invalid_target"),
    ("/", 404, "not_found"),
    ("//healthz", 404, "not_found"),
    ("/healthz/", 404, "not_found"),
    ("/HEALTHZ", 404, "not_found"),
    ("/healthz;x=y", 404, "not_found"),
    ("/healthz#x", 404, "not_found"),
    ("/./healthz", 404, "not_found"),
    ("/api/../healthz", 404, "not_found"),
    ("/../../etc/passwd", 404, "not_found"),
    ("/api/..%2fhealthz", 404, "not_found"),
    ("/%2e%2e/healthz", 404, "not_found"),
    ("/%68ealthz", 404, "not_found"),
    ("/healthz%00", 404, "not_found"),
    ("/healthz%", 404, "not_found"),
    ("/healthz%zz", 404, "not_found"),
    ("/healthz%20", 404, "not_found"),
    ("\\healthz", 400, "invalid_target"),
    ("/api\\mode", 404, "not_found"),
    ("/api//mode", 404, "not_found"),
    ("/api/mode/x", 404, "not_found"),
    ("/api/" + "a/" * 2000, 404, "not_found"),
    (b"/health\xffz", 404, "not_found"),
    ("/api/mod\u00e9".encode(), 404, "not_found"),
    (LAYER, 404, "not_found"),
    (LAYER + "/", 404, "not_found"),
    (LAYER + "xyz", 400, "invalid_path"),
    (LAYER + "{sha256}", 400, "invalid_path"),
    (LAYER + "..", 400, "invalid_path"),
    (LAYER + "%2e%2e%2fetc%2fpasswd", 400, "invalid_path"),
    (LAYER + "A" * 64, 400, "invalid_path"),
    (LAYER + "0" * 63, 400, "invalid_path"),
    (LAYER + "0" * 65, 400, "invalid_path"),
    (LAYER + "0" * 64 + "%00", 400, "invalid_path"),
    (LAYER + "0" * 32 + "%2f" + "0" * 31, 400, "invalid_path"),
    (LAYER + "0" * 64 + "/x", 404, "not_found"),
    (LAYER + "0" * 64, 404, "layer_unknown"),
]

METHODS = [("get", "/healthz"), ("Post", "/api/mode"), ("PUT", "/api/mode"), ("PATCH", "/api/mode"),
           ("OPTIONS", "/api/mode"), ("TRACE", "/healthz"), ("PROPFIND", "/healthz"), ("BREW", "/healthz"),
           ("DELETE", "/healthz"), ("POST", "/healthz"), ("POST", "/api/audit"), ("DELETE", "/api/audit"),
           ("GET", "/api/policy/egress/allow"), ("HEADER", "/healthz"), ("G", "/healthz"), ("M-SEARCH", "/healthz")]

HOSTS = [
    (("evil.example",), 403, "foreign_host"),
    (("localhost.evil.example",), 403, "foreign_host"),
    (("localhost@evil.example",), 403, "foreign_host"),
    (("evil.example@localhost",), 403, "foreign_host"),
    (("http://localhost",), 403, "foreign_host"),
    (("localhost/x",), 403, "foreign_host"),
    (("localhost:x",), 403, "foreign_host"),
    (("localhost:80:80",), 403, "foreign_host"),
    (("localhost:-1",), 403, "foreign_host"),
    (("localhost:999999",), 403, "foreign_host"),
    (("127.1",), 403, "foreign_host"),
    (("127.0.0.1.",), 403, "foreign_host"),
    (("128.0.0.1",), 403, "foreign_host"),
    (("2130706433",), 403, "foreign_host"),
    (("0x7f.0.0.1",), 403, "foreign_host"),
    (("0.0.0.0",), 403, "foreign_host"),
    (("[::1",), 403, "foreign_host"),
    (("[::2]",), 403, "foreign_host"),
    (("[::1]x",), 403, "foreign_host"),
    (("[127.0.0.1]",), 403, "foreign_host"),
    (("[::]",), 403, "foreign_host"),
    (("local host",), 403, "foreign_host"),
    (("localhost, evil.example",), 403, "foreign_host"),
    (("",), 403, "foreign_host"),
    ((b"\xff",), 403, "foreign_host"),
    ((), 400, "invalid_host"),
    (("localhost", "localhost"), 400, "invalid_host"),
    (("localhost", "evil.example"), 400, "invalid_host"),
]

GOOD = '{"domain":"a.example"}'
ALLOW = "/api/policy/egress/allow"

FIELDS = [
    ("Origin", "https://evil.example", "cross_site", 403),
    ("Origin", "null", "cross_site", 403),
    ("Origin", "http://localhost:1", "cross_site", 403),
    ("Origin", "https://localhost", "cross_site", 403),
    ("Origin", "http://localhost.evil.example", "cross_site", 403),
    ("Origin", "localhost", "cross_site", 403),
    ("Origin", b"\xff", "cross_site", 403),
    ("Sec-Fetch-Site", "cross-site", "cross_site", 403),
    ("Sec-Fetch-Site", "same-site", "cross_site", 403),
    ("Content-Encoding", "gzip", "unsupported_encoding", 415),
    ("Content-Encoding", "GZIP", "unsupported_encoding", 415),
    ("Content-Encoding", "br", "unsupported_encoding", 415),
    ("Content-Encoding", "identity, gzip", "unsupported_encoding", 415),
    ("Content-Encoding", "deflate", "unsupported_encoding", 415),
]

WAITS = ["wait=soon", "wait=", "wait", "wait=-1", "wait=1.5", "wait=0x10", "wait=1e3", "wait=99999999999999999999", "wait=+1",
         'wait="', "wait= ; x", "respond-async, wait=x", "WAIT=x", "wait=1 2", "wait=\u0665"]

CASES = [
    *[refused(f"target {brief(repr(target))}", request("GET", target), status, code) for target, status, code in TARGETS],
    *[refused(f"method {method} {target}", request(method, target), 405, "method_not_allowed")
      for method, target in METHODS],
    refused("CONNECT", request("CONNECT", "evil.example:443", host="evil.example:443"), 403, "foreign_host"),
    refused("CONNECT to ourselves", request("CONNECT", "localhost:443"), 400, "invalid_target"),
    refused("OPTIONS *", request("OPTIONS", "*"), 400, "invalid_target"),
    *[refused(f"host {hosts!r}", request("GET", "/healthz", headers=[("Host", host) for host in hosts], host=None),
              status, code) for hosts, status, code in HOSTS],
    refused("HTTP/1.0 without a host", request("GET", "/healthz", version="HTTP/1.0", host=None), 400, "invalid_host"),
    *[refused(f"{name}: {value!r}", request("POST", ALLOW, GOOD, [(name, value)]), status, code)
      for name, value, code, status in FIELDS],
    *[refused(f"Prefer: {value}", request("GET", "/api/bundle", headers=[("Prefer", value)]), 400, "invalid_header")
      for value in WAITS],
    refused("a bundle of nowhere, asked for with a garbled tag",
            request("GET", "/api/bundle?namespace=nope", headers=[("If-None-Match", '"""", W/, ,,"'), ("Prefer", "wait=60")]),
            404, "namespace_unknown"),
]
