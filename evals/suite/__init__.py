"""The benchmarks, one small file each, by the name that the command line knows; a file is imported when it is asked for."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module

from orchestra.errors import ConfigError

from ..benchmark import Benchmark

BENCHMARKS: Mapping[str, str] = {
    "tiny": "tiny:BENCHMARK",
    "countdown": "countdown:FOUR",
    "countdown3": "countdown:THREE",
    "countdown5": "countdown:FIVE",
    "countdown6": "countdown:SIX",
    "game24": "game24:BENCHMARK",
    "game24hard": "game24:HARD",
    "aime24": "aime24:BENCHMARK",
    "aime25": "aime25:BENCHMARK",
    "aime26": "aime26:BENCHMARK",
    "amc23": "amc23:BENCHMARK",
    "math500": "math500:BENCHMARK",
    "hmmt25": "hmmt25:BENCHMARK",
    "brumo25": "brumo25:BENCHMARK",
    "gsm8k": "gsm8k:BENCHMARK",
    "parallelqa": "parallelqa:BENCHMARK",
    "hotpotqa": "hotpotqa:BENCHMARK",
    "movies": "movies:BENCHMARK",
    "plan_over_graph": "plan_over_graph:BENCHMARK",
    "appbench": "appbench:BENCHMARK",
    "cat_bench": "cat_bench:BENCHMARK",
    "parallelprompt": "parallelprompt:BENCHMARK",
}
"""By name: the file of this package and what it calls the benchmark."""


def benchmark(name: str) -> Benchmark:
    """Raises `ConfigError` for a name that is none, with those that are like it."""
    place = BENCHMARKS.get(name)
    if place is None:
        close = difflib.get_close_matches(name.lower()[:64], BENCHMARKS, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(BENCHMARKS)}"
        raise ConfigError(f"no benchmark is called {name!r}: {hint} (`orchestra eval list` describes all)")
    module, _, attribute = place.partition(":")
    found = getattr(import_module(f".{module}", __package__), attribute)
    assert isinstance(found, Benchmark), place
    assert found.name == name, place
    return found


def all_benchmarks() -> tuple[Benchmark, ...]:
    """All, in the order of `BENCHMARKS`."""
    return tuple(map(benchmark, BENCHMARKS))
