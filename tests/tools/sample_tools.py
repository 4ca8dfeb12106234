"""Functions at the top level of a module, where another process finds them."""

from __future__ import annotations

import os
import socket
import sys
import threading
from dataclasses import dataclass
from typing import Any

from orchestra.tools.context import idempotency_key
from orchestra.tools.function import tool


@dataclass
class Point:
    x: int
    y: int


class Picky(Exception):
    """Cannot be read back after it was pickled."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


@tool(process=True)
def moved(point: Point, by: int = 1) -> Point:
    """Move a point."""
    return Point(point.x + by, point.y + by)


@tool(process=True)
async def asynchronous(text: str) -> str:
    return text.upper()


@tool(process=True)
def process_id() -> int:
    sys.stdout.write("printed in the process\n")
    return os.getpid()


@tool(process=True)
def key() -> str | None:
    return idempotency_key.get()


@tool(process=True, max_output_chars=10)
def talkative(length: int) -> str:
    return "x" * length


@tool(process=True)
def hangs(port: int) -> None:
    """Connects to `port`, as does a process that it starts, and stays for ever."""
    child = os.fork()
    with socket.create_connection(("localhost", port)) as connection:
        connection.sendall(b"child " if child == 0 else b"parent")
        threading.Event().wait()


@tool(process=True)
def anything(value: Any) -> Any:
    return value


@tool(process=True)
def fails(how: str) -> object:
    match how:
        case "raise":
            raise ValueError("no such thing")
        case "picky":
            raise Picky("hard", "to read")
        case "exit":
            sys.exit(3)
        case "die":
            os._exit(7)
    return threading.Lock()
