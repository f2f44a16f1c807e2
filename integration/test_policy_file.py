"""A policy file without a server: `exec --policy`, `explain --policy`, `test -f`; and `apply` and `export` towards one."""

import http.server
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from conftest import BIN, ROOT, Host, eventually, runs_under_preload
from verdicts import NAMESPACE_STACKS, Case

SEEDS = Path(os.environ.get("EGRESS_SEEDS_DIR", ROOT.parent / "shared/seeds"))
DIAL = ROOT / "integration/programs/dial.py"

# Nothing but loopback is up where these run: what the policy allows finds no route.
ALLOWED, DENIED = "ENETUNREACH", "ECONNREFUSED"


def seed_example():
    """The example of the mirrord page, as it stands there."""
    pages = sorted(SEEDS.glob("000*.txt"))
    if not pages:
        pytest.skip(f"the seed documents are not at {SEEDS}")
    return re.search(r"```yaml\n(.*?)```", pages[0].read_text(), re.S).group(1)


@pytest.fixture
def machine(tmp_path):
    made = Host(tmp_path / "host", "http://127.0.0.1:1")
    yield made
    made.stop_agent()


@pytest.fixture
def island(tmp_path, network_namespace):
    made = Host(tmp_path / "host", "http://127.0.0.1:1", network_namespace)
    yield made
    made.stop_agent()


def egress(host, *arguments, stdin=None, cwd=None, **environment):
    env = host.environment(preload=False)
    for variable in ("EGRESS_SERVER", "EGRESS_NAMESPACE"):
        env.pop(variable)
    env.update(environment)
    return subprocess.run([*host.prefix, BIN / "egress", *map(str, arguments)], env=env, cwd=cwd, input=stdin or "",
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)


def written(directory, text, name="policy.yaml"):
    path = directory / name
    path.write_text(text)
    return path


def outcomes(host, policy, cases, *flags):
    """What the real process met at each destination."""
    resolve = ";".join(f"{name}={address}" for name, address in
                       {case.host.lower(): case.address for case in cases if case.address}.items())
    extra = ["--resolve", resolve] if resolve else []
    done = egress(host, "exec", "--policy", policy, *flags, *extra, "--", sys.executable, DIAL,
                  json.dumps([case.dialled() for case in cases]))
    assert done.returncode == 0, done.stderr
    return dict(zip(map(str, cases), json.loads(done.stdout), strict=True))


def verdicts(host, policy, cases, *flags):
    """What explain says of each."""
    said = {}
    for case in cases:
        ip = ["--ip", case.address] if case.address else []
        done = egress(host, "explain", "--policy", policy, *flags, *ip, "--json", case.destination)
        answer = json.loads(done.stdout)
        said[str(case)] = answer["verdict"]
        assert case.layer in (None, answer["layer"]) and case.rule in (None, answer["rule"]), answer
        assert done.returncode == (0 if said[str(case)] == "allow" else 1), done.stderr
    return said


def check_both_ways(host, policy, cases, *flags):
    expected = {str(case): case.verdict for case in cases}
    assert len(expected) == len(cases), "a destination is listed twice"
    assert verdicts(host, policy, cases, *flags) == expected
    met = {key: {ALLOWED: "allow", DENIED: "deny"}.get(outcome, outcome)
           for key, outcome in outcomes(host, policy, cases, *flags).items()}
    assert met == expected


# The seed's example, rule by rule: inside and outside of each CIDR, of its exception, of each port and protocol.
SEED_CASES = [
    Case("allow", "10.0.0.1:80"),
    Case("allow", "10.0.0.0:443"),
    Case("allow", "10.0.255.255:443"),
    Case("allow", "10.0.4.255:80"),
    Case("deny", "10.0.5.0:80"),
    Case("deny", "10.0.5.255:443"),
    Case("allow", "10.0.6.0:80"),
    Case("deny", "10.1.0.0:80"),
    Case("deny", "9.255.255.255:80"),
    Case("deny", "10.0.0.1:81"),
    Case("deny", "10.0.0.1:8443"),
    Case("deny", "10.0.0.1:22"),
    Case("deny", "203.0.113.7:22"),
    Case("deny", "203.0.113.7:443"),
    Case("deny", "10.0.0.1:80/udp"),
    Case("deny", "10.0.0.1:53/tcp"),
    Case("deny", "10.0.0.1:443/udp"),
    Case("allow", "[::ffff:10.0.0.1]:80"),
    Case("deny", "[::ffff:10.0.5.1]:80"),
    Case("deny", "[2001:db8::1]:443"),
    Case("deny", "[64:ff9b::10.0.0.1]:22"),
    Case("deny", "169.254.169.254:80"),
    Case("deny", "240.0.0.9:443"),
    Case("allow", "metalbear.co:443", "192.0.2.1"),
    Case("allow", "metalbear.com:443", "192.0.2.2"),
    Case("deny", "metalbear.co:80", "192.0.2.1"),
    Case("deny", "metalbear.co:443/udp", "192.0.2.1"),
    Case("deny", "metalbear.co:22", "192.0.2.1"),
    Case("deny", "metalbear.company:443", "192.0.2.3"),
    Case("deny", "xmetalbear.co:443", "192.0.2.4"),
    Case("deny", "www.metalbear.co:443", "192.0.2.5"),
    Case("deny", "metalbear.co.example:443", "192.0.2.6"),
    Case("allow", "inside.example:80", "10.0.9.9"),
    Case("deny", "excepted.example:80", "10.0.5.9"),
    Case("deny", "inside-ssh.example:22", "10.0.9.8"),
]


