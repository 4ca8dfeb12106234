"""An OpenAI-compatible server that gives the answers it was told to give, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

MODELS = {"data": [{"id": "tiny", "max_model_len": 100}]}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One answer: a JSON `body`, or the `events` of a stream. `drops`: the connection breaks before its end."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    events: Sequence[Any] | None = None
    drops: bool = False
    after_s: float = 0.0
    """How long the server works before it answers or drops."""
    hangs: bool = False
    """Nothing more comes after the events, but the connection stays open."""


@dataclass(frozen=True)
class Asked:
    path: str
    headers: Mapping[str, str]
    body: Any


def completion(*token_ids: int, logprob: float = 0.0, finish: str | None = "stop", **usage: Any) -> dict[str, Any]:
    """As vLLM answers, or what one event of its streams holds."""
    return {
        "choices": [
            {
                "token_ids": list(token_ids),
                "logprobs": {"token_logprobs": [logprob] * len(token_ids)},
                "finish_reason": finish,
            }
        ],
        "usage": usage,
    }


def said(*token_ids: int, finish: str | None = "stop", **more: str) -> dict[str, Any]:
    """As a chat service answers, whole or in an event of its streams; token i is written "ti"."""
    text = {"role": "assistant", "content": "".join(f"t{token} " for token in token_ids)}
    return {"choices": [{"message" if finish else "delta": text, "finish_reason": finish, **more}]}


class FakeServer:
    def __init__(self) -> None:
        self.url = ""
        self.pages: dict[str, Any] = {"/v1/models": MODELS}
        """What GET returns, a body or a `Reply`; 404 for other paths."""
        self.replies: list[Reply] = []
        """To one POST each, in this order."""
        self.asked: list[Asked] = []
        """The POSTs."""
        self.left = asyncio.Event()
        """A client closed its connection while an answer was hanging."""

    def reply(self, *bodies: Any) -> None:
        self.replies += [Reply(body=body) for body in bodies]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            method, path, _ = head[0].split()
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            if method == "GET":
                page = self.pages.get(path)
                reply = page if isinstance(page, Reply) else Reply(status=404, body={}) if page is None else Reply(body=page)
            else:
                self.asked.append(Asked(path, headers, json.loads(body)))
                reply = self.replies.pop(0)
            await self._send(reply, reader, writer)
        finally:
            writer.close()

    async def _send(self, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(reply.after_s)
        if reply.drops and reply.events is None:
            return
        if reply.events is None:
            text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
            length = {"Content-Length": str(len(text))}
        else:
            text = "".join(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for event in reply.events)
            length = {"Content-Length": str(len(text) + 1)} if reply.drops or reply.hangs else {}
        headers = {"Connection": "close", **length, **reply.headers}
        lines = [f"HTTP/1.1 {reply.status} Reason", *(f"{name}: {value}" for name, value in headers.items()), "", text]
        writer.write("\r\n".join(lines).encode())
        await writer.drain()
        if reply.hangs:
            await reader.read()
            self.left.set()


@asynccontextmanager
async def fake_server() -> AsyncIterator[FakeServer]:
    fake = FakeServer()
    listener = await asyncio.start_server(fake.handle, "127.0.0.1", 0)
    host, port = listener.sockets[0].getsockname()
    fake.url = f"http://{host}:{port}"
    async with listener:
        yield fake
