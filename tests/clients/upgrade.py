# SPDX-License-Identifier: MIT
"""upgrade.py PROTOCOL PORT: stands before PORT, for one connection. The program speaks plain text before TLS, which the judge does
not know; the program is the client for psql and smtp, and the server at PORT for postgres, smtpd and ftp."""
import selectors
import socket
import struct
import sys

SSL_REQUEST = struct.pack('!ii', 8, 80877103)

# In turns, what is said to the program and how its answer ends; psql and the servers speak first.
DIALOGUES = {
    'psql': ['', SSL_REQUEST, 'S'],
    'smtp': ['220 judge ESMTP\r\n', '\r\n', '250-judge\r\n250 STARTTLS\r\n', 'STARTTLS\r\n', '220 go\r\n'],
    'postgres': [SSL_REQUEST, 'S'],
    'smtpd': ['', '\r\n', 'EHLO judge\r\n', '250 CHUNKING\r\n', 'STARTTLS\r\n', '\r\n'],
    'ftp': ['', '\r\n', 'AUTH TLS\r\n', '\r\n'],
}
CLIENTS = 'psql', 'smtp'


def upgrade(program, dialogue):
    for number, words in enumerate(dialogue):
        words = words if isinstance(words, bytes) else words.encode()
        if number % 2 == 0:
            program.sendall(words)
            continue
        heard = b''
        while not heard.endswith(words):
            byte = program.recv(1)
            assert byte, heard
            heard += byte


def carry(one, other):
    """Until both have ended; a reset is carried on as a reset."""
    ready = selectors.DefaultSelector()
    ready.register(one, selectors.EVENT_READ, other)
    ready.register(other, selectors.EVENT_READ, one)
    while ready.get_map():
        for key, _ in ready.select():
            source, target = key.fileobj, key.data
            try:
                data = source.recv(65536)
                if data:
                    target.sendall(data)
                    continue
                target.shutdown(socket.SHUT_WR)
            except ConnectionResetError:
                target.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
                target.close()
                return
            except OSError:
                pass  # the target is gone
            ready.unregister(source)


def connect(port):
    connection = socket.create_connection(('127.0.0.1', int(port)))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def serve(protocol, port):
    with socket.create_server(('127.0.0.1', 0)) as listener:
        client = listener.accept()[0]
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if protocol in CLIENTS:
        upgrade(client, DIALOGUES[protocol])
        carry(client, connect(port))
    else:
        server = connect(port)
        upgrade(server, DIALOGUES[protocol])
        carry(client, server)


serve(*sys.argv[1:])
