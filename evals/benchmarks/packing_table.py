"""The numbers of `packing_speed` as Markdown tables."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestra.errors import ConfigError


def table(path: Path) -> str:
    """One table a model. Raises `ConfigError` for a file that is not of `packing_speed`."""
    try:
        return "\n".join(_tables(json.loads(path.read_text(encoding="utf-8")))) + "\n"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} holds no numbers of packing_speed ({type(error).__name__}: {error})") from error


def _tables(result: Mapping[str, Any]) -> Iterator[str]:
    machine = result["machine"]["gpu"] or f"{result['machine']['processor']}, one core"
    versions = ", ".join(f"{name} {found}" for name, found in result["versions"].items())
    yield f"{machine}, {result['dtype']}, {result['date']}, {versions}; passes of {result['slots']:,} padded tokens."
    for size, model in result["models"].items():
        yield f"\n**{size}** ({model['parameters'] / 1e6:.1f}M parameters)\n"
        yield "| rollouts | rows | forwarded | padded | trained tokens/s | × padded | × bins | peak memory |"
        yield "|---|---|---|---|---|---|---|---|"
        for name, cell in model["scenarios"].items():
            yield from _lines(name, cell["ways"])


def _lines(scenario: str, ways: Mapping[str, Any]) -> Iterator[str]:
    for number, (name, way) in enumerate(ways.items()):
        if "error" in way:
            yield f"| {scenario if number == 0 else ''} | {name} | {way['forwarded_tokens']:,} | {way['padded_tokens']:,} | {way['error']} | | | |"
            continue
        _, _, attention = name.partition(", ")
        bins = ways[f"bins, {attention or 'sdpa'}"]
        memory = f"{way['peak_mib'] / 1024:.1f} GiB" if "peak_mib" in way else "–"
        yield (
            f"| {scenario if number == 0 else ''} | {name} | {way['forwarded_tokens']:,} | {way['padded_tokens']:,} |"
            f" {way['trained_tokens_per_second']:,} | {speedup(ways['padded'].get('seconds', ()), way['seconds'])} |"
            f" {speedup(bins.get('seconds', ()), way['seconds'])} | {memory} |"
        )


def speedup(base: Sequence[float], other: Sequence[float]) -> str:
    """The median over rounds of how many times faster `other` was, with its least and largest."""
    if not (base and other):
        return "–"
    ratios = [before / after for before, after in zip(base, other, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
