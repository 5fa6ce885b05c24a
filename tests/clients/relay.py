# SPDX-License-Identifier: MIT
"""relay.py PORT FILE: stands between one client and 127.0.0.1:PORT and writes down what each side sent.

The file gets two lines, "client: ..." and "server: ...": each TLS record as type/length, then FIN or RST.
"""
import os
import select
import socket
import struct
import sys


class Side:
    def __init__(self, name, connection):
        self.name = name
        self.socket = connection
        self.seen = []
        self.partial = b''
        self.ended = False

    def heard(self, data):
        self.partial += data
        while len(self.partial) >= 5:
            kind, _, length = struct.unpack('!BHH', self.partial[:5])
            if len(self.partial) < 5 + length:
                break
            self.seen.append(f'{kind}/{length}')
            self.partial = self.partial[5 + length:]

    def end(self, how):
        if not self.ended:
            self.seen += [f'partial/{len(self.partial)}'] * bool(self.partial) + [how]
        self.ended = True


def carry(source, target):
    try:
        data = source.socket.recv(65536)
    except ConnectionResetError:
        source.end('RST')
        target.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        target.end('-')
        return
    try:
        if data:
            source.heard(data)
            target.socket.sendall(data)
        else:
            source.end('FIN')
            target.socket.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the target is gone; its own end says how


with socket.create_server(('127.0.0.1', 0)) as listener:
    client = Side('client', listener.accept()[0])
server = Side('server', socket.create_connection(('127.0.0.1', int(sys.argv[1]))))
for side in client, server:
    side.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
while not (client.ended and server.ended):
    for ready in select.select([s.socket for s in (client, server) if not s.ended], [], [])[0]:
        carry(*((client, server) if ready is client.socket else (server, client)))
with open(sys.argv[2] + '.new', 'w') as file:
    for side in client, server:
        print(f'{side.name}:', *side.seen, file=file)
os.rename(sys.argv[2] + '.new', sys.argv[2])
