"""A connection to an OpenAI-compatible server: the one file that names httpx.

Connections are kept alive and not limited in number, and reading has no timeout, because a long answer is no failure. A request is sent
again where another try can help (the server is full, starting, or gone for a moment) and nowhere else. Whatever a server answers, what
comes out is an answer or an `EngineError` that says what to do next.
"""

from __future__ import annotations

import json
import string
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
import stamina

from ..errors import ConfigError, EngineError

T = TypeVar("T")

KEY_VARIABLE = "ORCHESTRA_API_KEY"
"""The environment variable in which `open_engine` looks for a server's key."""
CONNECT_S = 10.0
KEEP_ALIVE_S = 4.0
"""Less than the 5 s of uvicorn, vLLM's web server: a request must not meet a connection that is just being closed."""
CROWD = 8
"""Requests at once of one httpx client; more get a client more. For each request its connection pool goes through all connections for
every idle one: with 1,800 requests of 50 streamed tokens at once, one client for all takes 22 ms of CPU a request, clients of 8 take 2.7."""
MAX_BACKOFF_S = 5.0
MAX_RETRY_AFTER_S = 60.0
_PLAIN = " " + string.punctuation.replace("%", "")
"""What stays as it is in a header, beside letters and digits."""


class Unavailable(EngineError):
    """Another try can help: the server is full or starting, or the connection broke."""

    def __init__(self, message: str, *, status: int | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message, status=status)
        self.retry_after_s = retry_after_s
        """What the server asks for; None when it does not say."""


