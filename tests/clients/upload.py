# SPDX-License-Identifier: MIT
"""upload.py WAY PORT FILE: ways in which Python programs upload FILE by TLS to 127.0.0.1:PORT."""
import ftplib
import http.client
import os
import socket
import ssl
import sys
import time


def raw():
    with context.wrap_socket(socket.create_connection(('127.0.0.1', port))) as connection:
        connection.sendall(content())


def post():
    connection = http.client.HTTPSConnection('127.0.0.1', port, context=context)
    connection.request('POST', '/', slowly(content()), {'Content-Length': os.path.getsize(name)})
    answer = connection.getresponse()
    print('HTTP', answer.status, answer.read())


def ftps():
    store(ftplib.FTP_TLS(context=context))


def ftps_no_unwrap():
    """As ftplib did before it called unwrap(), and as many programs do that bring their own loop."""
    store(NoUnwrap(context=context))


class NoUnwrap(ftplib.FTP_TLS):
    def storbinary(self, command, file, blocksize=8192, **_):
        self.voidcmd('TYPE I')
        with self.transfercmd(command) as connection:
            while data := file.read(blocksize):
                connection.sendall(data)
        return self.voidresp()


class SameSession(ssl.SSLContext):
    """For servers that want the data connection to resume the session of the control connection."""
    control = None

    def wrap_socket(self, *arguments, **named):
        connection = super().wrap_socket(*arguments, session=self.control and self.control.session, **named)
        self.control = self.control or connection
        return connection


def store(ftp):
    ftp.connect('127.0.0.1', port, 30)
    ftp.login()
    ftp.prot_p()
    for number in range(10):
        with open(name, 'rb') as file:
            print(number, ftp.storbinary(f'STOR upload/{number}', file))
    ftp.quit()


def slowly(body):
    for at in range(0, len(body), 10000):
        yield body[at:at + 10000]
        time.sleep(0.005)


def content():
    with open(name, 'rb') as file:
        return file.read()


port, name = int(sys.argv[2]), sys.argv[3]
context = SameSession(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
globals()[sys.argv[1]]()
