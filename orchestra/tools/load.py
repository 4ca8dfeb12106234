"""Tools by what a user types after `--tools`: a module, a file, or one name in either."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import ConfigError
from .function import as_tool
from .modules import import_file, import_name
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
    module = _imported(source)
    if colon:
        if not hasattr(module, name):
            raise ConfigError(f"{source} has no {name!r}: it defines {_listed(_public(module))}")
        return _tools(getattr(module, name), f"{source}:{name}")
    if hasattr(module, LIST):
        return _tools(getattr(module, LIST), f"{source}:{LIST}")
    found = {id(value): value for value in vars(module).values() if isinstance(value, Tool)}
    if not found:
        functions = [key for key, value in _public(module).items() if callable(value)]
        raise ConfigError(
            f"{source} ({getattr(module, '__file__', 'built in')}) defines no tools: put `@tool` over functions, or list them in `{LIST}`; "
            f"it defines {_listed(functions)}"
        )
    return _tools(list(found.values()), source)


def _names_something(spec: str) -> bool:
    """Whether there is a `:name` at the end, and not the colon of a Windows drive."""
    _, _, name = spec.rpartition(":")
    return ":" in spec and not any(separator in name for separator in "/\\")


def _imported(source: str) -> ModuleType:
    is_file = source.endswith(".py") or "/" in source or "\\" in source
    path = Path(source).expanduser()
    if is_file and not path.is_file():
        raise ConfigError(f"there is no file {source}: give the path of a Python file, or the name of a module")
    if is_file and path.suffix != ".py":
        raise ConfigError(f"{source} is no Python file: its name must end with .py")
    try:
        return import_file(path) if is_file else import_name(source)
    except SyntaxError as error:
        raise ConfigError(
            f"{source} cannot be imported: {error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}"
        ) from error
    except (Exception, SystemExit) as error:  # the boundary: a module may raise anything while it is imported
        if isinstance(error, ModuleNotFoundError) and error.name and (source == error.name or source.startswith(f"{error.name}.")):
            raise ConfigError(
                f"there is no module {error.name!r} in the current folder or among what is installed: give a module, or a path that ends "
                "with .py"
            ) from error
        raise ConfigError(f"{source} cannot be imported: {_where(error)}{type(error).__name__}: {error}") from error


def _where(error: BaseException) -> str:
    """File and line that a user can mend: the innermost frame that is neither installed nor Python's own."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    own = [frame for frame in frames if not any(Path(frame.filename).is_relative_to(folder) for folder in _FOREIGN)]
    return f"{own[-1].filename}:{own[-1].lineno}: " if own else ""


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


def _public(module: ModuleType) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    }


def _listed(names: Any) -> str:
    return ", ".join(names) or "nothing"


_FOREIGN = {Path(__file__).parents[1], *(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib"))}
