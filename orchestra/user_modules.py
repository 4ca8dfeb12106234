"""Users' modules, by name or by file."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import sysconfig
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import ConfigError

_ALIAS = "orchestra_user_"


def imported(source: str) -> ModuleType:
    """The module that a user names: "package.module" or "path/to/file.py". It is run: import only what you would run.

    Raises `ConfigError` when it cannot be imported, with file and line.
    """
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


def public(module: ModuleType) -> dict[str, Any]:
    """What a module defines itself, by name."""
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    }


def import_name(name: str) -> ModuleType:
    """The module `name`, looked for in the current folder last: what is installed is never shadowed. Raises whatever the import raises."""
    _add_to_path(Path.cwd())
    return importlib.import_module(name)


def import_file(path: Path) -> ModuleType:
    """The module in `path`, once however often it is asked for. Modules beside it can be imported, as from a script.

    It has the name of its file where that is free, so that everybody imports the same module. Raises whatever the import raises.
    """
    path = path.resolve()
    _add_to_path(path.parent)
    if path.stem.isidentifier() and _is_at(path.stem, path):
        return importlib.import_module(path.stem)
    alias = _ALIAS + "".join(character if character.isalnum() else "_" for character in str(path))
    if alias in sys.modules:
        return sys.modules[alias]
    spec = importlib.util.spec_from_file_location(alias, path)
    assert spec and spec.loader, "a file that ends with .py has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[alias] = module  # before it runs: data classes and pydantic look their module up by name
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[alias]
        raise
    return module


def import_again(name: str, file: str | None) -> ModuleType:
    """A module that another process has imported under `name`."""
    if file and name.startswith(_ALIAS):
        return import_file(Path(file))
    return importlib.import_module(name)


def _add_to_path(folder: Path) -> None:
    importlib.invalidate_caches()  # a file may be younger than the last look into its folder
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _is_at(name: str, path: Path) -> bool:
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:  # `__main__` and modules that were made by hand
        return False
    return bool(spec and spec.origin and Path(spec.origin).resolve() == path)


def _where(error: BaseException) -> str:
    """File and line that a user can mend: the innermost frame that is neither installed nor Python's own."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    own = [frame for frame in frames if not any(Path(frame.filename).is_relative_to(folder) for folder in _FOREIGN)]
    return f"{own[-1].filename}:{own[-1].lineno}: " if own else ""


_FOREIGN = {Path(__file__).parents[0], *(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib"))}
