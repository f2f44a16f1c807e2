"""Whether an answer is the one that a case expects, and one that the API's description has."""

import json
import os
import re

from bad_requests.wire import code_of


class Documented:
    """Whether the API's description has an answer: by the operation if the request line names one, else by the list of
    all codes."""

    def __init__(self, description):
        self.listed = {entry["code"]: entry["status"] for entry in description["components"]["x-egress-error-codes"]}
        self.calls = [(re.compile(re.sub(r"\{\w+\}", "[^/:]+", path)), operations)
                      for path, operations in description["paths"].items()]

    def __call__(self, data, status, code):
        line = re.match(rb"([A-Z]+) (/[^ ?]*)\S* HTTP/1\.[01]\r\n", data)
        operation = None
        if line:
            method, path = line[1].decode().lower(), line[2].decode("latin-1")
            operation = next((ops.get(method) for pattern, ops in self.calls if pattern.fullmatch(path)), None)
        if operation is None:
            return self.listed.get(code) == status
        response = operation["responses"].get(str(status))
        return response is not None and (isinstance(code, int) or code in response["x-egress-error-codes"])


def wrong_with(case, answers, documented):
    """What is wrong with the answers to a case, or None."""
    if answers is None:
        return f"{case.what}: the connection stays open"
    statuses = tuple(answer.status for answer in answers)
    if statuses != case.statuses:
        return f"{case.what}: {statuses[-3:]} instead of {case.statuses[-3:]}: {answers[-1].body[:300] if answers else ''}"
    if case.code is None:
        return None
    last = answers[-1]
    if last.headers.get("content-type") != "application/json" or code_of(last) != case.code:
        return f"{case.what}: {last}"
    body = json.loads(last.body)
    if not body.get("message"):
        return f"{case.what}: no message in {last.body}"
    if case.field and (body.get("field") != case.field or case.field not in body["message"]):
        return f"{case.what}: {case.field} is not named in {last.body}"
    if len(case.statuses) == 1 and not documented(case.data, last.status, case.code):
        return f"{case.what}: {last.status} {case.code} is not in the API's description"
    return None


def open_descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))
