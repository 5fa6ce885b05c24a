# SPDX-License-Identifier: MIT
"""server.py WAY CERT KEY TLS: plain Python servers on a free port of 127.0.0.1; raw ends after one connection."""
import http.server
import socket
import ssl
import sys


def raw():
    with socket.create_server(('127.0.0.1', 0)) as listener:
        answer_one(listener)


def stateful():
    context.options |= ssl.OP_NO_TICKET  # sessions are kept here, not at the client
    with socket.create_server(('127.0.0.1', 0)) as listener:
        while True:
            answer_one(listener)


def answer_one(listener):
    with context.wrap_socket(listener.accept()[0], server_side=True) as connection:
        connection.sendall(connection.recv(100) * 100)


def http_server(handler=http.server.SimpleHTTPRequestHandler):
    server = http.server.HTTPServer(('127.0.0.1', 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


def cgi():
    handler = http.server.CGIHTTPRequestHandler
    handler.have_fork = False  # its fork would give the script ciphertext to read
    http_server(handler)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
context.minimum_version = context.maximum_version = ssl.TLSVersion['TLSv' + sys.argv[4].replace('.', '_')]
globals()[sys.argv[1]]()
