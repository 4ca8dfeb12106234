"""Tools from Python functions: `@tool`, or `as_tool(function)`.

The types of parameters are what a call is checked against, and outputs stay Python objects, so that references reach their fields. Async
functions run on the event loop, others in daemon threads (`threads.py`), or in a process of their own if that is asked for.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, ParamSpec, TypedDict, TypeVar, Unpack, overload

from pydantic import ValidationError

from ..errors import ConfigError, ToolError
from ..plan.node import Effect
from ..plan.tool_spec import ToolSpec
from .killable import FunctionName, run_in_process
from .output import MAX_OUTPUT_CHARS, bounded
from .signature import Signature, read_signature
from .threads import SHARED, Threads
from .tool import Tool
from .wording import wrong_arguments

P = ParamSpec("P")
R = TypeVar("R")

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_\-]{0,63}")


class Options(TypedDict, total=False):
    """What may be said of a tool beside its function."""

    name: str | None
    """None takes the function's name."""
    description: str | None
    """None takes the docstring, up to its first section."""
    effect: Effect
    """"idempotent" unless given: it may be retried."""
    reads: Iterable[str]
    """Named things it reads: never at the same time as a tool that writes one of them."""
    writes: Iterable[str]
    seconds: float | None
    """How long a call usually takes."""
    timeout_s: float | None
    resource: str | None
    """A named resource that each call occupies (`Tool.resource`)."""
    usage: Callable[[Any], float] | None
    """Money that a call has cost, from its output."""
    max_output_chars: int | None
    """See `bounded`; 1,000,000 unless given, None for no limit."""
    process: bool
    """Run each call in a process of its own, which a timeout really ends. For functions at the top level of a module."""
    threads: Threads
    """Where it runs unless it is async; a pool of its own keeps a tool that hangs from others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionTool(Tool, Generic[P, R]):
    """A tool made from a function, which can still be called as one."""

    function: Callable[P, R]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)


@overload
def tool(function: Callable[P, R], /, **options: Unpack[Options]) -> FunctionTool[P, R]: ...
@overload
def tool(function: None = None, /, **options: Unpack[Options]) -> Callable[[Callable[P, R]], FunctionTool[P, R]]: ...
def tool(function: Callable[..., Any] | None = None, /, **options: Unpack[Options]) -> Any:
    """A tool from a function, with its name, its docstring and the types of its parameters. Also a decorator, with and without options.

    Raises `ConfigError` for a function that cannot be called by name with values from JSON; it names the parameter.
    """
    if function is None:
        return partial(tool, **options)
    return _tool(function, options)


def as_tool(function: Tool | Callable[..., Any], /, **options: Unpack[Options]) -> Tool:
    """A tool from a function, a bound method, an object with `__call__` or a `functools.partial`, whose bound arguments stay hidden.

    A tool is returned as it is. Raises `ConfigError` as `tool` does.
    """
    if not isinstance(function, Tool):
        return _tool(function, options)
    if options:
        raise ConfigError(f"{function.name} is a tool already: give {', '.join(options)} where it is made")
    return function


def _tool(function: Callable[..., Any], options: Options) -> FunctionTool[..., Any]:
    inner = _unwrapped(function)
    code = inner if inspect.isroutine(inner) else type(inner).__call__
    name = options.get("name") or (inner.__name__ if code is inner else type(inner).__name__)
    docstring = code.__doc__ or (None if code is inner else type(inner).__doc__)
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} cannot be a tool's name: use letters, digits, `_` and `-`, at most 64; give it with `name=`")
    what = f"{name}()"
    for is_generator in (inspect.isgeneratorfunction, inspect.isasyncgenfunction):
        if is_generator(code):
            raise ConfigError(f"{what} is a generator: a tool returns its output, for example a list")
    limit = options.get("max_output_chars", MAX_OUTPUT_CHARS)
    if limit is not None and limit < 1:
        raise ConfigError(f"`max_output_chars` of {what} must be positive, or None for no limit, got {limit}")
    signature = read_signature(function, code, docstring, what)
    description = options.get("description")
    spec = ToolSpec(
        name=name,
        description=signature.description if description is None else description,
        parameters=signature.parameters,
        returns=signature.returns,
        effect=options.get("effect", "idempotent"),
        reads=frozenset(options.get("reads", ())),
        writes=frozenset(options.get("writes", ())),
        seconds=options.get("seconds"),
    )
    return FunctionTool(
        spec=spec,
        call=_checked(spec, signature, _runner(name, function, code, limit, options)),
        timeout_s=options.get("timeout_s"),
        resource=options.get("resource"),
        restore=signature.restore,
        usage=options.get("usage"),
        function=function,
    )


def _unwrapped(function: Callable[..., Any]) -> Any:
    while isinstance(function, partial):
        function = function.func
    if isinstance(function, Tool):
        raise ConfigError(f"{function.name} is a tool already")
    if inspect.isclass(function):
        raise ConfigError(f"{function.__name__} is a class: pass a function, a bound method, or an object with `__call__`")
    if not callable(function):
        raise ConfigError(f"a tool is made from a function, got {function!r}")
    return function


def _runner(
    name: str, function: Callable[..., Any], code: Callable[..., Any], limit: int | None, options: Options
) -> Callable[..., Awaitable[Any]]:
    threads = options.get("threads", SHARED)
    if options.get("process"):
        where = FunctionName.of(function)

        async def in_process(**arguments: Any) -> Any:
            return await run_in_process(name, where, arguments, limit, threads)

        return in_process
    if inspect.iscoroutinefunction(code):

        async def on_the_loop(**arguments: Any) -> Any:
            try:
                return bounded(await function(**arguments), limit, name)
            except SystemExit as error:  # it would end the event loop, and every run with it
                raise ToolError(f"{name} raised {error!r}: it should return, or raise an ordinary exception") from error

        return on_the_loop

    async def in_thread(**arguments: Any) -> Any:
        output = await threads.run(name, partial(function, **arguments))
        if inspect.isawaitable(output):  # an async function behind a lambda or a decorator
            output = await output
        return bounded(output, limit, name)

    return in_thread


def _checked(
    spec: ToolSpec, signature: Signature, run: Callable[..., Awaitable[Any]]
) -> Callable[[Mapping[str, Any]], Awaitable[Any]]:
    check = signature.check

    async def call(arguments: Mapping[str, Any]) -> Any:
        try:
            checked = check(arguments)
        except ValidationError as error:
            raise wrong_arguments(spec, error) from error
        return await run(**checked)

    return call
