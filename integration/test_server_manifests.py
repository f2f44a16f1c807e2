"""Manifests through the real server: the documents of seeds 000 and 001 verbatim, judged by /api/explain."""

import json
import os
import re
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from conftest import BIN, ROOT, explain


@pytest.fixture(scope="module", autouse=True)
def built():
    """These tests need the server alone."""
    assert (BIN / "egress-server").exists(), f"{BIN / 'egress-server'} is missing: build it first (scripts/test does)"


def seed_blocks(number):
    """The YAML blocks of a seed document, as printed there."""
    directory = Path(os.environ.get("EGRESS_SEEDS_DIR", ROOT.parent / "shared/seeds"))
    found = sorted(directory.glob(f"{number}_*.txt"))
    if not found:
        pytest.skip(f"the seed documents are not in {directory}")
    return re.findall(r"```yaml\n(.*?)```", found[0].read_text(), re.DOTALL)


def post(server, text, query=""):
    body = text.encode() if isinstance(text, str) else text
    return server.call("POST", f"/api/manifests{query}", body, {"Content-Type": "application/yaml"})


def apply(server, text, query=""):
    reply = post(server, text, query)
    assert reply.status == 200, reply.body
    return reply.json


def judge(server, table, **more):
    """A truth table: every row that is wrong is shown."""
    wrong = []
    for destination, verdict, layer, rule in table:
        answer = explain(server, destination, **more)
        got = (answer["verdict"], answer["layer"], answer["rule"])
        if got != (verdict, layer, rule):
            wrong.append((destination, (verdict, layer, rule), got))
    assert not wrong, "\n".join(f"{d}: expected {e}, got {g}" for d, e, g in wrong)


def allow_by_default(server):
    server.post("/api/fleet/namespaces", {"name": "/", "default_action": "allow"})


# --- seed 000 -------------------------------------------------------------------------------------------------------

BOATS = "mirrord:default/block-mirroring-from-boats-deployment"
ALLOW, BLOCK = "spec.network.outgoing.allow", "spec.network.outgoing.block"

MIRRORD_TABLE = [
    # The first allow rule: inside, outside, at the edges.
    ("10.0.0.0:80/tcp", "allow", BOATS, f"{ALLOW}[0]"),
    ("10.0.1.2:443/tcp", "allow", BOATS, f"{ALLOW}[0]"),
    ("10.0.255.255:53/udp", "allow", BOATS, f"{ALLOW}[0]"),
    ("10.0.4.255:80/tcp", "allow", BOATS, f"{ALLOW}[0]"),
    ("10.0.6.0:80/tcp", "allow", BOATS, f"{ALLOW}[0]"),
    ("[::ffff:10.0.1.2]:80/tcp", "allow", BOATS, f"{ALLOW}[0]"),
    ("9.255.255.255:80/tcp", "deny", BOATS, "unmatched"),
    ("10.1.0.0:80/tcp", "deny", BOATS, "unmatched"),
    # Its exception.
    ("10.0.5.0:80/tcp", "deny", BOATS, "unmatched"),
    ("10.0.5.255:443/tcp", "deny", BOATS, "unmatched"),
    # A port or a protocol off.
    ("10.0.1.2:81/tcp", "deny", BOATS, "unmatched"),
    ("10.0.1.2:442/tcp", "deny", BOATS, "unmatched"),
    ("10.0.1.2:53/tcp", "deny", BOATS, "unmatched"),
    ("10.0.1.2:80/udp", "deny", BOATS, "unmatched"),
    ("10.0.1.2:443/udp", "deny", BOATS, "unmatched"),
    ("10.0.1.2/icmp", "deny", BOATS, "unmatched"),
    # The host name.
    ("metalbear.co:443/tcp", "allow", BOATS, f"{ALLOW}[1]"),
    ("metalbear.com:443/tcp", "allow", BOATS, f"{ALLOW}[1]"),
    ("MetalBear.Com.:443/tcp", "allow", BOATS, f"{ALLOW}[1]"),
    ("metalbear.company:443/tcp", "deny", BOATS, "unmatched"),
    ("xmetalbear.co:443/tcp", "deny", BOATS, "unmatched"),
    ("app.metalbear.co:443/tcp", "deny", BOATS, "unmatched"),
    ("metalbearxco:443/tcp", "deny", BOATS, "unmatched"),
    ("metalbear.co:80/tcp", "deny", BOATS, "unmatched"),
    ("metalbear.co:443/udp", "deny", BOATS, "unmatched"),
    # Block over allow, and only what it names.
    ("10.0.1.2:22/tcp", "deny", BOATS, f"{BLOCK}[0]"),
    ("192.0.2.1:22/tcp", "deny", BOATS, f"{BLOCK}[0]"),
    ("192.0.2.1:22/udp", "deny", BOATS, "unmatched"),
    ("[2001:db8::1]:22/tcp", "deny", BOATS, "unmatched"),
]


def test_the_mirrord_page_s_example(server):
    [example] = seed_blocks("000")
    answer = apply(server, example)
    assert answer == {
        "applied": [{"kind": "MirrordPolicy", "namespace": "default",
                     "name": "block-mirroring-from-boats-deployment", "result": "created"}],
        "warnings": [], "restricts": 0}
    judge(server, MIRRORD_TABLE)
    # A name whose address is known: the block rule speaks of addresses.
    assert explain(server, "metalbear.co:22/tcp", ip="192.0.2.1")["rule"] == f"{BLOCK}[0]"


