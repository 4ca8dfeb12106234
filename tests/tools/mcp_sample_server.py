"""An MCP server with tools that are slow, fail, die and wait for each other. Over pipes; with `http` over HTTP, on the given port."""

from __future__ import annotations

import os
import socket
import sys

import anyio
from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import BaseModel

server = MCPServer("sample")
arrived = 0
everybody = anyio.Event()


class Point(BaseModel):
    x: int
    y: int


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@server.tool(name="move-point", annotations=ToolAnnotations(idempotent_hint=True))
def move_point(point: Point) -> Point:
    return Point(x=point.x + 1, y=point.y)


@server.tool(structured_output=False, annotations=ToolAnnotations(destructive_hint=False))
def greet(name: str) -> str:
    return f"Hello, {name}\n$1"


@server.tool()
def process_id() -> int:
    return os.getpid()


@server.tool()
def fail() -> str:
    raise ToolError("there is no such record")


@server.tool()
def die() -> str:
    sys.stderr.write("out of memory, sorry\n")
    sys.stderr.flush()
    os._exit(9)


@server.tool()
async def meet(number: int) -> str:
    """Returns when so many calls have arrived."""
    global arrived
    arrived += 1
    if arrived == number:
        everybody.set()
    await everybody.wait()
    return "met"


@server.tool()
async def hang(port: int) -> str:
    """Connects to `port` and stays; says so when it is cancelled."""
    async with await anyio.connect_tcp("localhost", port) as stream:
        await stream.send(b"here")
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await stream.send(b"gone")
            raise
    return ""


@server.tool(structured_output=False)
def picture() -> list[object]:
    return ["a caption", Image(data=b"\x89PNG", format="png")]


@server.tool()
def long(length: int) -> str:
    return "x" * length


if __name__ == "__main__":
    if sys.argv[1:2] == ["http"]:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
    else:
        if sys.argv[1:]:  # whom to tell our number, before anybody has spoken to us
            with socket.create_connection(("localhost", int(sys.argv[1]))) as connection:
                connection.sendall(str(os.getpid()).encode())
        server.run()
