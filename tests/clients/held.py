# SPDX-License-Identifier: MIT
"""held.py WAY PORT TLS [ARG]: clients that hold a connection while something happens to the server, and tell its end."""
import ftplib
import hashlib
import io
import socket
import ssl
import struct
import sys


# --- PostgreSQL: TLS begins after a request in plain text ---

def postgres():
    connection = socket.create_connection(address)
    connection.sendall(struct.pack('!II', 8, 80877103))
    assert connection.recv(1) == b'S'
    connection = secure(connection)
    parameters = b'user\0postgres\0database\0postgres\0\0'
    connection.sendall(struct.pack('!II', 8 + len(parameters), 196608) + parameters)
    incoming = connection.makefile('rb')
    return connection, incoming, until(incoming, b'Z')


def message(letter, text=b''):
    return letter + struct.pack('!I', 4 + len(text)) + text


def until(incoming, last):
    """The messages up to one of this letter, or to the end."""
    messages = []
    while head := incoming.read(5):
        messages.append((head[:1], incoming.read(struct.unpack('!I', head[1:])[0] - 4)))
        if head[:1] == last:
            break
    return messages


def postgres_query(query):
    """Asks, says that it is done, and reads to the end."""
    connection, incoming, _ = postgres()
    connection.sendall(message(b'Q', query.encode() + b'\0'))
    answer = until(incoming, b'Z')
    connection.sendall(message(b'X'))
    print(digest(b''.join(row for letter, row in answer if letter == b'D')), end_of(incoming))


def postgres_idle():
    """Tells its backend's process id, then reads to the end, whoever ends it."""
    _, incoming, greeting = postgres()
    print(*[struct.unpack('!I', text[:4])[0] for letter, text in greeting if letter == b'K'], flush=True)
    try:
        for letter, text in until(incoming, None):
            print(*[word.decode() for word in text.split(b'\0') if word[:1] in (b'S', b'C')])
    finally:
        print(end_of(incoming))


# --- HTTP ---

def http_half():
    """An answer and half of one more; the other half once the fifo `go` has been written to, then the end."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # else all of it might be under way
    connection.connect(address)
    connection = secure(connection)
    incoming = connection.makefile('rb')
    connection.sendall(b'GET /file HTTP/1.1\r\nHost: localhost\r\n\r\n' * 2)
    print(digest(incoming.read(http_length(incoming))))
    length = http_length(incoming)
    half = incoming.read(length // 2)
    print('half', flush=True)
    with open('go') as go:
        go.read()
    print(digest(half + incoming.read(length - length // 2)), end_of(incoming))


def http_length(incoming):
    length = None
    while (line := incoming.readline().strip().lower()):
        if line.startswith(b'content-length:'):
            length = int(line.split()[1])
    return length


# --- FTP ---

def ftps():
    """Logs in, lists, downloads `file`, uploads it as in/TLS, and takes leave."""
    class Strict(ssl.SSLSocket):
        suppress_ragged_eofs = property(lambda self: False, lambda self, value: None)

    context = strict_context()
    context.sslsocket_class = Strict
    with ftplib.FTP_TLS(context=context) as session:
        session.connect(*address)
        session.login()
        session.prot_p()
        session.retrlines('LIST', lambda line: print(line.split()[-1]))
        stored = io.BytesIO()
        session.retrbinary('RETR file', stored.write)
        print(digest(stored.getvalue()))
        session.storbinary('STOR in/' + tls, io.BytesIO(stored.getvalue()))
        print(session.voidcmd('QUIT')[:3], end_of(session.sock.makefile('rb')))
        session.close()


# --- all ---

def secure(connection):
    return strict_context().wrap_socket(connection, suppress_ragged_eofs=False)


def strict_context():
    """Whose connections take an end without close_notify for an error."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.options &= ~getattr(ssl, 'OP_IGNORE_UNEXPECTED_EOF', 0)
    context.minimum_version = context.maximum_version = ssl.TLSVersion['TLSv' + tls.replace('.', '_')]
    return context


def digest(data):
    return f'{len(data)} {hashlib.sha256(data).hexdigest()}'


def end_of(incoming):
    """closed: by close_notify, and nothing before it; truncated: without it."""
    try:
        return f'{len(more)} more' if (more := incoming.read()) else 'closed'
    except ssl.SSLError as error:
        eof = isinstance(error, ssl.SSLEOFError) or error.reason == 'UNEXPECTED_EOF_WHILE_READING'
        return 'truncated' if eof else str(error)
    except OSError as error:
        return type(error).__name__


address = ('127.0.0.1', int(sys.argv[2]))
tls = sys.argv[3]
globals()[sys.argv[1]](*sys.argv[4:])
