"""What was asked of runs, as words: facts that they share, and settings in which they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .safe_json import compact
from .shown import Shown

_FIRST = ("benchmark", "method", "engine", "model", "date", "commit")
"""What people look for first, in this order."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Texts by name; a value that a run does not have is "–"."""

    shared: Mapping[str, str]
    different: Mapping[str, Sequence[str]]
    """For each name one text a run."""

    @property
    def headline(self) -> dict[str, str]:
        """Of what is shared, what stands on top of the page."""
        return {name: self.shared[name] for name in _FIRST if name in self.shared}


def settings_of(runs: Sequence[Shown]) -> Settings:
    told = [_told(run.shards[0].config) for run in runs]
    names = dict.fromkeys([*_FIRST, *(name for facts in told for name in facts)])
    shared, different = {}, {}
    for name in names:
        texts = [facts.get(name, "–") for facts in told]
        if all(text == "–" for text in texts):
            continue
        if len(set(texts)) == 1:
            shared[name] = texts[0]
        else:
            different[name] = texts
    return Settings(shared, different)


def _told(config: Mapping[str, Any]) -> dict[str, str]:
    """The experiment's settings and what stands beside them; dictionaries inside are spread out as "versions.python"."""
    facts: dict[str, str] = {}
    for name, value in config.items():
        if name == "experiment":
            facts |= {key: _text(inner) for key, inner in value.items() if inner is not None}
        elif isinstance(value, dict):
            facts |= {f"{name}.{key}": _text(inner) for key, inner in value.items() if inner is not None}
        elif value is not None:
            facts[name] = _text(value)
    return facts


def _text(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return " ".join(value)
    return value if isinstance(value, str) else compact(value)
