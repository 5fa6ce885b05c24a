# SPDX-License-Identifier: MIT
# in_turn.py PORT: for each line on standard input one connection to PORT, closed without a goodbye; then "closed" on
# standard output. So a test can do something between two of them.
import socket
import ssl
import sys

context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
for _ in sys.stdin:
    connection = context.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
    connection.send(b"x")
    connection.close()
    print("closed", flush=True)