def test_a_vote_says_where_its_rule_was_written(server):
    [example] = seed_blocks("000")
    apply(server, "# moved down\n\n---\n" + example)
    vote = next(v for v in explain(server, "10.0.1.2:22/tcp")["votes"] if v["layer"] == BOATS)
    line = vote["source"]["line"]
    assert vote["source"]["document"] == "MirrordPolicy default/block-mirroring-from-boats-deployment"
    assert "- ipBlock:" in example.splitlines()[line - 1]
    assert example.splitlines()[line - 2].strip() == "block:"


RULE_443 = "- {ports: [{protocol: TCP, port: 443}]}"
RULE_HOST = '- {hostname: "^a[.]example$"}'

# The page's four evaluation steps, each as a policy; the default action is allow, as on a cluster without policies.
STEPS = {
    "no rules": ("{}", {"a.example:443/tcp": "allow", "b.example:80/udp": "allow"}),
    "empty lists": ("{allow: [], block: []}", {"a.example:443/tcp": "allow", "192.0.2.1:22/tcp": "allow"}),
    "allow rules check": (f"{{allow: [{RULE_443[2:]}]}}", {"a.example:443/tcp": "allow", "a.example:80/tcp": "deny"}),
    "block rules precedence": (f"{{allow: [{RULE_443[2:]}], block: [{RULE_HOST[2:]}]}}",
                               {"a.example:443/tcp": "deny", "b.example:443/tcp": "allow",
                                "b.example:80/tcp": "deny"}),
    "otherwise permitted": (f"{{block: [{RULE_HOST[2:]}]}}", {"a.example:443/tcp": "deny",
                                                              "b.example:443/tcp": "allow"}),
}


@pytest.mark.parametrize("step", STEPS)
def test_the_mirrord_page_s_evaluation_steps(server, step):
    outgoing, expected = STEPS[step]
    allow_by_default(server)
    apply(server, "apiVersion: policies.mirrord.metalbear.co/v1alpha\nkind: MirrordPolicy\nmetadata: {name: p}\n"
                  f"spec: {{network: {{outgoing: {outgoing}}}}}\n")
    assert {d: explain(server, d)["verdict"] for d in expected} == expected


# --- seed 001 -------------------------------------------------------------------------------------------------------

GATEWAY = "gateway:/"


def test_the_lockdown_page_s_recipe(server):
    recipe = seed_blocks("001")[0]
    answer = apply(server, recipe)
    assert [(d["kind"], d["namespace"], d["name"], d["result"]) for d in answer["applied"]] == [
        ("EgressGateway", "/", "prod-agents", "created"), ("EgressL4Route", "/", "anthropic-tls", "created"),
        ("EgressL4Route", "/", "app-postgres", "created")]
    assert [(w["line"], w["path"]) for w in answer["warnings"]] == [(13, "spec.listeners[1].tls.mode")]
    assert answer["restricts"] == 2, "the root and default"
    judge(server, [
        ("api.anthropic.com:443/tcp", "allow", GATEWAY, "anthropic-tls spec.rules[0].matches[0]"),
        ("pg.prod.internal:5432/tcp", "allow", GATEWAY, "app-postgres spec.rules[0].matches[0]"),
        ("api.anthropic.com:80/tcp", "deny", GATEWAY, "unmatched"),
        ("api.anthropic.com:443/udp", "deny", GATEWAY, "unmatched"),
        ("x.api.anthropic.com:443/tcp", "deny", GATEWAY, "unmatched"),
        ("api.anthropic.com.evil.example:443/tcp", "deny", GATEWAY, "unmatched"),
        ("pg.prod.internal:443/tcp", "deny", GATEWAY, "unmatched"),
        ("paste.example:443/tcp", "deny", GATEWAY, "unmatched"),
        ("192.0.2.1:443/tcp", "deny", GATEWAY, "unmatched"),
    ], namespace="some/where")


def gateway(name="g", policy="", namespace="", listeners="[{name: tcp, protocol: TCP}]"):
    return ("---\napiVersion: clrk.apoxy.dev/v1alpha1\nkind: EgressGateway\n"
            f"metadata: {{name: {name}{namespace and ', namespace: ' + namespace}}}\n"
            f"spec: {{{policy and 'defaultPolicy: ' + policy + ', '}listeners: {listeners}}}\n")


def route(matches, name="r", parent="g", namespace=""):
    """`matches` is the text of a YAML list, as the page prints it."""
    indented = "".join(f"        {line}\n" for line in matches.strip("\n").splitlines())
    return ("---\napiVersion: clrk.apoxy.dev/v1alpha1\nkind: EgressL4Route\n"
            f"metadata: {{name: {name}{namespace and ', namespace: ' + namespace}}}\nspec:\n"
            f"  parentRefs: [{{name: {parent}}}]\n  rules:\n    - matches:\n{indented}")


def deny_policy(target, name="d"):
    return ("---\napiVersion: clrk.apoxy.dev/v1alpha1\nkind: EgressDenyPolicy\n"
            f"metadata: {{name: {name}}}\nspec: {{targetRef: {{kind: EgressL4Route, name: {target}}}}}\n")


