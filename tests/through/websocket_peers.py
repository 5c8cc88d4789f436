"""A server and clients of the library `websockets`: what they say to each other through an edge.

The first line written says where the server listens. The line read says where the edge does. For each thing that the client does, a line of
JSON says what came of it; the last line is "done".
"""

import asyncio
import http
import json
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

LARGE = 16 * 1024 * 1024
closed = asyncio.Queue()


async def answer(connection):
    try:
        async for message in connection:
            if message == "leave":
                await connection.close(4002, "as you wish")
            elif message == "headers":
                await connection.send(connection.request.headers.get("Cookie", ""))
            else:
                await connection.send(message)
    except ConnectionClosed:
        pass
    finally:
        await closed.put(connection.close_code)


def gate(connection, request):
    if request.path == "/refused":
        return connection.respond(http.HTTPStatus.FORBIDDEN, "not you\n")


def say(**what):
    print(json.dumps(what), flush=True)


async def main():
    options = dict(max_size=2 * LARGE, subprotocols=["chat.v2"], process_request=gate)
    async with serve(answer, "127.0.0.1", 0, **options) as server:
        print("%s:%s" % server.sockets[0].getsockname()[:2], flush=True)
        edge = (await asyncio.to_thread(sys.stdin.readline)).strip()

        def go(path, **more):
            return connect(f"ws://{edge}{path}", subprotocols=["chat.v1", "chat.v2"], **more)

        async with go("/chat?room=1", additional_headers={"Cookie": "sid=1"}) as one:
            extensions = [extension.name for extension in one.protocol.extensions]
            say(what="handshake", subprotocol=one.subprotocol, extensions=extensions)
            await one.send("headers")
            say(what="cookie", heard=await one.recv())
            sizes = [0, 1, 125, 126, 65535, 65536, 1 << 20]
            kept = 0
            for size in sizes:
                for message in ("x" * size, bytes(size)):
                    await one.send(message)
                    kept += await one.recv() == message
            say(what="messages", sent=2 * len(sizes), kept=kept)
            await (await one.ping())
            say(what="ping")
        say(what="closed by the client", server_heard=await closed.get(), client_heard=one.close_code)

        async with go("/chat") as one:
            await one.send("leave")
            await one.wait_closed()
            heard = dict(client_heard=one.close_code, reason=one.close_reason)
            say(what="closed by the server", server_heard=await closed.get(), **heard)

        async with go("/chat", max_size=2 * LARGE, compression=None) as one:
            await one.send(b"x" * LARGE)
            say(what="large", bytes=len(await one.recv()))
        await closed.get()

        async def chat(number):
            async with go("/chat") as one:
                for turn in range(20):
                    await one.send(f"{number}/{turn}")
                    if await one.recv() != f"{number}/{turn}":
                        return 0
            return 1

        say(what="at once", connections=200, kept=sum(await asyncio.gather(*map(chat, range(200)))))

        try:
            async with go("/refused"):
                pass
        except InvalidStatus as refused:
            say(what="refused", status=refused.response.status_code, body=refused.response.body.decode())
    print('"done"', flush=True)


asyncio.run(main())
