"""Query strings: their encoding, and every parameter with what it does not take."""

from urllib.parse import quote

from bad_requests.bodies import NAMESPACE_NAMES, TIMES
from bad_requests.wire import brief, refused, request

ENCODING = ["%", "%z", "%zz", "%0", "a=%", "a=%f", "limit=%zz", "domain=%c3%28", "domain=%ff", "domain=%ed%a0%80",
            "domain=%c0%af", "domain=%f4%90%80%80", "%ff=x", "&".join(f"p{i}=x" for i in range(65)), "domain=a%2", "=%"]
RAW_BYTES = [b"domain=\xff", b"\xfe=x", b"domain=\xc3\x28"]

LIMITS = ["", "0", "-1", "1001", "18446744073709551616", "1.5", "1e2", "0x10", "%201", "1%20", "ten", "+1", "%00", "1%00"]
NUMBERS = ["", "-1", "x", "1.0", "18446744073709551615", "4611686018427387905", "0x1", "%2b1", "1%0a"]
FLAGS = ["", "1", "0", "yes", "TRUE", "True", "true%20", "on"]
UNKNOWN = ["x=y", "=y", "x", "Limit=1", "limit%00=1", "%20limit=1", "limit[]=1", "force", "domain[]=a", "a" * 200 + "=1"]

# (method, target, parameter, values that are refused)
PARAMETERS = [
    ("GET", "/api/audit", "limit", LIMITS),
    ("GET", "/api/audit", "cursor", NUMBERS),
    ("GET", "/api/audit", "since", [quote(t) for t in TIMES if not t.startswith("2001")]),
    ("GET", "/api/audit", "until", ["", "now", "2999"]),
    ("GET", "/api/otlp/logs", "limit", LIMITS),
    ("GET", "/api/otlp/logs", "cursor", NUMBERS),
    ("GET", "/api/otlp/logs", "since", ["", "yesterday"]),
    ("GET", "/api/otlp/logs", "attr.", ["", "x"]),
    ("GET", "/api/audit", "q", ["%00", "a%00b"]),
    ("GET", "/api/manifests", "cursor", ["x", "%0a", "Pod%0aprod%0ax", "PolicyTest", "PolicyTest%0aprod"]),
    ("GET", "/api/otlp/traces", "until", ["", "tomorrow"]),
    ("GET", "/api/fleet/namespaces", "limit", LIMITS),
    ("GET", "/api/fleet/namespaces", "cursor", ["%20", "A", "a//b", "..%2f", "0%00"]),
    ("GET", "/api/fleet/namespaces", "name", [quote(name, safe="") for name in NAMESPACE_NAMES]),
    ("DELETE", "/api/fleet/namespaces", "name", [quote(name, safe="") for name in NAMESPACE_NAMES]),
    ("DELETE", "/api/fleet/namespaces?name=prod", "force", FLAGS),
    ("DELETE", "/api/fleet/namespaces?name=prod", "dry_run", FLAGS),
    ("DELETE", "/api/policy/egress/allow", "domain",
     ["", "a..b", "*", "https%3a%2f%2fa.example", "10.0.0.0/33", "a%00", "a b", "%2a.", "x" * 600]),
    ("GET", "/api/bundle", "namespace", ["a//b", "%2fprod", "Prod", "..", "%00"]),
    ("GET", "/api/bundle", "workload", ["x" * 256, "a%00", "a%0ab", "%7f"]),
    ("GET", "/api/bundle/status", "limit", LIMITS),
    ("GET", "/api/bundle/status", "cursor", ["x", "0", "0g", "%00", "61:"]),
    ("GET", "/api/manifests", "limit", LIMITS),
    ("GET", "/api/manifests?format=yaml", "limit", ["0", "10001", "x"]),
    ("GET", "/api/manifests", "kind", ["", "Pod", "namespace", "Namespace%00"]),
    ("GET", "/api/manifests", "namespace", ["a//b", "Prod", "%2f%2f"]),
    ("GET", "/api/manifests", "format", ["", "xml", "YAML"]),
    ("DELETE", "/api/manifests?name=x", "kind", [""]),
    ("DELETE", "/api/manifests?kind=PolicyTest", "name", [""]),
    ("DELETE", "/api/manifests?kind=PolicyTest&name=x", "namespace", ["a//b", "Prod"]),
    ("GET", "/api/explain?host=a.example&port=443", "namespace", ["", "a//b", "Prod", "%00"]),
    ("GET", "/api/explain?host=a.example&port=443", "workload", ["x" * 1025]),
    ("GET", "/api/explain?host=a.example&port=443", "target", ["x" * 1025]),
    ("GET", "/api/explain?host=a.example&port=443", "labels",
     ["x", "=x", "a=1,a=2", "a=1,", ",", "a=" + "x" * 256, "x" * 256 + "=1", ",".join(f"k{i}=v" for i in range(65))]),
    ("GET", "/api/explain?host=a.example&port=443", "authenticated", FLAGS),
    ("GET", "/api/explain?port=443", "host", ["", "a..b", "*.example", "a b", "a%00", "https%3a%2f%2fx", "x" * 300, "10.0.0.0/8"]),
    ("GET", "/api/explain?port=443", "ip", ["", "a.example", "1.2.3", "256.1.1.1", "::g", "1.2.3.4%00", "10.0.0.0/8", "[::1]"]),
    ("GET", "/api/explain?host=1.2.3.4&port=443", "ip", ["4.3.2.1", "::1"]),
    ("GET", "/api/explain?host=a.example", "port", ["", "0", "65536", "-1", "https", "443.0", "4e2", "18446744073709551616"]),
    ("GET", "/api/explain?host=a.example&port=443", "protocol", ["", "TCP", "sctp", "icmp", "6"]),
]

