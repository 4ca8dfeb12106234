"""Tools of servers that speak the Model Context Protocol.

    async with McpServer.stdio("python", ["-m", "mcp_server_time"]) as server:
        agent = Agent(..., tools=server.tools())

Needs `pip install 'orchestra[mcp]'`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from pydantic_core import PydanticSerializationError, to_jsonable_python

from ..errors import ConfigError, ToolError
from ..plan.node import Effect
from ..plan.tool_spec import ToolSpec
from .output import MAX_OUTPUT_CHARS, bounded
from .tool import Tool, ToolSet
from .wording import missing_argument, unknown_argument, usage

if TYPE_CHECKING:
    from mcp.types import CallToolResult
    from mcp.types import Tool as ServerTool

    from .mcp_session import Session, Transport


class McpServer:
    """A server, connected while this is entered. Its calls run concurrently, and each may be cancelled by itself.

    When a server that we have started dies, calls fail with a `ToolError`: it is not started again, because it may have held state. A
    connection over HTTP is opened again by the next call; no call is ever repeated.
    """

    def __init__(
        self, transport: Callable[[], Transport], *, name: str | None, hint: str, start_timeout_s: float, reconnects: bool
    ) -> None:
        """For `stdio` and `http`, which are how one is made. `hint` is for who looks into why it does not start."""
        self.name = name
        """What errors call it; None takes what the server calls itself."""
        self._transport = transport
        self._hint = hint
        self._start_timeout_s = start_timeout_s
        self._reconnects = reconnects
        self._session: Session | None = None
        self._listed: Sequence[ServerTool] = ()

    @classmethod
    def stdio(
        cls,
        command: str,
        args: Sequence[str] = (),
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
        name: str | None = None,
        start_timeout_s: float = 30.0,
    ) -> McpServer:
        """A server that is started for us, and ended with all its processes when this is left.

        It inherits only what it needs to run (PATH, HOME, …): keys and settings go into `env`.
        """

        def transport() -> Transport:
            over_pipes: Transport = _sdk().Stdio(command, args, env or {}, None if cwd is None else str(cwd))
            return over_pipes

        # Arguments may be secret, and models read errors: only who starts it sees them.
        hint = f"run `{shlex.join([command, *args])}` by hand to see why"
        return cls(transport, name=name, hint=hint, start_timeout_s=start_timeout_s, reconnects=False)

    @classmethod
    def http(
        cls, url: str, *, headers: Mapping[str, str] | None = None, name: str | None = None, start_timeout_s: float = 30.0
    ) -> McpServer:
        """A server that runs elsewhere (streamable HTTP); `headers` hold its key, if it wants one."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"{url!r} is no address of an MCP server: it looks like http://HOST:PORT/mcp")

        def transport() -> Transport:
            over_http: Transport = _sdk().Http(url, headers or {})
            return over_http

        address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"  # without what may be secret
        hint = "start it, or check its address and key"
        return cls(transport, name=name or address, hint=hint, start_timeout_s=start_timeout_s, reconnects=True)

    async def __aenter__(self) -> Self:
        """Raises `ConfigError` when the server cannot be started or reached, or does not answer in time."""
        if self._session is not None:
            raise ConfigError(f"{self._who} is entered already: make another one for another connection")
        self._session = self._connect()
        try:
            self._listed = await self._session.tools()
        except BaseException as error:
            session, self._session = self._session, None
            await session.close()
            if not isinstance(error, TimeoutError | _sdk().Gone):
                raise
            failed = (
                self._late() if isinstance(error, TimeoutError) else "cannot be reached" if self._reconnects else "did not start"
            )
            raise ConfigError(f"{self._who} {failed}: {self._hint}{_said(error)}") from error
        self.name = self.name or self._session.server_name
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        session, self._session = self._session, None
        if session:
            await session.close()

    def tools(self, *, prefix: str = "", effect: Effect | None = None) -> list[Tool]:
        """The server's tools, as it listed them at the start.

        Names become `prefix` + the server's name, with `_` for what identifiers cannot hold. `effect` replaces what the server says of
        its tools: those that only read or are idempotent are "idempotent", all others "once", as also when it says nothing.

        Outputs are the structured content where there is any (a single value that the SDK had to wrap as `{"result": …}` is unwrapped),
        otherwise the text. Raises `ConfigError` when two names become the same.
        """
        if self._session is None:
            raise ConfigError(f"{self._who} is not connected: take its tools inside of `async with`")
        tools = [self._tool(listed, prefix, effect) for listed in self._listed]
        ToolSet(tools)
        return tools

    def _tool(self, listed: ServerTool, prefix: str, effect: Effect | None) -> Tool:
        name = prefix + re.sub(r"\W", "_", listed.name, flags=re.ASCII)
        returns = listed.output_schema
        wrapped = _is_wrapper(returns)
        if returns and wrapped:
            returns = {**{key: returns[key] for key in ("$defs",) if key in returns}, **returns["properties"]["result"]}
        spec = ToolSpec(
            name=name,
            description=listed.description or "",
            parameters=listed.input_schema,
            returns=returns,
            effect=effect or _effect(listed),
        )
        return Tool(spec=spec, call=partial(self._call, spec, listed.name, wrapped))

    async def _call(self, spec: ToolSpec, theirs: str, wrapped: bool, arguments: Mapping[str, Any]) -> Any:
        checked = _checked(spec, arguments)
        session = await self._live(spec.name)
        try:
            result = await session.call(theirs, checked)
        except Exception as error:  # the boundary: the SDK and its transports raise many types
            raise ToolError(f"{spec.name}: {self._who} {self._failed(error)}{_said(error)}") from error
        return bounded(_output(spec.name, result, wrapped), MAX_OUTPUT_CHARS, spec.name)

    async def _live(self, tool: str) -> Session:
        lost = self._session
        if lost and lost.over and self._reconnects:
            await lost.close()
            if self._session is lost:  # nobody else has opened it again meanwhile
                self._session = self._connect()
        if self._session is None:
            raise ToolError(f"{tool}: {self._who} is closed: call its tools inside of `async with`")
        return self._session

    def _connect(self) -> Session:
        session: Session = _sdk().Session(self._transport(), self._start_timeout_s)
        return session

    @property
    def _who(self) -> str:
        return f"the MCP server {self.name}" if self.name else "an MCP server"

    def _late(self) -> str:
        return f"did not answer within {self._start_timeout_s:g} seconds (`start_timeout_s`)"

    def _failed(self, error: BaseException) -> str:
        if isinstance(error, TimeoutError):
            return self._late()
        if not isinstance(error, _sdk().Gone):
            return f"could not do it ({type(error).__name__})"
        if self._session is None:
            return "was closed while the call was running"
        return "cannot be reached" if self._reconnects else "has ended; its tools are lost until it is entered again"


