"""What packing is measured on, and the ways of making rows that are compared.

A scenario is families of units: units of one family may share prefixes, those of different families never do, because each family's units
begin with a token of its own. So a few kept rollouts, repeated as many families, load a GPU as many different problems would.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, groupby

from orchestra.training.attention import Attention
from orchestra.training.formats.make import demonstrated
from orchestra.training.rollout import Rollout, Unit
from orchestra.training.trie import Row, pack

from ..problems import from_split

LONG_PREFIX = 1_000
"""Tokens of the made-up prompt."""
_WOVEN = 8

Family = list[Unit]


def scenarios(rollouts: Sequence[Rollout], *, vocabulary: int) -> dict[str, list[Family]]:
    """Families by the name of their scenario. `rollouts` are those of `packing_kept`, groups side by side."""
    groups: dict[str, list[list[Rollout]]] = {"1.0": [], "2.0": []}
    for group, own in groupby(rollouts, key=lambda rollout: rollout.group):
        groups[group.rpartition(" at ")[2]].append(list(own))
    exploring = groups["2.0"]
    draw = random.Random(0)
    prefix = tuple(draw.randrange(vocabulary) for _ in range(LONG_PREFIX))
    return {
        "one APR rollout": [list(group[0].units) for group in exploring],
        "APR, group of 8": [_units(group) for group in exploring],
        "APR, group of 8, nearly deterministic policy": [_units(group) for group in groups["1.0"]],
        "one weaver rollout": [_woven(number) for number in range(_WOVEN)],
        f"one APR rollout, prompt of {LONG_PREFIX:,} tokens": [
            [replace(unit, prompt=prefix + unit.prompt) for unit in group[0].units] for group in exploring
        ],
    }


def filled(families: Sequence[Family], *, tokens: int) -> list[Unit]:
    """Families, again from the first when they are through, until they have `tokens` tokens; at least one. Family n begins with token n."""
    units: list[Unit] = []
    size = 0
    for number, family in enumerate(cycle(families)):
        units += [replace(unit, prompt=(number, *unit.prompt)) for unit in family]
        size += sum(len(unit) + 1 for unit in family)
        if size >= tokens:
            return units
    raise AssertionError("a scenario without families")


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How units become rows, and rows a forward pass."""

    make: Callable[[Sequence[Unit], int], list[Row]]
    """From units and a row's most tokens."""
    attention: Attention = "sdpa"
    causal: bool = False
    """Rows hold one unit each and need no mask: the fastest kernel there is."""
    equal: bool = False
    """Every row is padded to the longest of all."""


def ways(*, flex: bool) -> dict[str, Way]:
    """`padded` is what TRL's synchronous GRPO does; `sorted` is as little padding as one row a unit allows; `bins` is sequence packing without
    prefix sharing. The others share prefixes."""
    made = {
        "padded": Way(make=_alone, causal=True, equal=True),
        "sorted": Way(make=_alone, causal=True),
        "bins, sdpa": Way(make=_binned),
        "trie, sdpa": Way(make=_shared),
    }
    if flex:
        made["bins, flex"] = Way(make=_binned, attention="flex_attention")
        made["trie, flex"] = Way(make=_shared, attention="flex_attention")
    return made


def row_tokens(units: Sequence[Unit], attention: Attention) -> int:
    """Dense masks cost the square of a row, so their rows are short; flex attention skips what nobody sees. A power of two, room for two units."""
    least = 4096 if attention == "flex_attention" else 1024
    return int(max(least, 1 << (2 * max(map(len, units)) - 1).bit_length()))


def _alone(units: Sequence[Unit], budget: int) -> list[Row]:
    return [row for unit in units for row in pack([unit], budget=budget)]


def _binned(units: Sequence[Unit], budget: int) -> list[Row]:
    """First fit, longest first."""
    bins: list[list[Unit]] = []
    free: list[int] = []
    for unit in sorted(units, key=len, reverse=True):
        size = len(unit) - 1  # the last token predicts nothing
        place = next((number for number, room in enumerate(free) if room >= size), None)
        if place is None:
            bins.append([])
            free.append(budget)
            place = len(bins) - 1
        bins[place].append(unit)
        free[place] -= size
    return [row for one in bins for row in pack(one, budget=budget, share=False)]


def _shared(units: Sequence[Unit], budget: int) -> list[Row]:
    rows: list[Row] = pack(units, budget=budget)
    return rows


def _units(group: Sequence[Rollout]) -> Family:
    return [unit for rollout in group for unit in rollout.units]


def _woven(number: int) -> Family:
    """The requests of a search whose threads see their parent's outlines. A demonstration: log-probabilities are made up."""
    problem = from_split("test", seed=0, limit=number + 1)[number]
    tree = demonstrated(problem, "weaver", random.Random(number))
    return [replace(unit, logprobs=(0.0,) * len(unit.sampled)) for unit in tree.units]
