# SPDX-License-Identifier: MIT
"""twisted_party.py WAY PORT, twisted_party.py server CERT KEY: Twisted's TLS, which gives OpenSSL memory BIOs."""
import sys

from twisted.internet import endpoints, protocol, reactor, ssl


class Client(protocol.Protocol):
    def connectionMade(self):
        self.got = 0
        self.transport.write(b'hello')

    def dataReceived(self, data):
        self.got += len(data)
        if self.got == 100:
            print(self.got)
            getattr(self.transport, sys.argv[1])()

    def connectionLost(self, reason):
        reactor.stop()


class Server(protocol.Protocol):
    def dataReceived(self, data):
        self.transport.write(data * 100)
        self.transport.loseConnection()

    def connectionLost(self, reason):
        reactor.stop()


if sys.argv[1] == 'server':
    certificate = ssl.DefaultOpenSSLContextFactory(sys.argv[3], sys.argv[2])
    if hasattr(certificate._context, 'set_min_proto_version'):  # pyOpenSSL 20, where there is no minimum, has none
        certificate._context.set_min_proto_version(0)
    reactor.listenSSL(0, protocol.Factory.forProtocol(Server), certificate, interface='127.0.0.1')
else:
    factory = protocol.ClientFactory.forProtocol(Client)
    factory.noisy = False
    reactor.connectSSL('127.0.0.1', int(sys.argv[2]), factory, ssl.CertificateOptions(verify=False))
reactor.run()
