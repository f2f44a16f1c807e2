"""What is asked of a policy and what the answer must be, in one form for every path that judges."""

import json


class Case:
    """A destination, the address its name has if it is a name, and what the policy says of it: the verdict and, where
    they are given, the layer and the rule that decide."""

    def __init__(self, verdict, destination, address=None, layer=None, rule=None):
        self.verdict, self.destination, self.address, self.layer, self.rule = verdict, destination, address, layer, rule
        host, _, rest = destination.rpartition(":")
        port, _, transport = rest.partition("/")
        self.host, self.port, self.transport = host.strip("[]"), int(port), transport or "tcp"

    def dialled(self):
        return {"name": self.host if self.address else None, "address": self.address or self.host, "port": self.port,
                "transport": self.transport}

    def __str__(self):
        return self.destination + (f" at {self.address}" if self.address else "")


class Stack:
    """The namespaces of a fleet as the server's API takes them, one of them, its layers in stack order, and what is
    decided in it."""

    def __init__(self, namespaces, asked, layers, cases):
        self.namespaces, self.asked, self.layers, self.cases = namespaces, asked, layers, cases

    def manifest(self):
        """The same namespaces as documents. JSON is YAML."""
        return "\n---\n".join(
            json.dumps({"apiVersion": "egress/v1", "kind": "Namespace", "metadata": {"name": namespace["name"]},
                        "spec": {key: value for key, value in namespace.items() if key != "name"}})
            for namespace in self.namespaces) + "\n"


def space(name, **fields):
    return {"name": name, **fields}


PAYMENTS, EU_WEST = "namespace:prod/payments", "namespace:prod/payments/eu-west"

# The stacks of the namespace page (policy.md section 9).
NAMESPACE_STACKS = {
    "the leaf denies what the parent allows": Stack(
        [space("prod/payments", allowed_domains=["api.stripe.com", "api.bank.eu"]),
         space("prod/payments/eu-west", allowed_domains=["api.bank.eu"])],
        "prod/payments/eu-west", [EU_WEST, PAYMENTS],
        [Case("allow", "api.bank.eu:443", "203.0.113.1", EU_WEST, "allow api.bank.eu"),
         Case("deny", "api.stripe.com:443", "203.0.113.2", EU_WEST, "unmatched"),
         Case("deny", "203.0.113.9:443", None, EU_WEST, "unmatched")]),
    "the parent allows it still": Stack(
        [space("prod/payments", allowed_domains=["api.stripe.com", "api.bank.eu"]),
         space("prod/payments/eu-west", allowed_domains=["api.bank.eu"])],
        "prod/payments", [PAYMENTS],
        [Case("allow", "api.stripe.com:443", "203.0.113.2", PAYMENTS, "allow api.stripe.com"),
         Case("deny", "api.github.com:443", "203.0.113.3", PAYMENTS, "unmatched")]),
    "a block at the root over an allow at the leaf": Stack(
        [space("/", blocked_domains=["api.stripe.com"]),
         space("prod", allowed_domains=["api.stripe.com", "api.bank.eu"]),
         space("prod/payments", allowed_domains=["api.stripe.com", "api.bank.eu"])],
        "prod/payments", [PAYMENTS, "namespace:prod", "namespace:/"],
        [Case("allow", "api.bank.eu:443", "203.0.113.1", PAYMENTS, "allow api.bank.eu"),
         Case("deny", "api.stripe.com:443", "203.0.113.2", "namespace:/", "block api.stripe.com")]),
    "the missing intermediate": Stack(
        [space("/", blocked_domains=["api.stripe.com"]),
         space("prod/payments/eu-west", allowed_domains=["api.stripe.com", "api.bank.eu"])],
        "prod/payments/eu-west", [EU_WEST, "namespace:/"],
        [Case("allow", "api.bank.eu:443", "203.0.113.1", EU_WEST, "allow api.bank.eu"),
         Case("deny", "api.stripe.com:443", "203.0.113.2", "namespace:/", "block api.stripe.com"),
         Case("deny", "api.github.com:443", "203.0.113.3", EU_WEST, "unmatched")]),
    "the quarantine": Stack(
        [space("prod", allowed_domains=["api.stripe.com"]), space("prod/payments", allowed_domains=[])],
        "prod/payments", [PAYMENTS, "namespace:prod"],
        [Case("deny", "api.stripe.com:443", "203.0.113.1", PAYMENTS, "unmatched"),
         Case("deny", "203.0.113.9:443", None, PAYMENTS, "unmatched")]),
    "the quarantine holds in shadow": Stack(
        [space("prod", allowed_domains=["api.stripe.com"], mode="shadow"), space("prod/payments", allowed_domains=[])],
        "prod/payments", [PAYMENTS, "namespace:prod"],
        [Case("deny", "api.stripe.com:443", "203.0.113.1", PAYMENTS, "unmatched"),
         Case("deny", "203.0.113.9:443", None, PAYMENTS, "unmatched")]),
    "builds": Stack(
        [space("prod", allowed_domains=["api.stripe.com", "api.github.com", "api.bank.eu", "registry.npmjs.org"]),
         space("prod/builds", allowed_domains=["api.github.com", "registry.npmjs.org"])],
        "prod/builds", ["namespace:prod/builds", "namespace:prod"],
        [Case("allow", "registry.npmjs.org:443", "203.0.113.1", "namespace:prod/builds", "allow registry.npmjs.org"),
         Case("deny", "api.stripe.com:443", "203.0.113.2", "namespace:prod/builds", "unmatched")]),
}
