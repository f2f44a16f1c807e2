"""Prints recent denials of namespace demo for a person: audit|otlp, API, how many must be there (awaited, bounded)."""

import json
import sys
import time
import urllib.parse
import urllib.request

kind, api, wanted = sys.argv[1], sys.argv[2], int(sys.argv[3])
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(path, **query):
    with opener.open(f"{api}{path}?{urllib.parse.urlencode(query)}", timeout=10) as reply:
        return json.load(reply)


def audit():
    rows = []
    for row in get("/api/audit", event="proxy_domain_denied", namespace="demo", limit=50)["items"]:
        d = row["detail"]
        target = d.get("host") or d.get("address") or row["subject"]
        port = f":{d['port']}" if d.get("port") else ""
        rows.append(f"{row['time']}  {row['event']}  {target}{port}  layer={d.get('layer')} rule={d.get('rule')} "
                    f"reason={d.get('deny_reason')} workload={d.get('workload')} count={d.get('count')}")
    return rows


def otlp():
    rows = []
    found = get("/api/otlp/logs", **{"attr.clrk.egress.deny_reason": "policy", "attr.agent.namespace": "demo"})
    for resource in found["resourceLogs"]:
        for scope in resource["scopeLogs"]:
            for record in scope["logRecords"]:
                attributes = {a["key"]: next(iter(a["value"].values())) for a in record["attributes"]}
                rows.append(f"{record.get('eventName')}  " + " ".join(
                    f"{key}={attributes[key]}" for key in ("clrk.egress.deny_reason", "clrk.dst.name",
                                                          "network.peer.address", "network.peer.port",
                                                          "security_rule.ruleset.name") if key in attributes))
    return rows


deadline = time.monotonic() + 10
rows = []
while len(rows) < max(wanted, 1) and time.monotonic() < deadline:
    rows = {"audit": audit, "otlp": otlp}[kind]()
    if wanted == 0 and time.monotonic() > deadline - 8:
        break
    time.sleep(0.05)
if len(rows) < wanted:
    sys.exit(f"expected at least {wanted} records, found {len(rows)}")
print("\n".join(rows[:12]) if rows else "none: nothing was refused")
