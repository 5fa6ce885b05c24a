# SPDX-License-Identifier: MIT
# datagrams.py PATH OUT: prints "bound", then writes each datagram that comes to the Unix socket PATH to OUT, a line of JSON
# (a string) each, and prints "written", until it is ended. Parses nothing.
import json
import os
import socket
import sys

os.makedirs(os.path.dirname(sys.argv[1]), exist_ok=True)
daemon = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
daemon.bind(sys.argv[1])
print("bound", flush=True)
with open(sys.argv[2], "w") as out:
    while True:
        out.write(json.dumps(daemon.recv(65536).decode("ascii")) + "\n")
        out.flush()
        print("written", flush=True)