def _said(error: BaseException) -> str:
    return f":\n{error}" if str(error) else ""


def _sdk() -> Any:
    try:
        from . import mcp_session
    except ImportError as error:
        raise ConfigError(f"MCP servers need the package `mcp`, 2.0 or newer ({error}): pip install 'orchestra[mcp]'") from error
    return mcp_session


def _checked(spec: ToolSpec, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Names are checked here, because servers pass over those that they do not know; values are the server's to judge."""
    known = spec.properties
    open_ended = not known or spec.parameters.get("additionalProperties") or spec.parameters.get("patternProperties")
    unknown = [] if open_ended else [name for name in arguments if name not in known]
    missing = [name for name in known if name in spec.required and name not in arguments]
    if unknown or missing:
        wrong = [unknown_argument(spec, name) for name in unknown] + [missing_argument(spec, name) for name in missing]
        raise ToolError(f"{spec.name} was called wrongly: {'; '.join(wrong)}. It is called as {usage(spec)}")
    try:
        return {name: to_jsonable_python(value) for name, value in arguments.items()}
    except (PydanticSerializationError, ValueError) as error:
        raise ToolError(f"{spec.name} cannot be sent its arguments: {error}") from error


def _effect(listed: ServerTool) -> Effect:
    # Reading twice does no harm, but what is read may change: never "pure".
    hints = listed.annotations
    return "idempotent" if hints and (hints.read_only_hint or hints.idempotent_hint) else "once"


def _is_wrapper(schema: Mapping[str, Any] | None) -> bool:
    """Whether the SDK's server has made an object of a single value, because structured content had to be one."""
    match schema:
        case {"properties": {"result": dict(), **others}, "required": ["result"], "title": str(title)}:
            return not others and title.endswith("Output")
    return False


def _output(tool: str, result: CallToolResult, wrapped: bool) -> Any:
    text = "\n".join(_text(block) for block in result.content)
    if result.is_error:
        raise ToolError(f"{tool} failed: {text or 'the server does not say why'}")
    if result.structured_content is None:
        return text
    return result.structured_content["result"] if wrapped else result.structured_content


def _text(block: Any) -> str:
    match block.type:
        case "text":
            return str(block.text)
        case "resource" if hasattr(block.resource, "text"):
            return str(block.resource.text)
        case "resource_link":
            return str(block.uri)
    return f"[{block.type} left out: only text is passed on]"
