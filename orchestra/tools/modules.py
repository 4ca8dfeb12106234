"""Users' modules, by name or by file."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

_ALIAS = "orchestra_tools_"


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
