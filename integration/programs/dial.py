"""Connects to every destination of a JSON list on the command line, and prints what came of each as JSON:
"ok", or the name of the error. A name is resolved first; UDP sockets are connected only, nothing is sent."""

import errno
import json
import socket
import sys


def dial(destination):
    kind = socket.SOCK_DGRAM if destination["transport"] == "udp" else socket.SOCK_STREAM
    try:
        host = destination["name"] or destination["address"]
        family, kind, protocol, _, address = socket.getaddrinfo(host, destination["port"], type=kind)[0]
        with socket.socket(family, kind, protocol) as client:
            client.settimeout(5)
            client.connect(address)
        return "ok"
    except socket.gaierror as error:
        return f"gai {error.errno}"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))


print(json.dumps([dial(destination) for destination in json.loads(sys.argv[1])]))
