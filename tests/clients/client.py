# SPDX-License-Identifier: MIT
"""client.py WAY PORT: the everyday ways in which Python programs talk TLS to 127.0.0.1:PORT."""
import http.client
import select
import smtplib
import socket
import ssl
import sys
import urllib.request


def raw():
    with ssl_connection() as connection:
        connection.sendall(b'hello')
        print(connection.recv(100))


def until_eof():
    with ssl_connection() as connection:
        connection.sendall(b'hello')
        while data := connection.recv(65536):
            print(len(data))


def unread():
    with ssl_connection() as connection:
        connection.sendall(b'hello')
        select.select([connection], [], [])


def exits():
    global kept
    kept = ssl_connection()
    kept.sendall(b'hello')
    print(kept.recv(100))


def unwrap():
    with ssl_connection() as connection:
        connection.sendall(b'hello')
        print(connection.recv(100))
        connection.unwrap().close()


def urllib_request():
    with urllib.request.urlopen(f'https://127.0.0.1:{port}/', context=context) as answer:
        print(answer.status, len(answer.read()))


def http_client():
    connection = http.client.HTTPSConnection('127.0.0.1', port, context=context)
    connection.request('GET', '/')
    print(len(connection.getresponse().read()))
    connection.close()


def smtplib_quit():
    with smtplib.SMTP_SSL('127.0.0.1', port, context=context) as connection:
        print(connection.ehlo())


def ssl_connection():
    return context.wrap_socket(socket.create_connection(('127.0.0.1', port)))


port = int(sys.argv[2])
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
globals()[sys.argv[1]]()
