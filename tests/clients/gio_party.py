# SPDX-License-Identifier: MIT
"""gio_party.py PORT: a client of GNOME's GIO over GnuTLS."""
import sys

import gi

gi.require_version('Gio', '2.0')
from gi.repository import Gio  # noqa: E402

port = sys.argv[1]
client = Gio.SocketClient()
client.set_tls(True)
client.set_tls_validation_flags(Gio.TlsCertificateFlags(0))
connection = client.connect_to_host(f'localhost:{port}', int(port), None)
connection.get_output_stream().write_all(b'GET / HTTP/1.1\r\nHost: x\r\n\r\n', None)
print(connection.get_input_stream().read_bytes(100, None).get_size())
connection.close(None)
