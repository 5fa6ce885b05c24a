# SPDX-License-Identifier: MIT
"""asyncio_party.py WAY PORT, asyncio_party.py server CERT KEY TLS: asyncio's streams, which give OpenSSL memory BIOs."""
import asyncio
import ssl
import sys


async def meet():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    reader, writer = await asyncio.open_connection('127.0.0.1', int(sys.argv[2]), ssl=context)
    writer.write(b'hello')
    print(len(await reader.readexactly(100)))
    return writer


async def close():
    writer = await meet()
    writer.close()
    await writer.wait_closed()


async def abort():
    (await meet()).transport.abort()


async def exits():
    global kept
    kept = await meet()
    sys.exit()


async def server():
    async def answer(reader, writer):
        writer.write(await reader.readexactly(5) * 100)
        await writer.drain()
        writer.close()
        try:
            await writer.wait_closed()
        finally:
            served.set()

    served = asyncio.Event()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    async with await asyncio.start_server(answer, '127.0.0.1', 0, ssl=context):
        await served.wait()


asyncio.run(globals()[sys.argv[1]]())
