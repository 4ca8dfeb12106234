"""A tool: a specification and an async function that takes the arguments by name. How it is made does not matter here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError
from ..plan.tool_spec import ToolSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """What a plan may call."""

    spec: ToolSpec
    call: Callable[[Mapping[str, Any]], Awaitable[Any]]
    """Checks the arguments against the specification, and runs. Raises `ToolError` for wrong arguments; any other exception is the
    tool's own failure. It must not block the event loop."""
    timeout_s: float | None = None
    resource: str | None = None
    """A named resource that each call occupies (`Resources`): "search-api", say. None is limited by the run's own slots only."""
    restore: Callable[[Any], Any] | None = None
    """Makes an output of its JSON form, as a journal or a cache keeps it; None leaves JSON as it is."""
    usage: Callable[[Any], float] | None = None
    """Money that a call has cost, from its output; None when it costs none."""

    @property
    def name(self) -> str:
        return self.spec.name


class ToolSet(Mapping[str, Tool]):
    """Tools by name. Raises `ConfigError` for two of one name."""

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            if tool.name in self._tools:
                raise ConfigError(f"two tools are called {tool.name!r}: rename one of them")
            self._tools[tool.name] = tool
        self.specs: Mapping[str, ToolSpec] = {name: tool.spec for name, tool in self._tools.items()}

    def __getitem__(self, name: str) -> Tool:
        return self._tools[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tools)

    def __len__(self) -> int:
        return len(self._tools)
