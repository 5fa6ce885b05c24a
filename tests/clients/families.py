# SPDX-License-Identifier: MIT
"""families.py LIBRARY PORT: "hello", a hundred bytes of answer, and the end as each library's users write it."""
import importlib
import os
import ssl
import sys


def context():
    made = ssl.create_default_context()
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def uvloop():
    import asyncio
    importlib.import_module('uvloop').install()

    async def run():
        reader, writer = await asyncio.open_connection('127.0.0.1', port, ssl=context())
        writer.write(b'hello')
        print(len(await reader.readexactly(100)))
        writer.transport.abort()

    asyncio.run(run())


def gevent():
    importlib.import_module('gevent.monkey').patch_all()
    plain_sockets()


def eventlet():
    os.environ['EVENTLET_NO_GREENDNS'] = 'yes'  # older ones want a resolver's configuration
    importlib.import_module('eventlet').monkey_patch()
    plain_sockets()


def plain_sockets():
    import socket
    connection = context().wrap_socket(socket.create_connection(('127.0.0.1', port)))
    connection.sendall(b'hello')
    print(len(connection.recv(100)))
    connection.close()


def tornado():
    client = importlib.import_module('tornado.tcpclient').TCPClient

    async def run():
        stream = await client().connect('127.0.0.1', port, ssl_options=context())
        await stream.write(b'hello')
        print(len(await stream.read_bytes(100)))
        stream.close()

    importlib.import_module('tornado.ioloop').IOLoop.current().run_sync(run)


def trio():
    library = importlib.import_module('trio')

    async def run():
        stream = await library.open_ssl_over_tcp_stream('127.0.0.1', port, ssl_context=context())
        await stream.send_all(b'hello')
        print(len(await stream.receive_some(100)))
        await stream.transport_stream.aclose()

    library.run(run)


def httpx():
    with importlib.import_module('httpx').Client(verify=False) as client:
        print(len(client.get(f'https://127.0.0.1:{port}/').content))


port = int(sys.argv[2])
globals()[sys.argv[1]]()
