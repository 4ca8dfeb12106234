"""Tools by what a user types after `--tools`: a module, a file, or one name in either."""

from __future__ import annotations

from typing import Any

from ..errors import ConfigError
from ..user_modules import imported, public
from .function import as_tool
from .tool import Tool, ToolSet

LIST = "TOOLS"


def load_tools(spec: str) -> list[Tool]:
    """The tools that `spec` names: "package.module", "path/to/file.py", or either with ":name".

    Of a module they are the list `TOOLS` if it has one, otherwise every tool in it (what `@tool` has made), in its order; a name is a tool,
    a function, or a list of them. Modules are looked for in the current folder, too. The module is run: load only what you would run.

    Raises `ConfigError` when it cannot be imported (with file and line), or when there are no tools in it.
    """
    source, colon, name = spec.rpartition(":") if _names_something(spec) else (spec, "", "")
    if not source or (colon and not name):
        raise ConfigError(f"{spec!r} names no tools: write MODULE, path/to/FILE.py, MODULE:NAME or path/to/FILE.py:NAME")
    module = imported(source)
    if colon:
        if not hasattr(module, name):
            raise ConfigError(f"{source} has no {name!r}: it defines {_listed(public(module))}")
        return _tools(getattr(module, name), f"{source}:{name}")
    if hasattr(module, LIST):
        return _tools(getattr(module, LIST), f"{source}:{LIST}")
    found = {id(value): value for value in vars(module).values() if isinstance(value, Tool)}
    if not found:
        functions = [key for key, value in public(module).items() if callable(value)]
        raise ConfigError(
            f"{source} ({getattr(module, '__file__', 'built in')}) defines no tools: put `@tool` over functions, or list them in `{LIST}`; "
            f"it defines {_listed(functions)}"
        )
    return _tools(list(found.values()), source)


def _names_something(spec: str) -> bool:
    """Whether there is a `:name` at the end, and not the colon of a Windows drive."""
    _, _, name = spec.rpartition(":")
    return ":" in spec and not any(separator in name for separator in "/\\")


def _tools(value: Any, where: str) -> list[Tool]:
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    for item in values:
        if not callable(item) and not isinstance(item, Tool):
            raise ConfigError(f"{where} holds {item!r}, which is neither a tool nor a function")
    if not values:
        raise ConfigError(f"{where} is empty: put tools or functions into it")
    tools = [as_tool(item) for item in values]
    ToolSet(tools)
    return tools


def _listed(names: Any) -> str:
    return ", ".join(names) or "nothing"