def as_match(fields):
    """The page prints the fields of one match without its dash."""
    return "\n".join(("- " if i == 0 else "  ") + line for i, line in enumerate(fields.strip("\n").splitlines()))


def matched(number, name="r"):
    return f"{name} spec.rules[0].matches[{number}]"


CANNED = {
    # The block's place on the page -> its truth table.
    2: [("api.anthropic.com:443/tcp", "allow", matched(0)), ("api.anthropic.com:80/tcp", "deny", "unmatched"),
        ("s3.us-east-1.amazonaws.com:443/tcp", "deny", "unmatched")],
    3: [("api.anthropic.com:443/tcp", "allow", matched(0)),
        ("s3.us-east-1.amazonaws.com:443/tcp", "allow", matched(0)),
        ("bucket.s3.us-east-1.amazonaws.com:443/tcp", "deny", "unmatched"),
        ("pg.prod.internal:5432/tcp", "allow", matched(1)), ("pg.prod.internal:443/tcp", "deny", "unmatched"),
        ("api.anthropic.com:5432/tcp", "deny", "unmatched")],
    4: [("db.svc.cluster.local:1/tcp", "allow", matched(0)), ("db.svc.cluster.local:65535/tcp", "allow", matched(0)),
        ("svc.cluster.local:80/tcp", "deny", "unmatched"), ("a.db.svc.cluster.local:80/tcp", "deny", "unmatched"),
        ("10.255.255.255:1/tcp", "allow", matched(1)), ("10.0.0.0:443/tcp", "allow", matched(1)),
        ("11.0.0.0:443/tcp", "deny", "unmatched"), ("10.0.0.1:443/udp", "deny", "unmatched"),
        ("10.0.0.1/icmp", "deny", "unmatched")],
}


@pytest.mark.parametrize("block", CANNED)
def test_the_lockdown_page_s_canned_allowlists(server, block):
    apply(server, gateway() + route(seed_blocks("001")[block]))
    judge(server, [(d, verdict, GATEWAY, rule) for d, verdict, rule in CANNED[block]])


def test_the_lockdown_page_s_wildcards_and_ranges(server):
    fields = seed_blocks("001")[1]
    apply(server, gateway() + route(as_match(fields)))
    # Hosts and CIDRs of one match are both required (policy.md section 3).
    assert explain(server, "api.openai.com:443/tcp")["verdict"] == "deny"
    assert explain(server, "10.20.0.1:443/tcp")["verdict"] == "deny"
    for host, address, port, verdict in [
        ("api.openai.com", "10.20.0.1", 443, "allow"), ("api.openai.com", "203.0.113.5", 443, "allow"),
        ("api.openai.com", "203.0.113.6", 443, "deny"), ("api.openai.com", "10.21.0.0", 443, "deny"),
        ("x.azure.openai.com", "10.20.255.255", 443, "allow"), ("azure.openai.com", "10.20.0.1", 443, "deny"),
        ("eu.x.azure.openai.com", "10.20.0.1", 443, "deny"), ("x.api.openai.com", "10.20.0.1", 443, "deny"),
        ("api.openai.com", "10.20.0.1", 7999, "deny"), ("api.openai.com", "10.20.0.1", 8000, "allow"),
        ("api.openai.com", "10.20.0.1", 8099, "allow"), ("api.openai.com", "10.20.0.1", 8100, "deny"),
        ("api.openai.com", "10.20.0.1", 442, "deny"), ("api.openai.com", "10.20.0.1", 444, "deny"),
    ]:
        answer = explain(server, f"{host}:{port}/tcp", ip=address)
        assert answer["verdict"] == verdict, (host, address, port, answer)
    assert explain(server, "api.openai.com:443/udp", ip="10.20.0.1")["verdict"] == "deny"


def test_a_gateway_without_a_default_policy_is_closed(server):
    allow_by_default(server)
    assert explain(server, "a.example:443/tcp")["verdict"] == "allow"
    assert apply(server, gateway())["restricts"] == 2
    judge(server, [("a.example:443/tcp", "deny", GATEWAY, "unmatched")])
    assert apply(server, gateway())["restricts"] == 0, "it restricted before"
    assert apply(server, gateway(policy="allow-all"))["applied"][0]["result"] == "changed"
    judge(server, [("a.example:443/tcp", "allow", GATEWAY, "unmatched")])


def test_two_gateways_of_one_namespace_are_one_layer(server):
    server.post("/api/fleet/namespaces", {"name": "prod"})
    apply(server, gateway("open", "allow-all", "prod") + gateway("shut", "deny-all", "prod")
          + route('- destinationHostnames: ["a.example"]', "one", "open", "prod")
          + route('- destinationHostnames: ["b.example"]', "two", "shut", "prod"))
    layer = "gateway:prod"
    table = [("a.example:1/tcp", "allow", layer, matched(0, "one")), ("b.example:1/tcp", "allow", layer,
             matched(0, "two")), ("c.example:1/tcp", "deny", layer, "unmatched")]
    judge(server, table, namespace="prod")
    judge(server, table, namespace="prod/below")
    judge(server, [("a.example:1/tcp", "deny", "default", "unmatched")], namespace="other")
    apply(server, gateway("shut", "allow-all", "prod"))
    judge(server, [("c.example:1/tcp", "allow", layer, "unmatched")], namespace="prod")


