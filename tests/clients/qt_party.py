# SPDX-License-Identifier: MIT
"""QSslSocket, which gives OpenSSL memory BIOs and finds it by dlsym() on a handle.

qt_party.py 5|6 HOW PORT             sends "hello", reads 100 bytes, ends it by that method, or `delete`s it
qt_party.py 5|6 server CERT KEY HOW  answers one connection, ends it in that way
"""
import gc
import sys

if sys.argv[1] == '5':
    from PySide2.QtCore import QCoreApplication, QIODevice
    from PySide2.QtNetwork import QHostAddress, QSsl, QSslCertificate, QSslKey, QSslSocket, QTcpServer
else:
    from PyQt6.QtCore import QCoreApplication, QIODevice
    from PyQt6.QtNetwork import QHostAddress, QSsl, QSslCertificate, QSslKey, QSslSocket, QTcpServer

LONGEST = 20000  # milliseconds


def end(how, sockets):
    """The list has the only reference."""
    if how == 'delete':
        sockets.clear()
        gc.collect()
    else:
        getattr(sockets[0], how)()
        if how == 'disconnectFromHost' and sockets[0].state() != sockets[0].SocketState.UnconnectedState:
            sockets[0].waitForDisconnected(LONGEST)


def client(how, port):
    sockets = [QSslSocket()]
    sockets[0].setPeerVerifyMode(QSslSocket.PeerVerifyMode.VerifyNone)
    sockets[0].connectToHostEncrypted('127.0.0.1', int(port))
    assert sockets[0].waitForEncrypted(LONGEST), sockets[0].errorString()
    sockets[0].write(b'hello')
    got = 0
    while got < 100:
        assert sockets[0].waitForReadyRead(LONGEST), sockets[0].errorString()
        got += len(sockets[0].readAll())
    print(got, flush=True)
    end(how, sockets)
    print('ended', flush=True)


class Server(QTcpServer):
    def incomingConnection(self, descriptor):
        connection = QSslSocket(self)
        connection.setSocketDescriptor(descriptor)
        self.addPendingConnection(connection)


def read(name):
    with open(name, 'rb') as file:
        return file.read()


def private_key(pem):
    keys = [QSslKey(pem, kind) for kind in (QSsl.KeyAlgorithm.Ec, QSsl.KeyAlgorithm.Rsa)]
    return next(key for key in keys if not key.isNull())


def server(cert, key, how):
    listener = Server()
    assert listener.listen(QHostAddress('127.0.0.1'), 0)
    assert listener.waitForNewConnection(LONGEST)
    sockets = [listener.nextPendingConnection()]
    sockets[0].setParent(None)
    sockets[0].setLocalCertificate(QSslCertificate(read(cert)))
    sockets[0].setPrivateKey(private_key(read(key)))
    sockets[0].startServerEncryption()
    assert sockets[0].waitForEncrypted(LONGEST), sockets[0].errorString()
    # In TLS 1.3 it may have come along with the handshake.
    assert sockets[0].bytesAvailable() or sockets[0].waitForReadyRead(LONGEST), sockets[0].errorString()
    print(len(sockets[0].readAll()), flush=True)
    sockets[0].write(b'answer')
    assert sockets[0].waitForBytesWritten(LONGEST), sockets[0].errorString()
    end(how, sockets)
    print('ended', flush=True)


application = QCoreApplication(sys.argv[:1])
if sys.argv[2] == 'server':
    server(*sys.argv[3:])
else:
    client(*sys.argv[2:])