def test_the_seeds_example_by_explain_and_by_a_real_process(tmp_path, island):
    check_both_ways(island, written(tmp_path, seed_example()), SEED_CASES)


def test_a_name_opens_an_address_that_its_exception_closes_to_others(tmp_path, island):
    policy = written(tmp_path, seed_example())
    check_both_ways(island, policy, [Case("allow", "metalbear.com:443", "10.0.5.7"), Case("deny", "10.0.5.8:443")])


def test_link_local_addresses_are_never_opened_by_a_name_alone(tmp_path, island):
    policy = written(tmp_path, seed_example())
    check_both_ways(island, policy, [Case("deny", "metalbear.com:443", "169.254.169.254")])


MIRRORD = """apiVersion: policies.mirrord.metalbear.co/v1alpha
kind: MirrordPolicy
metadata: {name: step}
spec: {network: {outgoing: %s}}
"""
INSIDE = "{ipBlock: {cidr: 198.51.100.0/24}}"
SSH = "{ports: [{protocol: TCP, port: 22}]}"
STEPS = {
    "no rules": ("{}", [Case("allow", "198.51.100.1:80"), Case("allow", "203.0.113.1:22")]),
    "no allow rule matches": (f"{{allow: [{INSIDE}]}}",
                              [Case("allow", "198.51.100.1:22"), Case("deny", "203.0.113.1:80")]),
    "a block rule matches": (f"{{allow: [{INSIDE}], block: [{SSH}]}}",
                             [Case("deny", "198.51.100.1:22"), Case("allow", "198.51.100.1:23"),
                              Case("deny", "203.0.113.1:23")]),
    "all other cases": (f"{{block: [{SSH}]}}", [Case("allow", "203.0.113.1:80"), Case("deny", "203.0.113.1:22")]),
}


@pytest.mark.parametrize("step", STEPS)
def test_the_seeds_four_steps(tmp_path, island, step):
    rules, cases = STEPS[step]
    check_both_ways(island, written(tmp_path, MIRRORD % rules), cases)


TREE = """apiVersion: egress/v1
kind: Namespace
metadata: {name: prod}
spec: {allowed_domains: [203.0.113.0/24, "*.example"]}
---
apiVersion: egress/v1
kind: Namespace
metadata: {name: prod/payments}
spec: {allowed_domains: [203.0.113.0/28]}
---
apiVersion: egress/v1
kind: EgressDomain
metadata: {name: 203.0.113.9}
spec: {action: block}
---
apiVersion: egress/v1
kind: PolicyTest
metadata: {name: payments}
spec: {namespace: prod/payments, allow: ["203.0.113.1:443"], deny: ["203.0.113.9:443", "api.example:443"]}
"""


# The second page's documents, and the third's namespaces: the tables of policy.md section 9.
def gateway_page(block):
    """A yaml block of the gateway page: 0 the recipe, 1 one match, 2..4 the canned lists."""
    pages = sorted(SEEDS.glob("001*.txt"))
    if not pages:
        pytest.skip(f"the seed documents are not at {SEEDS}")
    return re.findall(r"```yaml\n(.*?)```", pages[0].read_text(), re.S)[block]


