"""An OpenAI-compatible server whose model follows the script, at a given pace: a process of its own on 127.0.0.1, standard library alone.

It reads its settings as one JSON object from standard input (`Settings`), prints its port, and serves until standard input ends. Each token
is due at a time that is fixed when its request has been read, so that a late one does not delay the next.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import asked, dataset
from .question import Question
from .script import call_tokens, tokens
from .tools import Rates

MODES = ("react", "native", "llmcompiler", "json-lines", "calculator")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    data: str
    """The folder of the questions."""
    rates: Rates

    @classmethod
    def read(cls, text: str) -> Settings:
        fields = json.loads(text)
        return cls(data=fields["data"], rates=Rates(**fields["rates"]))

    def dump(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class HttpRequest:
    method: str
    path: str
    body: bytes


class Server:
    """Serves every question of `questions`, by its text."""

    def __init__(self, questions: Mapping[str, Question], rates: Rates) -> None:
        self._questions = questions
        self._rates = rates

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, kept alive until the client closes it."""
        try:
            while (request := await _read(reader)) is not None:
                await self._answer(request, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has left in the middle: its right
        finally:
            writer.close()

    async def _answer(self, request: HttpRequest, writer: asyncio.StreamWriter) -> None:
        due = asyncio.get_running_loop().time()
        if (request.method, request.path) == ("GET", "/v1/models"):
            models = [{"id": mode, "object": "model", "owned_by": "script"} for mode in MODES]
            return await _whole(writer, "200 OK", {"object": "list", "data": models})
        if (request.method, request.path) != ("POST", "/v1/chat/completions"):
            return await _whole(writer, "404 Not Found", {"error": {"message": f"nothing at {request.method} {request.path}"}})
        try:
            body = json.loads(request.body)
            reply = asked.answer(body, self._questions)
        except (ValueError, asked.NotInTheScript) as error:
            return await _whole(writer, "400 Bad Request", {"error": {"message": f"not in the script: {error}"}})
        await self._stream(writer, reply, due, body)

    async def _stream(self, writer: asyncio.StreamWriter, reply: str | asked.Calls, due: float, body: Mapping[str, Any]) -> None:
        rates, now = self._rates, asyncio.get_running_loop().time
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        count = 0
        for count, delta in enumerate(deltas(reply), start=1):
            await asyncio.sleep(due + rates.reply_s(count) * rates.time_scale - now())
            if delta is not None:
                _event(writer, {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
                await writer.drain()
        finish = "stop" if isinstance(reply, str) else "tool_calls"
        _event(writer, {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
        prompt = sum(len(message["content"]) for message in body["messages"]) // 4  # an estimate: nothing depends on it
        _event(writer, {"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": count}})
        _chunk(writer, b"data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")
        await writer.drain()


def deltas(reply: str | asked.Calls) -> Iterator[dict[str, Any] | None]:
    """One for each token; None for those that frame a native call and do not appear on the wire."""
    if isinstance(reply, str):
        yield from ({"content": token} for token in tokens(reply))
        return
    for index, (name, arguments) in enumerate(reply.calls):
        framing, pieces = call_tokens(name, arguments)
        yield from [None] * (len(framing) - 1)
        function = {"name": name, "arguments": ""}
        yield {"tool_calls": [{"index": index, "id": f"call_{index}", "type": "function", "function": function}]}
        left = len(arguments)  # the last token also closes the frame
        for piece in pieces:
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece[:left]}}]}
            left -= min(left, len(piece))


async def _read(reader: asyncio.StreamReader) -> HttpRequest | None:
    """The next request; None when the client has closed the connection between two."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    first, *lines = head.split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return HttpRequest(method, path, await reader.readexactly(int(headers.get("content-length", "0"))))


async def _whole(writer: asyncio.StreamWriter, status: str, content: Mapping[str, Any]) -> None:
    body = json.dumps(content).encode()
    writer.write(f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()


def _event(writer: asyncio.StreamWriter, content: Mapping[str, Any]) -> None:
    _chunk(writer, b"data: " + json.dumps(content, ensure_ascii=False).encode() + b"\n\n")


def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


async def serve(settings: Settings) -> None:
    questions = [question for kind in dataset.FILES for question in dataset.load(Path(settings.data), kind).questions]
    server = Server({question.text.strip(): question for question in questions}, settings.rates)
    async with await asyncio.start_server(server.connection, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(Settings.read(sys.stdin.readline())))