def test_a_deny_policy_inverts_a_route_of_an_open_gateway(server):
    apply(server, gateway(policy="allow-all") + route('- destinationHostnames: ["**.paste.example"]', "pastes")
          + deny_policy("pastes"))
    judge(server, [("x.paste.example:443/tcp", "deny", GATEWAY, matched(0, "pastes")),
                   ("paste.example:443/tcp", "allow", GATEWAY, "unmatched"),
                   ("a.example:443/tcp", "allow", GATEWAY, "unmatched")])
    answer = explain(server, "x.paste.example:443/tcp")
    assert answer["fixes"][0]["layer"] == GATEWAY
    assert server.call("DELETE", "/api/manifests?kind=EgressDenyPolicy&name=d").status == 200
    assert explain(server, "x.paste.example:443/tcp")["verdict"] == "allow"


def test_labels_choose_the_policies_of_a_workload(server):
    apply(server, "apiVersion: policies.mirrord.metalbear.co/v1alpha\nkind: MirrordClusterPolicy\n"
                  "metadata: {name: boats}\nspec: {selector: {matchLabels: {app: boats}}, targetPath: deployment/*, "
                  "network: {outgoing: {allow: [{hostname: '^a[.]example$'}]}}}\n")
    asked = {("app=boats", "deployment/web"): "allow", ("app=cars", "deployment/web"): "deny",
             ("app=boats", "pod/web"): "deny", ("", ""): "deny"}
    for (labels, target), verdict in asked.items():
        answer = explain(server, "a.example:1/tcp", labels=labels, target=target)
        assert answer["verdict"] == verdict, (labels, target)
        assert answer["layer"] == ("mirrord-cluster:boats" if verdict == "allow" else "default")


# --- our own documents ----------------------------------------------------------------------------------------------

SECTION_10 = """\
apiVersion: egress/v1
kind: Namespace
metadata: {name: prod/payments}
spec: {description: payment-service workloads, allowed_domains: [api.stripe.com, {domain: api.bank.eu, reason: SEPA, expires_at: 2027-01-31T00:00:00Z}], blocked_domains: [], mode: enforcement}
---
apiVersion: egress/v1
kind: EgressDomain
metadata: {name: api.stripe.com}
spec: {action: allow, reason: payments, require_auth: true}
---
apiVersion: egress/v1
kind: PolicyTest
metadata: {name: payments-reach-stripe}
spec: {namespace: prod/payments, allow: ["api.stripe.com:443/tcp"], deny: ["evil.example:443/tcp", "10.0.0.1:22/tcp"]}
---
apiVersion: clrk.apoxy.dev/v1alpha1
kind: EgressDenyPolicy
metadata: {name: no-pastes}
spec: {targetRef: {group: clrk.apoxy.dev, kind: EgressL4Route, name: pastes}, denyResponse: {statusCode: 403, message: "not from here"}}
"""
PASTES = gateway(policy="allow-all") + route('- destinationHostnames: ["paste.example"]', "pastes")


def test_the_documents_of_our_own(server):
    apply(server, PASTES)
    answer = apply(server, SECTION_10)
    assert [(d["kind"], d["namespace"], d["name"], d["result"]) for d in answer["applied"]] == [
        ("Namespace", "", "prod/payments", "created"), ("EgressDomain", "", "api.stripe.com", "created"),
        ("PolicyTest", "/", "payments-reach-stripe", "created"), ("EgressDenyPolicy", "/", "no-pastes", "created")]
    [namespace] = server.get("/api/fleet/namespaces?name=prod/payments")["items"]
    assert namespace["description"] == "payment-service workloads"
    assert namespace["allowed_domains"] == [
        "api.stripe.com", {"domain": "api.bank.eu", "reason": "SEPA", "expires_at": "2027-01-31T00:00:00Z"}]
    [entry] = server.get("/api/policy/egress")["allowed"]
    assert (entry["domain"], entry["reason"], entry["require_auth"]) == ("api.stripe.com", "payments", True)
    unauthenticated = explain(server, "api.stripe.com:443/tcp", "prod/payments")
    assert (unauthenticated["verdict"], unauthenticated["deny_reason"]) == ("deny", "auth_required")
    assert "the workload is not authenticated" in unauthenticated["assumes"]
    assert explain(server, "api.stripe.com:443/tcp", "prod/payments", authenticated="true")["verdict"] == "allow"
    assert explain(server, "paste.example:443/tcp", "prod/payments")["verdict"] == "deny"
    again = apply(server, SECTION_10)
    assert {d["result"] for d in again["applied"]} == {"unchanged"}


def bundle_tag(server, namespace):
    reply = server.call("GET", f"/api/bundle?namespace={namespace}&workload=w")
    assert reply.status == 200, reply.body
    return reply.headers["ETag"]


def layers_of(server, namespace):
    manifest = json.loads(server.get(f"/api/bundle?namespace={namespace}&workload=w")["manifest"])
    return [layer["id"] for layer in manifest["stack"]]


def test_bundles_carry_the_documents_in_stack_order(server):
    apply(server, gateway("g", "", "/") + gateway("g", "", "prod") + "---\n" + seed_blocks("000")[0].replace(
        "namespace: default", "namespace: prod") + SECTION_10.split("---\n")[0].join(["---\n", ""]))
    assert layers_of(server, "prod/payments") == [
        "egress", "namespace:prod/payments", "namespace:/",
        "mirrord:prod/block-mirroring-from-boats-deployment", "gateway:prod", "gateway:/"]
    assert layers_of(server, "default") == ["egress", "namespace:default", "namespace:/", "gateway:/"]


