"""Connects to ADDRESS PORT again and again; prints a line whenever the outcome changes. Ends when its stdin does."""

import select
import socket
import sys

address, port = sys.argv[1], int(sys.argv[2])
last = None
while not select.select([sys.stdin], [], [], 0.005)[0]:
    try:
        with socket.create_connection((address, port), timeout=5):
            outcome = "connected"
    except ConnectionRefusedError:
        outcome = "refused"
    if outcome != last:
        print(outcome, flush=True)
        last = outcome
