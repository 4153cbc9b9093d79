import asyncio
import sys

from websockets.asyncio.server import serve as serveWebSocket


def shout(message, marks):
    text = message.rstrip(b"\r\n")
    return text.upper() + b"!" * marks + message[len(text) :]


async def shoutLines(reader, writer, marks):
    try:
        async for line in reader:
            writer.write(shout(line.replace(b"\r\n", b"\n"), marks))
            await writer.drain()
    finally:
        writer.close()


class ShoutDatagrams(asyncio.DatagramProtocol):
    def __init__(self, marks):
        self.marks = marks

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(shout(data, self.marks), addr)


async def shoutWebSocket(webSocket, marks):
    async for message in webSocket:
        isText = isinstance(message, str)
        answer = shout(message.encode() if isText else message, marks)
        await webSocket.send(answer, text=isText)


async def serve(marks, port, webSocketPort):
    loop = asyncio.get_running_loop()
    lines = await asyncio.start_server(lambda *peer: shoutLines(*peer, marks), "127.0.0.1", port)
    datagrams, _ = await loop.create_datagram_endpoint(lambda: ShoutDatagrams(marks), ("127.0.0.1", port))
    webSocket = await serveWebSocket(lambda peer: shoutWebSocket(peer, marks), "127.0.0.1", webSocketPort)
    return lines, datagrams, webSocket


async def main(marks):
    lines, _, _ = await serve(marks, 4000, 4001)
    await lines.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
