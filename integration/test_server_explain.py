"""GET /api/explain of the real server against what real processes under the real library meet, and what the audit then
says of it: verdict, reason, layer and rule are the same on every path."""

import json
import sys

import pytest

from conftest import ROOT, TcpUpstream, eventually, explain
from verdicts import NAMESPACE_STACKS

DIAL = ROOT / "integration/programs/dial.py"
DECIDED_BY = ("deny_reason", "layer", "rule")


def decided_by(answer):
    return tuple(answer[key] for key in DECIDED_BY)


def dialled(host, namespace, destinations):
    done = host.run(sys.executable, DIAL, json.dumps(destinations), namespace=namespace)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def audited(server, namespace, port, event="proxy_domain_denied"):
    """What was decided of the dials to `port`, by their name or, without one, by their address."""
    rows = server.audit(event, namespace=namespace)
    return {row["detail"]["host"] or row["detail"]["address"]: decided_by(row["detail"])
            for row in rows if row["detail"]["port"] == port}


# --- the control plane ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("mode", ["enforcement", "shadow"])
def test_the_servers_own_port_is_refused_where_all_else_is_open(host, server, mode):
    server.post("/api/fleet/namespaces", {"name": "/", "default_action": "allow"})
    server.post("/api/fleet/namespaces", {"name": "test", "allowed_domains": None, "mode": mode})
    host.resolve = {"own.test": ["127.0.0.1"]}
    beside = TcpUpstream("127.0.0.1")
    try:
        to = [{"name": None, "address": address, "port": port, "transport": "tcp"}
              for port in (server.port, beside.port) for address in ("127.0.0.1", "0.0.0.0", "::ffff:127.0.0.1")]
        to += [{"name": "own.test", "address": "127.0.0.1", "port": server.port, "transport": "tcp"}]
        assert dialled(host, "test", to) == ["ECONNREFUSED"] * 3 + ["ok"] * 3 + ["ECONNREFUSED"]
    finally:
        beside.close()

    # The address decides, so no name is recorded as deciding, not even own.test.
    real = eventually(lambda: audited(server, "test", server.port), what="the audit row")
    assert real == {"127.0.0.1": ("control_plane", "default", "unmatched")}
    for asked in to:
        named = asked["name"] or f"[{asked['address']}]"
        answer = explain(server, f"{named}:{asked['port']}/tcp", "test", ip=asked["address"])
        if asked["port"] == server.port:
            assert answer["verdict"] == "deny", asked
            assert decided_by(answer) == real["127.0.0.1"]
            assert answer["fixes"] == [], "nothing opens it"
        else:
            assert (answer["verdict"], answer["layer"], answer["rule"]) == ("allow", "default", "unmatched"), asked


def test_a_restart_on_another_port_moves_it(server):
    server.post("/api/fleet/namespaces", {"name": "/", "default_action": "allow"})
    first = server.port
    assert explain(server, f"127.0.0.1:{first}/tcp")["deny_reason"] == "control_plane"
    server.stop()
    server.listen = "[::1]:0"
    server.start()
    assert explain(server, f"[::1]:{server.port}/tcp")["deny_reason"] == "control_plane"
    assert explain(server, f"127.0.0.1:{server.port}/tcp")["verdict"] == "allow"
    assert explain(server, f"[::1]:{server.port - 1}/tcp")["verdict"] == "allow"


def test_policy_tests_speak_of_policy_not_of_where_the_server_listens(server):
    test = {"apiVersion": "egress/v1", "kind": "PolicyTest", "metadata": {"name": "local"},
            "spec": {"namespace": "default", "allow": [f"127.0.0.1:{server.port}/tcp"]}}
    assert server.call("POST", "/api/manifests", test).status == 200, "loopback passes"
    assert explain(server, f"127.0.0.1:{server.port}/tcp")["verdict"] == "deny"


# --- the namespace page ---------------------------------------------------------------------------------------------

def put(server, stack):
    for namespace in stack.namespaces:
        server.post("/api/fleet/namespaces", namespace)


@pytest.mark.parametrize("stack", NAMESPACE_STACKS)
def test_the_namespace_pages_stacks_are_explained(server, stack):
    stack = NAMESPACE_STACKS[stack]
    put(server, stack)
    for case in stack.cases:
        answer = explain(server, f"{case.destination}/tcp", stack.asked, **({"ip": case.address} if case.address else {}))
        reason = "policy" if case.verdict == "deny" else ""
        assert (answer["verdict"], *decided_by(answer)) == (case.verdict, reason, case.layer, case.rule), str(case)
        layers = ["egress", *stack.layers]
        layers += [] if layers[-1] == "namespace:/" else ["namespace:/"]
        assert [vote["layer"] for vote in answer["votes"]] == layers, "leaf to root, a missing one skipped"


@pytest.mark.parametrize("stack", NAMESPACE_STACKS)
def test_the_namespace_pages_stacks_are_what_processes_meet(host, server, stack):
    """Every destination is played by one upstream on loopback, judged like any address."""
    stack = NAMESPACE_STACKS[stack]
    put(server, stack)
    server.post("/api/fleet/namespaces", {"name": "/", "loopback": "enforce"})
    played = {case.host: f"127.0.0.{number}" for number, case in enumerate(stack.cases, 11)}
    host.resolve = {case.host: [played[case.host]] for case in stack.cases if case.address}
    upstream = TcpUpstream("0.0.0.0")
    try:
        to = [{"name": case.host if case.address else None, "address": played[case.host], "port": upstream.port,
               "transport": "tcp"} for case in stack.cases]
        expected = [{"allow": "ok", "deny": "ECONNREFUSED"}[case.verdict] for case in stack.cases]
        assert dialled(host, stack.asked, to) == expected
    finally:
        upstream.close()
    denied = {case.host if case.address else played[case.host]: ("policy", case.layer, case.rule)
              for case in stack.cases if case.verdict == "deny"}

    def rows():
        found = audited(server, stack.asked, upstream.port)
        return found if found.keys() >= denied.keys() else None

    assert eventually(rows, what="the audit rows of the denials") == denied
    for case in stack.cases:
        answer = explain(server, f"{case.host}:{upstream.port}/tcp" if case.address else f"{played[case.host]}:{upstream.port}/tcp",
                         stack.asked, ip=played[case.host])
        assert (answer["verdict"], answer["layer"], answer["rule"]) == (case.verdict, case.layer, case.rule), str(case)
