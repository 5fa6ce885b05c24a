# SPDX-License-Identifier: MIT
"""refuse.py CERT KEY: an HTTPS server of nothing but http.server, which refuses every POST without reading its body."""
import http.server
import ssl
import sys


class Refusal(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_error(413)


server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Refusal)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