def routed(matches, gateway="{listeners: [{name: t, protocol: TCP}]}", name="r", parent="g"):
    indented = "".join(f"        {line}\n" for line in matches.splitlines())
    return (f"apiVersion: clrk.apoxy.dev/v1alpha1\nkind: EgressGateway\nmetadata: {{name: {parent}}}\nspec: {gateway}\n---\n"
            f"apiVersion: clrk.apoxy.dev/v1alpha1\nkind: EgressL4Route\nmetadata: {{name: {name}}}\n"
            f"spec:\n  parentRefs: [{{name: {parent}}}]\n  rules:\n    - matches:\n{indented}")


def one_match(block):
    return "- " + block.replace("\n", "\n  ").rstrip()


OPEN_GATEWAY = "{defaultPolicy: allow-all, listeners: [{name: t, protocol: TCP}]}"
INVERSION = ("---\napiVersion: clrk.apoxy.dev/v1alpha1\nkind: EgressDenyPolicy\nmetadata: {name: d}\n"
             "spec: {targetRef: {group: clrk.apoxy.dev, kind: EgressL4Route, name: r}}\n")

GATEWAY_TABLES = {
    "the recipe": (lambda: gateway_page(0), [
        Case("allow", "api.anthropic.com:443", "203.0.113.1"), Case("deny", "api.anthropic.com:80", "203.0.113.1"),
        Case("deny", "api.anthropic.com:443/udp", "203.0.113.1"), Case("allow", "pg.prod.internal:5432", "203.0.113.2"),
        Case("deny", "pg.prod.internal:443", "203.0.113.2"), Case("deny", "paste.example:443", "203.0.113.3"),
        Case("deny", "x.api.anthropic.com:443", "203.0.113.4"), Case("deny", "203.0.113.9:443")]),
    "wildcard depth and both ends of a range": (lambda: routed(one_match(gateway_page(1))), [
        Case("allow", "api.openai.com:443", "10.20.1.1"), Case("allow", "eu.azure.openai.com:443", "10.20.1.2"),
        Case("deny", "a.eu.azure.openai.com:443", "10.20.1.3"), Case("deny", "azure.openai.com:443", "10.20.1.4"),
        Case("deny", "api.openai.com:7999", "10.20.1.1"), Case("allow", "api.openai.com:8000", "10.20.1.1"),
        Case("allow", "api.openai.com:8099", "10.20.1.1"), Case("deny", "api.openai.com:8100", "10.20.1.1"),
        Case("deny", "api.openai.com:443/udp", "10.20.1.1"), Case("deny", "10.20.1.9:443")]),
    "canned: Anthropic": (lambda: routed(gateway_page(2)), [
        Case("allow", "api.anthropic.com:443", "203.0.113.1"), Case("deny", "api.openai.com:443", "203.0.113.2")]),
    "canned: customer data": (lambda: routed(gateway_page(3)), [
        Case("allow", "s3.us-east-1.amazonaws.com:443", "203.0.113.1"), Case("allow", "pg.prod.internal:5432", "203.0.113.2"),
        Case("deny", "pg.prod.internal:443", "203.0.113.2"), Case("deny", "s3.us-east-2.amazonaws.com:443", "203.0.113.3")]),
    "canned: cluster-internal": (lambda: routed(gateway_page(4)), [
        Case("allow", "a.svc.cluster.local:1", "203.0.113.1"), Case("deny", "b.a.svc.cluster.local:1", "203.0.113.2"),
        Case("allow", "10.255.0.1:65535"), Case("deny", "10.255.0.1:65535/udp"), Case("deny", "11.0.0.1:443")]),
    "two gateways on one namespace": (lambda: routed("- {destinationHostnames: [a.example]}") + "---\n" +
                                      routed("- {destinationHostnames: [b.example]}", OPEN_GATEWAY, "s", "h"), [
        Case("allow", "a.example:1", "203.0.113.1"), Case("allow", "b.example:1", "203.0.113.2"),
        Case("deny", "c.example:1", "203.0.113.3")]),
    "a deny policy on an allow-all gateway": (lambda: routed("- {destinationHostnames: [paste.example]}", OPEN_GATEWAY) + INVERSION, [
        Case("deny", "paste.example:443", "203.0.113.1"), Case("allow", "other.example:443", "203.0.113.2"),
        Case("allow", "203.0.113.9:22")]),
}


@pytest.mark.parametrize("table", GATEWAY_TABLES)
def test_the_gateway_pages_documents(tmp_path, island, table):
    policy, cases = GATEWAY_TABLES[table]
    check_both_ways(island, written(tmp_path, policy()), cases)