def export(server, query=""):
    reply = server.call("GET", f"/api/manifests?format=yaml{query}")
    assert reply.status == 200 and reply.headers["Content-Type"] == "application/yaml"
    return reply.body.decode()


def remove_all(server):
    """Referrers first; the two namespaces of the first start stay."""
    for kind in ("PolicyTest", "EgressDenyPolicy", "EgressL4Route", "EgressGateway", "MirrordPolicy",
                 "MirrordClusterPolicy", "EgressDomain", "Namespace"):
        for item in reversed(server.get(f"/api/manifests?kind={kind}&limit=1000")["items"]):
            if kind == "Namespace" and item["name"] == "/":
                continue
            query = urlencode({"kind": kind, "name": item["name"], "namespace": item["namespace"]})
            reply = server.call("DELETE", f"/api/manifests?{query}")
            # A domain of both lists is listed twice and removed once.
            assert reply.status == 200 or (kind == "EgressDomain" and reply.status == 404), reply.body


def test_export_delete_apply_gives_the_same_bundles(server):
    [mirrord] = seed_blocks("000")
    apply(server, PASTES + "---\n" + SECTION_10 + "---\n" + mirrord)
    apply(server, seed_blocks("001")[0], "?namespace=default")
    for action in ("allow", "block"):
        server.post(f"/api/policy/egress/{action}", {"domain": "both.example", "reason": "both \"lists\", ünïcode"})
    server.post("/api/policy/egress/block", {"domain": "10.0.0.0/8"})
    server.post("/api/policy/egress/allow", {"domain": "**.old.example", "expires_at": "2099-01-01T00:00:00Z"})
    before = {n: bundle_tag(server, n) for n in ("/", "default", "prod/payments")}
    exported = export(server)
    assert {d["result"] for d in apply(server, exported)["applied"]} == {"unchanged"}

    remove_all(server)
    assert layers_of(server, "/") == ["egress", "namespace:/"]
    assert server.call("GET", "/api/bundle?namespace=prod/payments&workload=w").status == 404
    answer = apply(server, exported)
    assert {d["result"] for d in answer["applied"] if d["name"] != "/"} == {"created"}
    assert {n: bundle_tag(server, n) for n in before} == before
    assert export(server) == exported


def test_an_export_can_be_read_in_parts(server):
    apply(server, PASTES + "---\n" + SECTION_10)
    whole, parts, cursor = export(server), "", ""
    while cursor is not None:
        reply = server.call("GET", f"/api/manifests?format=yaml&limit=2&cursor={cursor}")
        parts += reply.body.decode()
        cursor = reply.headers["Egress-Next-Cursor"]
    assert parts == whole
    names, cursor = [], ""
    while cursor is not None:
        page = server.get(f"/api/manifests?limit=3&cursor={quote(cursor, safe='')}")
        names += [(i["kind"], i["name"]) for i in page["items"]]
        cursor = page["next_cursor"]
    assert names == sorted(names) and len(set(names)) == len(names) == 8
    assert [i["name"] for i in server.get("/api/manifests?kind=EgressL4Route&namespace=/")["items"]] == ["pastes"]
    assert server.get("/api/manifests?name=nothing")["items"] == []
    accepting = server.call("GET", "/api/manifests?kind=PolicyTest", headers={"Accept": "application/yaml"})
    assert "kind: PolicyTest" in accepting.body.decode() and accepting.headers["Content-Type"] == "application/yaml"


def test_json_is_accepted_whatever_the_content_type(server):
    document = {"apiVersion": "egress/v1", "kind": "EgressDomain", "metadata": {"name": "a.example"},
                "spec": {"action": "block"}}
    for content_type in ("application/json", "application/x-www-form-urlencoded", "text/plain"):
        assert server.call("POST", "/api/manifests", document, {"Content-Type": content_type}).status == 200
    hosts = {"apiVersion": "clrk.apoxy.dev/v1alpha1", "kind": "EgressGateway", "metadata": {"name": "g"},
             "spec": {"listeners": [{"name": "l", "protocol": "TCP"}]}}
    assert server.call("POST", "/api/manifests?namespace=prod", hosts).status == 200
    [item] = server.get("/api/manifests?kind=EgressGateway")["items"]
    assert item["namespace"] == "prod"
    assert json.loads(item["source"])["metadata"] == {"namespace": "prod", "name": "g"}
    assert {d["result"] for d in apply(server, export(server))["applied"]} == {"unchanged"}


# --- refusals: nothing changes ----------------------------------------------------------------------------------------

