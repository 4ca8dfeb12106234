"""One session with an MCP server. The only file that names the MCP SDK.

A session belongs to one task, which enters and leaves it: the SDK is built on AnyIO, whose cancel scopes must be left by the task that
entered them. Calls run beside each other as children of that task, so that cancelling one reaches the SDK, which tells the server, and
hurts no other. What does hurt the others is a broken connection over HTTP: the SDK then ends the whole session.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio
import httpx2
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CONNECTION_CLOSED, CallToolResult
from mcp.types import Tool as ServerTool

from ..errors import first_cause

Streams = Any
"""What the SDK calls a transport's streams; it keeps their types private."""

_TAIL_CHARS = 2_000
_LAST_WORDS_S = 1.0  # for what a dying server has written to its standard error to arrive
_FAREWELL_S = 1.0  # for the notice that a call was cancelled; a server that does not read may block it
_HTTP_TIMEOUT = httpx2.Timeout(30, read=300)  # a server may think for long before it answers


class Gone(Exception):
    """The server, or the way to it, is lost. The text says what is known of why; it may be empty."""


class Transport(Protocol):
    def open(self) -> AbstractAsyncContextManager[Streams]: ...

    async def last_words(self) -> str:
        """What the server has said outside of the protocol, after it has gone."""
        ...


@dataclass(slots=True)
class Stdio:
    """A server that is started for this session, and spoken to over its standard input and output."""

    command: str
    args: Sequence[str]
    env: Mapping[str, str]
    cwd: str | None
    stderr: _Tail | None = field(default=None, init=False)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Streams]:
        parameters = StdioServerParameters(command=self.command, args=list(self.args), env=dict(self.env), cwd=self.cwd)
        read_end, write_end = os.pipe()
        with os.fdopen(read_end, "rb") as pipe, os.fdopen(write_end, "w") as for_the_server:
            transport, self.stderr = await asyncio.get_running_loop().connect_read_pipe(_Tail, pipe)
            try:
                async with stdio_client(parameters, errlog=for_the_server) as streams:
                    for_the_server.close()
                    yield streams
            finally:
                transport.close()

    async def last_words(self) -> str:
        if self.stderr is None:
            return ""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_S):
                await self.stderr.closed.wait()
        return self.stderr.text


class _Tail(asyncio.Protocol):
    """The end of what was written to a pipe. Somebody has to read it, or a talkative server would block."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self._data = b""

    @property
    def text(self) -> str:
        return self._data.decode(errors="replace").strip()

    def data_received(self, data: bytes) -> None:
        self._data = (self._data + data)[-_TAIL_CHARS:]

    def connection_lost(self, error: Exception | None) -> None:
        self.closed.set()


@dataclass(slots=True)
class Http:
    """A server at a URL (streamable HTTP)."""

    url: str
    headers: Mapping[str, str]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Streams]:
        async with (
            httpx2.AsyncClient(headers=dict(self.headers), timeout=_HTTP_TIMEOUT) as client,
            streamable_http_client(self.url, http_client=client) as streams,
        ):
            yield streams

    async def last_words(self) -> str:
        return ""


class Session:
    """Starts when it is made; `close` has to be awaited."""

    def __init__(self, transport: Transport, start_timeout_s: float) -> None:
        self._transport = transport
        self._start_timeout_s = start_timeout_s
        self._started: asyncio.Future[list[ServerTool]] = asyncio.get_running_loop().create_future()
        self._closing = asyncio.Event()
        self._scope = anyio.CancelScope()
        self._client: Client | None = None
        self.server_name: str | None = None
        """What the server calls itself, if it says so."""
        self._calls: asyncio.TaskGroup | None = None
        """None before the start and after the end."""
        self._failure: Exception | None = None
        self._owner = asyncio.create_task(self._own())

    async def tools(self) -> list[ServerTool]:
        """Waits for the start. Raises `Gone` when there is none, `TimeoutError` when it takes too long."""
        return await asyncio.shield(self._started)

    @property
    def over(self) -> bool:
        """Whether it has started and ended, or could not start."""
        return self._started.done() and self._calls is None

    async def call(self, name: str, arguments: dict[str, Any]) -> CallToolResult:
        """Cancelling this tells the server. Raises `Gone`, and whatever else the SDK raises."""
        await self.tools()
        if self._calls is None:
            raise await self._gone()
        attempt = self._attempt(name, arguments)
        try:
            call = self._calls.create_task(attempt)
        except RuntimeError:  # the group is ending
            attempt.close()
            raise await self._gone() from None
        try:
            await asyncio.wait({call})
        except asyncio.CancelledError:
            call.cancel()
            await asyncio.wait({call}, timeout=_FAREWELL_S)
            raise
        result = await self._gone() if call.cancelled() else call.result()
        if isinstance(result, MCPError) and result.code == CONNECTION_CLOSED:
            result = await self._gone()
        if isinstance(result, Exception):
            raise result
        return result

    async def _attempt(self, name: str, arguments: dict[str, Any]) -> CallToolResult | Exception:
        assert self._client
        try:
            return await self._client.call_tool(name, arguments)
        except Exception as error:  # noqa: BLE001 # the boundary: one call's failure must not end the task group that all share
            return error

    async def close(self) -> None:
        """Ends the server if it is ours. Takes seconds when it does not want to end; cancelling this does not hurry it."""
        self._closing.set()
        if not self._started.done():
            self._scope.cancel()
        cancelled: asyncio.CancelledError | None = None
        while not self._owner.done():
            try:
                await asyncio.wait({self._owner})
            except asyncio.CancelledError as error:  # or a process would be left behind; the SDK bounds each of its steps
                cancelled = error
        if cancelled:
            raise cancelled

    async def _own(self) -> None:
        with self._scope:
            self._scope.deadline = anyio.current_time() + self._start_timeout_s
            try:
                await self._serve()
            except Exception as error:  # noqa: BLE001 # the boundary: whatever ends the session is told to those who start or call
                self._failure = error
        if not self._started.done():
            self._started.set_exception(TimeoutError() if self._failure is None else await self._gone())
        if not self._started.cancelled():
            self._started.exception()  # perhaps nobody waits any more

    async def _serve(self) -> None:
        async with Client(self._transport.open()) as client:
            page = await client.list_tools()
            tools = page.tools
            while page.next_cursor:
                page = await client.list_tools(cursor=page.next_cursor)
                tools = [*tools, *page.tools]
            self._scope.deadline = math.inf
            self._client = client
            self.server_name = client.server_info.name if client.server_info else None
            try:
                async with asyncio.TaskGroup() as self._calls:
                    self._started.set_result(tools)
                    await self._closing.wait()
                    raise _Closed
            except* _Closed:  # it has cancelled the calls that were left
                pass
            finally:
                self._calls = None

    async def _gone(self) -> Gone:
        if self._calls is None and asyncio.current_task() is not self._owner:
            await asyncio.wait({self._owner}, timeout=_LAST_WORDS_S)  # it knows why only when it has left the SDK
        failure = self._failure
        cause = first_cause(failure) if isinstance(failure, BaseExceptionGroup) else failure
        why = "" if cause is None else str(cause) or type(cause).__name__
        return Gone("\n".join(filter(None, [why, await self._transport.last_words()])))


class _Closed(Exception):
    """Ends a task group with all its tasks."""