MISSING = [
    ("DELETE", "/api/policy/egress/allow"), ("DELETE", "/api/policy/egress/block"), ("DELETE", "/api/fleet/namespaces"),
    ("DELETE", "/api/manifests"), ("DELETE", "/api/manifests?kind=PolicyTest"), ("DELETE", "/api/manifests?name=x"),
    ("GET", "/api/explain"), ("GET", "/api/explain?host=a.example"), ("GET", "/api/explain?port=443"),
]

NOT_THERE = [
    ("DELETE", "/api/policy/egress/allow?domain=a.example", 404, "egress_entry_not_found"),
    ("DELETE", "/api/policy/egress/block?domain=10.0.0.0/8", 404, "egress_entry_not_found"),
    ("GET", "/api/fleet/namespaces?name=nope", 404, "namespace_unknown"),
    ("DELETE", "/api/fleet/namespaces?name=nope", 404, "namespace_unknown"),
    ("DELETE", "/api/fleet/namespaces?name=/", 409, "root_undeletable"),
    ("DELETE", "/api/fleet/namespaces?name=%2f&force=true", 409, "root_undeletable"),
    ("GET", "/api/bundle?namespace=nope", 404, "namespace_unknown"),
    ("DELETE", "/api/manifests?kind=PolicyTest&name=nope", 404, "document_not_found"),
    ("DELETE", "/api/manifests?kind=Pod&name=x", 400, "unknown_kind"),
    ("DELETE", "/api/manifests?kind=Namespace&name=nope", 404, "namespace_unknown"),
    ("DELETE", "/api/manifests?kind=Namespace&name=x&namespace=prod", 400, "invalid_query"),
    ("DELETE", "/api/manifests?kind=EgressDomain&name=a.example", 404, "document_not_found"),
    ("DELETE", "/api/manifests?kind=EgressDomain&name=a..b", 400, "invalid_query"),
    ("GET", "/api/explain?host=a.example&protocol=icmp&port=1", 400, "invalid_query"),
]

CALLS = [("GET", "/healthz"), ("GET", "/api/openapi.json"), ("GET", "/api/policy/egress"), ("GET", "/api/mode"),
         ("GET", "/api/audit"), ("GET", "/api/fleet/namespaces"), ("GET", "/api/manifests"), ("GET", "/api/otlp/traces"),
         ("GET", "/api/bundle"), ("GET", "/api/bundle/status"), ("GET", "/api/layers/" + "0" * 64)]


def code_of(text):
    """Of what is refused before anybody looks at the parameter, or because of it."""
    return "invalid_target" if "%00" in text else "invalid_query"


def with_parameter(target, name, value):
    return f"{target}{'&' if '?' in target else '?'}{name}={value}".replace(" ", "%20")


CASES = [
    *[refused(f"query {query:.40}", request("DELETE", f"/api/policy/egress/allow?{query}"), 400, "invalid_target")
      for query in ENCODING],
    *[refused(f"query {query!r}", request("DELETE", b"/api/policy/egress/allow?" + query), 400, "invalid_target")
      for query in RAW_BYTES],
    *[refused(f"{method} {target} {name}={brief(value)}", request(method, with_parameter(target, name, value)), 400,
              code_of(value)) for method, target, name, values in PARAMETERS for value in values],
    *[refused(f"{method} {target} {name} twice",
              request(method, with_parameter(with_parameter(target, name, "1"), name, "1")), 400, "invalid_query")
      for method, target, name, _ in PARAMETERS],
    *[refused(f"{method} {target}, which lacks something", request(method, target), 400, "invalid_query")
      for method, target in MISSING],
    *[refused(f"{method} {target}", request(method, target), status, code) for method, target, status, code in NOT_THERE],
    *[refused(f"{method} {target}?{query:.20}", request(method, f"{target}?{query}"), 400, code_of(query))
      for method, target in CALLS for query in UNKNOWN],
]