REFUSED = {
    "not YAML": ("a: [", "1:", None),
    "no document": ("---\n# nothing\n", None, None),
    "not UTF-8": (b"a: \xff\n", "1:4", None),
    "unknown kind": ("apiVersion: egress/v1\nkind: Nope\nmetadata: {name: a}\n", "2:7", "kind"),
    "L7 kind": ("apiVersion: clrk.apoxy.dev/v1alpha1\nkind: AIProviderRoute\nmetadata: {name: a}\n", "2:7", "kind"),
    "unknown field": ("apiVersion: egress/v1\nkind: EgressDomain\nmetadata: {name: a.b}\nspec: {action: allow, x: 1}\n",
                      "4:23", "spec.x"),
    "duplicate key": ("apiVersion: egress/v1\nkind: EgressDomain\nkind: EgressDomain\n", "3:1", None),
    "bad CIDR": (gateway() + route('- destinationCIDRs: ["10.0.0.0/33"]'), "14:30",
                 "spec.rules[0].matches[0].destinationCIDRs[0]"),
    "startPort alone": (gateway() + route("- ports: [{startPort: 1}]"), "14:19",
                        "spec.rules[0].matches[0].ports[0].endPort"),
    "port out of range": (gateway() + route("- ports: [{port: 65536}]"), "14:26",
                          "spec.rules[0].matches[0].ports[0].port"),
    "empty list": (gateway() + route("- ports: []"), "14:18", "spec.rules[0].matches[0].ports"),
    "dangling gateway": (route('- destinationHostnames: ["a.example"]'), "6:16", "spec.parentRefs[0]"),
    "dangling route": (deny_policy("nothing"), "5:19", "spec.targetRef"),
    "given twice": (gateway() + gateway(), "7:1", "metadata.name"),
    "Namespace twice": ("apiVersion: egress/v1\nkind: Namespace\nmetadata: {name: a}\nspec: {}\n---\n" * 2, "6:1",
                        "metadata.name"),
    "EgressDomain twice": ("apiVersion: egress/v1\nkind: EgressDomain\nmetadata: {name: a.b}\nspec: {action: allow}\n"
                           "---\napiVersion: egress/v1\nkind: EgressDomain\nmetadata: {name: A.b.}\n"
                           "spec: {action: allow}\n", "6:1", "metadata.name"),
    "domain twice": ("apiVersion: egress/v1\nkind: Namespace\nmetadata: {name: a}\n"
                     "spec: {allowed_domains: [a.b, A.B]}\n", "1:1", "spec.allowed_domains[1]"),
    "name with a slash": (gateway('"a/b"'), "4:18", "metadata.name"),
}


def snapshot(server):
    return (export(server), server.get("/api/policy/egress"), server.get("/api/fleet/namespaces"),
            server.get("/api/audit")["items"], explain(server, "a.example:1/tcp")["revision"])


@pytest.mark.parametrize("what", REFUSED)
def test_a_refused_manifest_changes_nothing(server, what):
    bad, position, path = REFUSED[what]
    before = snapshot(server)
    reply = post(server, bad)
    assert (reply.status, reply.json["error"]) == (400, "invalid_manifest"), reply.body
    first = reply.json["problems"][0]
    assert set(first) == {"document", "line", "column", "path", "message", "expected"}
    assert first["message"] and reply.json["message"]
    if position is not None:
        assert f"{first['line']}:{first['column']}".startswith(position), first
    if path is not None:
        assert first["path"] == path
    assert snapshot(server) == before


def test_one_bad_document_refuses_its_good_neighbours(server):
    before = snapshot(server)
    reply = post(server, gateway() + "---\n" + SECTION_10 + deny_policy("nothing", "other"))
    assert reply.status == 400
    assert {p["document"] for p in reply.json["problems"]} == {5, 6}
    assert snapshot(server) == before


def test_references_are_checked_on_the_final_state(server):
    apply(server, gateway())
    apply(server, route('- destinationHostnames: ["a.example"]'))  # its gateway is stored
    reply = post(server, gateway(listeners="[{name: udp, protocol: UDP}]") +
                 route('- {destinationHostnames: ["a.example"], protocol: TCP}', "other"))
    assert reply.status == 400, "its listeners no longer carry the new route"
    pinned = route('- destinationHostnames: ["b.example"]', "pinned").replace("{name: g}", "{name: g, sectionName: tcp}")
    apply(server, pinned)
    reply = post(server, gateway(listeners="[{name: renamed, protocol: TCP}]"))
    [problem] = reply.json["problems"]
    assert (problem["document"], problem["line"]) == (0, 0) and "EgressL4Route /pinned" in problem["message"]
    moved = pinned.replace("sectionName: tcp", "sectionName: renamed")
    apply(server, gateway(listeners="[{name: renamed, protocol: TCP}]") + moved)


def test_narrowing_holds_for_documents(server):
    def namespace(path, domains):
        return (f"---\napiVersion: egress/v1\nkind: Namespace\nmetadata: {{name: {path}}}\n"
                f"spec: {{allowed_domains: [{', '.join(domains)}]}}\n")

    # A parent and its child in one manifest, whichever comes first.
    apply(server, namespace("prod/a", ["x.example"]) + namespace("prod", ["x.example", "y.example"]))
    before = snapshot(server)
    widened = post(server, namespace("prod/a", ["x.example", "z.example"]))
    assert widened.status == 409 and widened.json == {
        "error": "child_widens_parent", "namespace": "prod/a", "domain": "z.example", "ancestor": "prod",
        "message": "domain z.example is not covered by ancestor prod"}
    assert post(server, namespace("prod/a", ["z.example"]), "?force=true").status == 409, "never forced"
    broken = post(server, namespace("prod", ["y.example"]))
    assert broken.status == 409 and broken.json == {
        "error": "cascade_violations", "cascade_warnings": [{"child": "prod/a", "uncovered_domains": ["x.example"]}]}
    assert snapshot(server) == before
    # Both at once: valid as a whole, though neither would be first alone.
    apply(server, namespace("prod", ["y.example"]) + namespace("prod/a", ["y.example"]))
    forced = apply(server, namespace("prod", ["z.example"]), "?force=true")
    assert forced["cascade_warnings"] == [{"child": "prod/a", "uncovered_domains": ["y.example"]}]
    assert server.get("/api/fleet/namespaces?name=prod/a")["items"][0]["broken"]


