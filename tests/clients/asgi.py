# SPDX-License-Identifier: MIT
"""The smallest application for an ASGI server."""


async def app(scope, receive, send):
    if scope['type'] == 'http':
        await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'connection', b'close')]})
        await send({'type': 'http.response.body', 'body': b'a line of text\n' * 200})