@pytest.mark.parametrize("stack", NAMESPACE_STACKS)
def test_the_namespace_pages_stacks(tmp_path, island, stack):
    stack = NAMESPACE_STACKS[stack]
    check_both_ways(island, written(tmp_path, stack.manifest()), stack.cases, "-n", stack.asked)


@pytest.mark.parametrize("namespace, cases", [
    ("prod", [Case("allow", "203.0.113.200:443"), Case("deny", "203.0.113.9:443"), Case("allow", "api.example:443", "192.0.2.1"),
              Case("deny", "a.b.example:443", "192.0.2.2")]),
    ("prod/payments", [Case("allow", "203.0.113.1:443"), Case("deny", "203.0.113.200:443"),
                       Case("deny", "api.example:443", "192.0.2.1")]),
    ("default", [Case("deny", "203.0.113.1:443")]),
])
def test_the_namespace_chooses_the_stack(tmp_path, island, namespace, cases):
    check_both_ways(island, written(tmp_path, TREE), cases, "-n", namespace)


def test_shadow_lets_pass_and_counts(tmp_path, island):
    policy = written(tmp_path, MIRRORD % f"{{block: [{SSH}]}}")
    case = Case("deny", "203.0.113.1:22")
    assert outcomes(island, policy, [case], "--shadow") == {str(case): ALLOWED}
    status = eventually(lambda: (s := island.status()) and s["events"]["local"] > 0 and s, what="a record")
    session = status["sessions"][0]
    assert session["server"].startswith("file:") and session["mode"] == "shadow"
    assert session["events"]["recorded"] == session["events"]["local"] == 1
    assert status["events"]["uploaded"] == status["events"]["pending"] == status["events"]["dropped"] == 0


def test_children_are_under_the_same_policy(tmp_path, island):
    policy = written(tmp_path, MIRRORD % f"{{block: [{SSH}]}}")
    cases = json.dumps([Case("deny", "203.0.113.1:22").dialled(), Case("allow", "203.0.113.1:80").dialled()])
    done = egress(island, "exec", "--policy", policy, "--", "sh", "-c", f'"$0" "$1" "$2"; exit $?', sys.executable, DIAL,
                  cases)
    assert json.loads(done.stdout) == [DENIED, ALLOWED], done.stderr


@runs_under_preload
def test_the_session_lasts_as_long_as_the_command(tmp_path, machine):
    policy = written(tmp_path, TREE)
    done = egress(machine, "exec", "--policy", policy, "-n", "prod", "--", BIN / "egress", "status", "--json")
    session = json.loads(done.stdout)["sessions"][0]
    assert session["process_count"] == 1, "it never used the network, and still the session is its"
    assert session["policy"] and session["namespace"] == "prod" and session["error"] == ""


BROKEN = """apiVersion: policies.mirrord.metalbear.co/v1alpha
kind: MirrordPolicy
metadata: {name: broken}
spec:
  network:
    outgoing:
      allow:
        - ipBlock: {cidr: 10.0.0.0/33}
          port: 80
      block: [{}]
"""
GOLDEN = """policy.yaml:8:27: spec.network.outgoing.allow[0].ipBlock.cidr: "10.0.0.0/33" is not a CIDR: the prefix length must be 0..32 (expected a CIDR such as 10.0.0.0/8 or 2001:db8::/32)
          - ipBlock: {cidr: 10.0.0.0/33}
                            ^
policy.yaml:9:11: spec.network.outgoing.allow[0].port: is unknown (expected one of hostname, ipBlock, ports)
            port: 80
            ^
policy.yaml:10:15: spec.network.outgoing.block[0]: has no field, which would match everything (expected ipBlock, hostname or ports)
        block: [{}]
                ^
"""


@pytest.mark.parametrize("command, status, tail", [
    (["exec", "--policy", "policy.yaml", "--", "touch", "started"], 125,
     "egress exec: policy.yaml is no valid policy: the command was not started"),
    (["explain", "--policy", "policy.yaml", "a.example:443"], 4, "egress explain: policy.yaml is no valid policy"),
    (["test", "-f", "policy.yaml"], 4, "egress test: policy.yaml is no valid policy"),
    (["apply", "-f", "policy.yaml", "--server", "http://127.0.0.1:1"], 1, "egress apply: nothing was applied"),
])
def test_mistakes_are_shown_where_they_are(tmp_path, machine, command, status, tail):
    written(tmp_path, BROKEN)
    done = egress(machine, *command, cwd=tmp_path)
    assert done.returncode == status, done.stderr
    assert not (tmp_path / "started").exists()
    assert done.stdout == ""
    assert done.stderr == GOLDEN + tail + "\n"