def test_a_namespace_document_replaces_the_whole_namespace(server):
    server.post("/api/fleet/namespaces", {"name": "prod", "description": "old", "allowed_domains": ["a.example"],
                                          "blocked_domains": ["b.example"], "mode": "shadow", "loopback": "enforce"})
    apply(server, "apiVersion: egress/v1\nkind: Namespace\nmetadata: {name: prod}\nspec: {lookups: listed}\n")
    [namespace] = server.get("/api/fleet/namespaces?name=prod")["items"]
    assert (namespace["description"], namespace["allowed_domains"], namespace["blocked_domains"], namespace["mode"],
            namespace["loopback"], namespace["lookups"]) == ("", None, [], None, None, "listed")


def test_an_egress_domain_says_all_about_its_domain(server):
    def domain(action):
        return ("---\napiVersion: egress/v1\nkind: EgressDomain\nmetadata: {name: a.example}\n"
                f"spec: {{action: {action}}}\n")

    server.post("/api/policy/egress/block", {"domain": "a.example"})
    assert apply(server, domain("allow"))["applied"][0]["result"] == "changed"
    table = server.get("/api/policy/egress")
    assert ([e["domain"] for e in table["allowed"]], table["blocked"]) == (["a.example"], [])
    assert len(server.audit("policy_removed")) == 1
    # Both in one manifest: both stand, and the block wins.
    apply(server, domain("allow") + domain("block"))
    assert explain(server, "a.example:1/tcp")["rule"] == "block a.example"
    assert server.call("DELETE", "/api/manifests?kind=EgressDomain&name=a.example").status == 200
    assert server.get("/api/policy/egress") == {"allowed": [], "blocked": []}


def test_policy_tests_gate_manifests(server):
    apply(server, PASTES + "---\n" + SECTION_10)
    before = snapshot(server)
    breaking = "apiVersion: egress/v1\nkind: EgressDomain\nmetadata: {name: '*.stripe.com'}\nspec: {action: block}\n"
    reply = post(server, breaking)
    assert (reply.status, reply.json["error"]) == (409, "policy_tests_failed")
    assert reply.json["failures"] == [{"test": "PolicyTest /payments-reach-stripe",
                                       "destination": "api.stripe.com:443/tcp", "expected": "allow", "verdict": "deny",
                                       "layer": "egress", "rule": "block *.stripe.com"}]
    assert post(server, breaking, "?dry_run=true").status == 409
    assert snapshot(server) == before
    # A test that fails as it comes in refuses its own manifest.
    failing = ("apiVersion: egress/v1\nkind: PolicyTest\nmetadata: {name: t}\n"
               "spec: {namespace: prod/payments, deny: ['api.stripe.com:443/tcp']}\n")
    reply = post(server, failing)
    assert [(f["test"], f["expected"], f["verdict"]) for f in reply.json["failures"]] == [
        ("PolicyTest /t", "deny", "allow")]
    # Removal is gated too, and force passes both.
    apply(server, breaking, "?force=true")
    assert explain(server, "api.stripe.com:443/tcp", "prod/payments", authenticated="true")["verdict"] == "deny"
    assert server.call("DELETE", "/api/manifests?kind=EgressDenyPolicy&name=no-pastes").status == 409
    assert server.call("DELETE", "/api/manifests?kind=EgressDenyPolicy&name=no-pastes&force=true").status == 200
    # A block through its own call is never held up.
    server.post("/api/policy/egress/block", {"domain": "api.stripe.com"})


def test_a_dry_run_validates_and_changes_nothing(server):
    before = snapshot(server)
    answer = apply(server, PASTES + "---\n" + SECTION_10, "?dry_run=true")
    assert answer["dry_run"] is True and {d["result"] for d in answer["applied"]} == {"created"}
    assert snapshot(server) == before
    apply(server, gateway())
    before = snapshot(server)
    assert server.call("DELETE", "/api/manifests?kind=EgressGateway&name=g&dry_run=true").status == 200
    assert snapshot(server) == before


def test_every_change_is_audited_under_one_revision(server):
    revision = explain(server, "a.example:1/tcp")["revision"]
    apply(server, PASTES + "---\n" + SECTION_10)
    assert explain(server, "a.example:1/tcp")["revision"] == revision + 1
    rows = server.audit("manifest_applied")
    assert {row["subject"] for row in rows} == {
        "EgressGateway /g", "EgressL4Route /pastes", "Namespace prod/payments", "EgressDomain api.stripe.com",
        "PolicyTest /payments-reach-stripe", "EgressDenyPolicy /no-pastes"}
    assert "kind: EgressGateway" in next(r for r in rows if r["subject"] == "EgressGateway /g")["detail"]["source"]
    assert len(server.audit("namespace_created", namespace="prod/payments")) == 1
    assert server.audit("policy_allow")[0]["detail"]["reason"] == "payments"
    apply(server, SECTION_10)
    assert explain(server, "a.example:1/tcp")["revision"] == revision + 1, "nothing changed"
    server.call("DELETE", "/api/manifests?kind=PolicyTest&name=payments-reach-stripe")
    [removed] = server.audit("manifest_removed")
    assert removed["subject"] == "PolicyTest /payments-reach-stripe" and "evil.example" in removed["detail"]["source"]


