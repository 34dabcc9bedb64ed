#!/usr/bin/python3
"""Carries one connection of a guest to a port of this machine: relay.py PORT

qemu starts it with the connection as standard input and output. Where nobody listens at the port
the guest's connection ends at once.
"""

from __future__ import annotations

import os
import socket
import sys
import threading


def carry(source: int, target: int) -> None:
    while data := os.read(source, 65536):
        while data:
            data = data[os.write(target, data):]


def main() -> None:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as server:
        threading.Thread(target=carry, args=(0, server.fileno()), daemon=True).start()
        carry(server.fileno(), 1)


if __name__ == "__main__":
    try:
        main()
    except OSError:
        pass  # either side has ended: so does the connection