@pytest.mark.parametrize("text, message", [
    ("", "holds no document"),
    ("# a template that rendered to nothing\n", "holds no document"),
    (MIRRORD % "{}" + "---\n" + MIRRORD % "{}", "is given twice"),
    ("apiVersion: egress/v1\nkind: EgressDomain\nmetadata: {name: a.example}\nspec: {action: allow}\n---\n"
     "apiVersion: clrk.apoxy.dev/v1alpha1\nkind: EgressDenyPolicy\nmetadata: {name: p}\n"
     "spec: {targetRef: {group: clrk.apoxy.dev, kind: EgressL4Route, name: gone}}\n", "there is no EgressL4Route gone"),
])
def test_what_is_no_policy_starts_nothing(tmp_path, machine, text, message):
    policy = written(tmp_path, text)
    done = egress(machine, "exec", "--policy", policy, "--", "touch", tmp_path / "started")
    assert done.returncode == 125 and message in done.stderr
    assert not (tmp_path / "started").exists()
    assert machine.status() is None, "an agent was started for nothing"


def test_a_file_that_cannot_be_read_starts_nothing(tmp_path, machine):
    done = egress(machine, "exec", "--policy", tmp_path / "absent.yaml", "--", "touch", tmp_path / "started")
    assert done.returncode == 125 and "absent.yaml: cannot be read: No such file" in done.stderr
    assert not (tmp_path / "started").exists()


def test_the_policy_may_come_by_standard_input(machine):
    done = egress(machine, "explain", "--policy", "-", "203.0.113.9:443", "-n", "prod", stdin=TREE)
    assert done.returncode == 1 and "block 203.0.113.9" in done.stdout


def test_explain_shows_the_path_and_the_fix(tmp_path, machine):
    policy = written(tmp_path, TREE)
    done = egress(machine, "explain", "--policy", policy, "-n", "prod/payments", "203.0.113.200:443")
    assert done.returncode == 1
    assert done.stdout == """deny 203.0.113.200:443 (policy)
decided by namespace:prod/payments: unmatched
namespace prod/payments, enforcement

layers
  abstain  egress                   unmatched
  deny     namespace:prod/payments  unmatched
  allow    namespace:prod           allow 203.0.113.0/24  (Namespace prod, line 1)

to allow it
  namespace:prod/payments: add 203.0.113.200 to allowed_domains of namespace prod/payments

assumes
  no name given: rules with host names do not match
"""


def test_policy_tests_run_without_a_server(tmp_path, machine):
    policy = written(tmp_path, TREE)
    done = egress(machine, "test", "-f", policy)
    assert (done.returncode, done.stdout) == (0, "1 test, 3 destinations, all as expected\n"), done.stderr
    wrong = written(tmp_path, TREE.replace('allow: ["203.0.113.1:443"]', 'allow: ["203.0.113.1:443", "203.0.113.9:1"]'))
    done = egress(machine, "test", "-f", wrong)
    assert done.returncode == 1
    assert done.stdout == ("FAILED payments: 203.0.113.9:1: expected allow, got deny by egress: block 203.0.113.9 "
                           "(EgressDomain 203.0.113.9, line 11)\n1 test, 4 destinations, 1 not as expected\n")
    report = json.loads(egress(machine, "test", "-f", wrong, "--json").stdout)
    assert report["tests"] == 1 and report["destinations"] == 4
    assert report["failures"] == [{"test": "payments", "destination": "203.0.113.9:1", "expected": "allow",
                                   "verdict": "deny", "layer": "egress", "rule": "block 203.0.113.9",
                                   "source": {"document": "EgressDomain 203.0.113.9", "line": 11}}]
    none = egress(machine, "test", "-f", written(tmp_path, MIRRORD % "{}"))
    assert none.returncode == 4 and "holds no PolicyTest" in none.stderr


class ScriptedServer(http.server.ThreadingHTTPServer):
    """Answers everything with one status and body, and remembers what it was asked."""

    def __init__(self, status, body):
        self.status, self.body, self.requests = status, body, []
        super().__init__(("127.0.0.1", 0), ScriptedAnswer)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def __exit__(self, *_):
        self.shutdown()
        self.thread.join()
        self.server_close()