def test_what_is_referred_to_cannot_be_removed(server):
    apply(server, PASTES + deny_policy("pastes"))

    def delete(query):
        return server.call("DELETE", f"/api/manifests?{query}")

    before = snapshot(server)
    in_use = delete("kind=EgressGateway&namespace=/&name=g")
    assert (in_use.status, in_use.json["error"]) == (409, "document_in_use")
    assert in_use.json["referrers"] == ["EgressL4Route /pastes"]
    assert delete("kind=EgressL4Route&name=pastes").json["referrers"] == ["EgressDenyPolicy /d"]
    absent = delete("kind=EgressGateway&namespace=prod&name=g")
    assert (absent.status, absent.json["error"]) == (404, "document_not_found")
    assert delete("kind=EgressDomain&name=a.example").status == 404
    assert delete("kind=Namespace&name=nope").status == 404
    assert delete("kind=Namespace&name=/").json["error"] == "root_undeletable"
    assert delete("kind=Nope&name=g").json["error"] == "unknown_kind"
    assert delete("kind=Namespace&namespace=/&name=default").status == 400
    assert delete("kind=EgressGateway").status == 400
    assert snapshot(server) == before
    for kind, name in (("EgressDenyPolicy", "d"), ("EgressL4Route", "pastes"), ("EgressGateway", "g")):
        assert delete(f"kind={kind}&name={name}").status == 200


def test_a_namespace_with_documents_cannot_be_deleted(server):
    server.post("/api/fleet/namespaces", {"name": "prod"})
    apply(server, gateway(namespace="prod"))
    for path in ("/api/fleet/namespaces?name=prod", "/api/manifests?kind=Namespace&name=prod"):
        reply = server.call("DELETE", path)
        assert (reply.status, reply.json["error"]) == (409, "namespace_in_use")
        assert reply.json["documents"] == ["EgressGateway prod/g"]
    assert server.call("DELETE", "/api/fleet/namespaces?name=prod&force=true").status == 200


def test_warnings_tell_what_is_probably_not_meant(server):
    answer = apply(server, gateway(namespace="nowhere"))
    assert [(w["path"], w["message"]) for w in answer["warnings"]] == [
        ("metadata.namespace", "namespace nowhere does not exist")]


# --- explain ----------------------------------------------------------------------------------------------------------

def test_explain_shows_every_layer_and_one_fix_for_each_denial(server):
    server.post("/api/policy/egress/block", {"domain": "evil.example", "reason": "threat-intel"})
    server.post("/api/fleet/namespaces", {"name": "prod", "allowed_domains": ["a.example"], "mode": "shadow"})
    answer = explain(server, "evil.example:443/tcp", "prod/missing/leaf")
    assert (answer["verdict"], answer["deny_reason"], answer["layer"], answer["rule"]) == (
        "would_deny", "policy", "egress", "block evil.example")
    assert (answer["mode"], answer["namespace_exists"]) == ("shadow", False)
    assert [(v["layer"], v["vote"], v["rule"]) for v in answer["votes"]] == [
        ("egress", "deny", "block evil.example"), ("namespace:prod", "deny", "unmatched"),
        ("namespace:/", "abstain", "unmatched")]
    assert [f["layer"] for f in answer["fixes"]] == ["egress", "namespace:prod"]
    fix = answer["fixes"][0]["request"]
    assert server.call(fix["method"], fix["path"], fix["body"]).status == 200, "a fix's request can be sent as it is"
    assert explain(server, "evil.example:443/tcp")["layer"] == "default"
    grant = explain(server, "evil.example:443/tcp")["fixes"][0]["request"]
    server.post(grant["path"], grant["body"])
    assert explain(server, "evil.example:443/tcp")["verdict"] == "allow"
    assert explain(server, "a.example:443/tcp", "prod")["assumes"] == [
        "no address given: rules with CIDRs do not match"]


@pytest.mark.parametrize("query, field", [
    ("", "host"), ("host=a.example", "port"), ("host=a.example&port=0", "port"), ("host=a.example&port=65536", "port"),
    ("host=a..b&port=1", "host"), ("host=a.example&port=1&ip=nope", "ip"), ("ip=10.0.0.1&protocol=icmp&port=1", "port"),
    ("host=10.0.0.1&ip=10.0.0.2&port=1", "ip"), ("host=a.example&port=1&protocol=sctp", "protocol"),
    ("host=a.example&port=1&labels=x", "labels"), ("host=a.example&port=1&namespace=A", "namespace"),
    ("host=a.example&port=1&what=1", "what"),
])
def test_explain_refuses_what_it_cannot_judge(server, query, field):
    reply = server.call("GET", f"/api/explain?{query}")
    assert (reply.status, reply.json["error"], reply.json["field"]) == (400, "invalid_query", field), reply.body