@dataclass(slots=True)
class _Crowd:
    client: httpx.AsyncClient
    requests: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What a server says of one of its models."""

    context: int | None = None
    """Most tokens of a prompt and its completion; None when it does not say."""
    vllm: bool = False
    """It is served by vLLM."""


class Connection:
    """One server at `url`, with or without "/v1" at its end. `patience_s`: how long to go on trying after a request's first failure.

    Raises `ConfigError` for an address or a key that nothing can be sent with.
    """

    def __init__(self, url: str, *, api_key: str | None, patience_s: float) -> None:
        _check_url(url)
        if api_key and not (api_key.isascii() and api_key.isprintable() and api_key.strip() == api_key):
            raise ConfigError("the API key holds spaces at its ends, a line break or non-ASCII characters: copy it again")
        self._root = url.rstrip("/").removesuffix("/v1")
        self._patience_s = patience_s
        self.in_flight = 0
        """Requests that are not finished, waiting ones included."""
        self._new_client = partial(
            httpx.AsyncClient,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(None, connect=CONNECT_S),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEEP_ALIVE_S),
            verify=httpx.create_ssl_context(),  # one for all clients: to make it takes 50 ms
        )
        self._crowds: list[_Crowd] = []

    @property
    def url(self) -> str:
        return f"{self._root}/v1"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        async with AsyncExitStack() as stack:  # a client that cannot be closed leaves none of the others open
            for crowd in self._crowds:
                stack.push_async_callback(crowd.client.aclose)

    @contextmanager
    def _client(self) -> Iterator[httpx.AsyncClient]:
        """For one request: the first client that has room."""
        crowd = next((crowd for crowd in self._crowds if crowd.requests < CROWD), None)
        if crowd is None:
            crowd = _Crowd(self._new_client())
            self._crowds.append(crowd)
        crowd.requests += 1
        try:
            yield crowd.client
        finally:
            crowd.requests -= 1

    async def patiently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Awaits `attempt` again and again until it succeeds, fails with another error than `Unavailable`, or patience runs out."""
        self.in_flight += 1
        # Not stamina's own `timeout`, which runs from the start: a long answer that breaks off would never be asked for again.
        try:
            async for again in stamina.retry_context(
                on=_backoff(self._patience_s), attempts=None, timeout=None, wait_max=MAX_BACKOFF_S
            ):
                with again:
                    return await attempt()
        finally:
            self.in_flight -= 1
        raise AssertionError("stamina returns or raises")

    async def post(
        self, path: str, body: Mapping[str, Any], *, session: str = "", traceparent: str | None = None
    ) -> AsyncGenerator[dict[str, Any]]:
        """One attempt: yields the answer, or its pieces when `body` asks for a stream. Closing the generator closes the connection.

        A router sends all requests of one `session` to the same replica. Raises `Unavailable` when another attempt can help, otherwise
        `EngineError`.
        """
        headers = {"X-Session-ID": quote(session, safe=_PLAIN)} if session else {}
        if traceparent is not None:
            headers["traceparent"] = traceparent
        try:
            with self._client() as client:
                async with client.stream("POST", f"{self.url}/{path}", json=body, headers=headers) as response:
                    await self._check(response)
                    if not body.get("stream"):
                        yield self._event(await response.aread())
                        return
                    async for line in response.aiter_lines():
                        field, _, data = line.partition(":")
                        if field == "data" and data.strip() != "[DONE]":
                            yield self._event(data)
                        elif field not in _EVENT_FIELDS:
                            raise self._malformed(line)
        except httpx.RequestError as error:
            raise self._failed(error) from error

    async def reach(self) -> None:
        """Raises `Unavailable` when nobody answers at all, and an `EngineError` of status 401 when the key is refused."""
        response = await self._get(f"{self.url}/models")
        if response.status_code == 401:  # not 403: a key may be good for chats and for nothing else
            await self._check(response)

    async def models(self) -> dict[str, Served]:
        """The models that the server offers, by name."""
        response = await self._get(f"{self.url}/models")
        await self._check(response)
        with self.reading(response.content):
            return {
                str(model["id"]): Served(context=model.get("max_model_len"), vllm=model.get("owned_by") == "vllm")
                for model in response.json()["data"]
            }

    async def metrics(self) -> str:
        """What vLLM exports for Prometheus; empty when the server has no such page."""
        response = await self._get(f"{self._root}/metrics")
        return "" if response.is_error else response.text

    async def _get(self, url: str) -> httpx.Response:
        try:
            with self._client() as client:
                return await client.get(url)
        except httpx.RequestError as error:
            raise self._failed(error) from error

    @contextmanager
    def reading(self, content: object) -> Iterator[None]:
        """Around what takes `content`, an answer of the server, apart: that it is not what it should be is an `EngineError`."""
        try:
            yield
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise self._malformed(content) from error

    async def _check(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        await response.aread()
        status, message = response.status_code, f"{self.url} answered {response.status_code}: {_message(response)}"
        if status in (401, 403):
            raise EngineError(
                f"{message} (pass the key that it wants as `api_key`, or with `--engine URL` in the environment variable {KEY_VARIABLE})",
                status=status,
            )
        if status in (429, 503):
            after = response.headers.get("Retry-After", "")
            raise Unavailable(
                f"{message} (too many requests: lower the concurrency, or add servers behind a router)",
                status=status,
                retry_after_s=min(float(after), MAX_RETRY_AFTER_S) if after.isdecimal() else None,
            )
        raise EngineError(message, status=status)

    def broken_off(self) -> Unavailable:
        """A stream ended before it said how the answer ends."""
        return Unavailable(f"{self.url} closed the stream in the middle of an answer: see its log")

    def _event(self, data: str | bytes) -> dict[str, Any]:
        with self.reading(data):
            event: dict[str, Any] = json.loads(data)
            error = event.get("error")
        if error:
            code = error.get("code") if isinstance(error, dict) else None
            status = code if isinstance(code, int) else None
            if status is not None and 400 <= status < 500:  # vLLM looks at a constraint when the stream has begun
                raise EngineError(f"{self.url} refused the request: {_explanation(error)}", status=status)
            raise EngineError(f"{self.url} failed in the middle of an answer: {_explanation(error)} (see its log)", status=status)
        return event

    def _failed(self, error: httpx.RequestError) -> EngineError:
        kind = Unavailable if isinstance(error, _BROKEN) else EngineError
        return kind(
            f"{self.url} does not answer ({type(error).__name__}: {error}): check the address, and that the server is running and its log"
        )

    def _malformed(self, content: object) -> EngineError:
        text = content.decode(errors="replace") if isinstance(content, bytes) else str(content)
        return EngineError(
            f"{self.url} gave an answer that is not one of the OpenAI API: {text[:200]!r}. Check that the address is that of a model"
            " server, and the log of what stands between, such as a proxy"
        )


@contextmanager
def entering() -> Iterator[None]:
    """Around the first requests of an engine: that the server refuses the key is then a matter of configuration."""
    try:
        yield
    except EngineError as error:
        if error.status in (401, 403):
            raise ConfigError(str(error)) from error
        raise


_BROKEN = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout)
_EVENT_FIELDS = ("", "data", "event", "id", "retry")
"""What a line of an event stream begins with; "" are comments and the empty lines between events."""


def _check_url(url: str) -> None:
    try:
        parsed = httpx.URL(url)
        problem = "" if parsed.scheme in ("http", "https") and parsed.host else "it lacks http:// or a host"
        if parsed.port is not None and parsed.port > 65535:
            problem = f"there is no port {parsed.port}"
    except httpx.InvalidURL as error:
        problem = str(error)
    if problem:
        raise ConfigError(f"{url!r} is not the address of a server ({problem}): write it as http://HOST:PORT/v1")


def _backoff(patience_s: float) -> Callable[[Exception], bool | float]:
    """Says of each failure of one request whether to try again; a number is the wait in seconds that the server asks for."""
    give_up_at: float | None = None

    def try_again(error: Exception) -> bool | float:
        nonlocal give_up_at
        if not isinstance(error, Unavailable):
            return False
        now = time.monotonic()
        if give_up_at is None:
            give_up_at = now + patience_s
        if now >= give_up_at:
            return False
        return True if error.retry_after_s is None else error.retry_after_s

    return try_again


def _message(response: httpx.Response) -> str:
    """The server's own explanation; `{"error": {"message": …}}` is how OpenAI and vLLM write it."""
    try:
        content = response.json()
    except ValueError:
        return response.text[:500]
    return _explanation(content.get("error", content) if isinstance(content, dict) else content)


def _explanation(error: object) -> str:
    return str(error.get("message", error) if isinstance(error, dict) else error)