class ScriptedAnswer(http.server.BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.server.requests.append((self.command, self.path, self.headers.get("Content-Type"), body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body.encode())

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


def test_apply_sends_the_file_and_shows_what_became_of_it(tmp_path, machine):
    answer = {"applied": [{"kind": "Namespace", "namespace": "", "name": "prod", "result": "created"},
                          {"kind": "EgressDomain", "namespace": "", "name": "203.0.113.9", "result": "unchanged"}],
              "warnings": [], "restricts": 1}
    with ScriptedServer(200, json.dumps(answer)) as server:
        done = egress(machine, "apply", "-f", "-", "-n", "prod/x", "--dry-run", "--force", "--server", server.url,
                      stdin=TREE)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ("created   Namespace prod\nunchanged EgressDomain 203.0.113.9\n"
                           "this newly restricts 1 namespace\nnothing was applied: a dry run\n")
    assert server.requests == [("POST", "/api/manifests?namespace=prod%2Fx&dry_run=true&force=true", "application/yaml",
                                TREE)]


@pytest.mark.parametrize("status, body, code, said", [
    (409, {"error": "child_widens_parent", "message": "domain a is not covered by ancestor prod"}, 1, "not covered by ancestor"),
    (409, {"error": "cascade_violations", "cascade_warnings": [{"child": "prod/x", "uncovered_domains": ["a.example"]}]}, 1,
     "prod/x would no longer be covered for a.example"),
    (400, {"error": "invalid_manifest", "problems": [{"document": 2, "line": 8, "column": 1, "path": "metadata",
                                                      "message": "is odd", "expected": "none"}]}, 1,
     "<stdin>:8:1: metadata: is odd (expected none)"),
    (403, {"error": "forbidden", "message": "operator scope on / is needed"}, 1, "operator scope on / is needed"),
    (503, {"error": "unavailable", "message": "try later"}, 4, "try later"),
    (404, "no such page", 4, "is it an egress-server"),
])
def test_refusals_of_apply_are_clear(machine, status, body, code, said):
    with ScriptedServer(status, body if isinstance(body, str) else json.dumps(body)) as server:
        done = egress(machine, "apply", "-f", "-", EGRESS_SERVER=server.url, stdin=TREE)
    assert done.returncode == code and said in done.stderr, done.stderr
    assert "nothing was applied" in done.stderr and done.stdout == ""


def test_export_writes_the_stream_as_it_came(machine):
    with ScriptedServer(200, TREE) as server:
        done = egress(machine, "export", "-n", "prod", "--server", server.url)
    assert (done.returncode, done.stdout) == (0, TREE), done.stderr
    assert server.requests[0][:2] == ("GET", "/api/manifests?format=yaml&namespace=prod")
    with ScriptedServer(401, '{"error": "unauthorized", "message": "a token is needed"}') as server:
        done = egress(machine, "export", "--server", server.url)
    assert done.returncode == 1 and done.stdout == "" and "a token is needed" in done.stderr


def test_explain_asks_the_server(machine):
    answer = {"verdict": "deny", "deny_reason": "policy", "layer": "egress", "rule": "unmatched", "revision": 3,
              "mode": "enforcement", "namespace_exists": True, "votes": [], "assumes": [],
              "fixes": [{"layer": "egress", "summary": "allow it", "request": {"method": "POST",
                         "path": "/api/policy/egress/allow", "body": "{}"}}]}
    with ScriptedServer(200, json.dumps(answer)) as server:
        done = egress(machine, "explain", "--server", server.url, "-n", "prod", "-w", "shop", "--labels", "a=b",
                      "--ip", "192.0.2.1", "api.example:443/udp")
        assert done.returncode == 1 and "revision 3" in done.stdout and "POST /api/policy/egress/allow {}" in done.stdout
        answer["verdict"] = "allow"
        server.body = json.dumps(answer)
        assert egress(machine, "explain", "--server", server.url, "[2001:db8::1]:443").returncode == 0
        server.body = "{}"
        assert egress(machine, "explain", "--server", server.url, "10.0.0.1:443").returncode == 4
    assert server.requests[0][1] == ("/api/explain?namespace=prod&workload=shop&labels=a%3Db&host=api.example"
                                     "&ip=192.0.2.1&port=443&protocol=udp")
    assert server.requests[1][1] == "/api/explain?namespace=default&ip=2001%3Adb8%3A%3A1&port=443&protocol=tcp"


@pytest.mark.parametrize("command", [["explain", "a.example:1"], ["export"], ["apply", "-f", "-"]])
def test_a_server_that_is_not_there_is_4(machine, command):
    done = egress(machine, *command, "--server", "http://127.0.0.1:1", stdin=TREE)
    assert done.returncode == 4 and "cannot connect to http://127.0.0.1:1" in done.stderr
