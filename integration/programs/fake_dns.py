"""A DNS server on 127.0.0.1:53 that answers A queries from its arguments (name=address) and prints every name asked."""

import socket
import struct
import sys

table = dict(argument.split("=") for argument in sys.argv[1:])
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
print("ready", flush=True)
while True:
    query, client = server.recvfrom(4096)
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("ascii", "replace"))
        at += 1 + query[at]
    question = query[12:at + 5]
    name = ".".join(labels).lower()
    kind = struct.unpack("!H", query[at + 1:at + 3])[0]
    print(name, kind, flush=True)
    address = table.get(name)
    answers = b""
    if address and kind == 1:
        answers = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton(address)
    header = query[:2] + struct.pack("!HHHHH", 0x8180 if address else 0x8183, 1, 1 if answers else 0, 0, 0)
    server.sendto(header + question + answers, client)
