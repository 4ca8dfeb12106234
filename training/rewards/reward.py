"""Rewards as sums of products of named terms.

A term reads one number from the facts of one rollout. Terms are added, subtracted and multiplied like numbers, and a score says what each
summand has contributed, so that the curve of every term can be drawn and the curves add up to the reward:

    reward = correct() + 0.5 * acceleration(max=0.2) - work(price=0.0001)
    reward(facts, setting)      # Score(terms={"correct": 1.0, "acceleration(max=0.2)": 0.1, "work(price=0.0001)": -0.12})

`str(reward)` is the text that `spec.read_reward` reads back.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ParamSpec

from orchestra.errors import ConfigError

from ..rollout import Facts

MAX_SUMMANDS = 64
"""Products of sums are multiplied out, so that a short text could ask for very many; no paper's has more than 3."""

CONSTANT = "constant"
"""What a number that stands alone is called among the terms of a score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a reward may read beside the facts of its own rollout."""

    step: int
    """Training step, from 1."""
    solved: float
    """Share of the rollouts of its group that are correct, its own included: 0 … 1."""

    def __post_init__(self) -> None:
        assert self.step >= 1 and 0 <= self.solved <= 1, self


Read = Callable[[Facts, Setting], float]


@dataclass(frozen=True, slots=True)
class Term:
    """One number about a rollout. Terms of one name are taken to be the same."""

    name: str
    """As in a text: the kind with those parameters that are not the defaults."""
    read: Read = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Score:
    """What one rollout has earned."""

    terms: Mapping[str, float]
    """Contribution of each summand, its coefficient and sign included. The same names in the same order for every rollout."""

    @property
    def value(self) -> float:
        return math.fsum(self.terms.values())


@dataclass(frozen=True, slots=True)
class Reward:
    """A sum of summands, each a coefficient with the terms that it multiplies (none: a constant)."""

    summands: tuple[tuple[float, tuple[Term, ...]], ...]

    def __post_init__(self) -> None:
        if len(self.summands) > MAX_SUMMANDS:
            raise ConfigError(f"a reward may have {MAX_SUMMANDS} summands when multiplied out, this one has {len(self.summands)}")
        for coefficient, _ in self.summands:
            if not math.isfinite(coefficient):
                raise ConfigError(f"a coefficient of a reward must be a finite number, got {coefficient!r}")

    def __call__(self, facts: Facts, setting: Setting) -> Score:
        """Raises `ConfigError` for a term that gives no finite number."""
        seen = {term: _finite(term, facts, setting) for _, factors in self.summands for term in factors}
        terms: dict[str, float] = {}
        for coefficient, factors in self.summands:
            name = "*".join(term.name for term in factors) or CONSTANT
            terms[name] = terms.get(name, 0.0) + coefficient * math.prod(seen[term] for term in factors)
        return Score(terms)

    def __add__(self, other: Reward | float) -> Reward:
        return Reward(self.summands + _reward(other).summands)

    def __radd__(self, other: float) -> Reward:
        return _reward(other) + self

    def __mul__(self, other: Reward | float) -> Reward:
        return Reward(tuple((a * b, x + y) for a, x in self.summands for b, y in _reward(other).summands))

    def __rmul__(self, other: float) -> Reward:
        return _reward(other) * self

    def __neg__(self) -> Reward:
        return Reward(tuple((-coefficient, factors) for coefficient, factors in self.summands))

    def __sub__(self, other: Reward | float) -> Reward:
        return self + -_reward(other)

    def __rsub__(self, other: float) -> Reward:
        return _reward(other) - self

    def __str__(self) -> str:
        text = ""
        for coefficient, factors in self.summands:
            size = abs(coefficient)
            product = "*".join([*([] if factors and size == 1 else [written(size)]), *(term.name for term in factors)])
            minus = math.copysign(1, coefficient) < 0
            text += (" - " if minus else " + ") + product if text else ("-" if minus else "") + product
        return text or "0"


P = ParamSpec("P")


def term(make: Callable[P, Read]) -> Callable[P, Reward]:
    """Make a kind of term: `make` takes the parameters of the term and returns what reads it.

        @term
        def depth(*, price: float) -> Read:
            return lambda facts, setting: price * facts.depth

    `1 - depth(price=0.1)` is then a reward, in which the term is called `depth(price=0.1)`.
    """
    signature = inspect.signature(make)

    @functools.wraps(make)
    def reward(*args: P.args, **kwargs: P.kwargs) -> Reward:
        given = signature.bind(*args, **kwargs).arguments.items()
        parameters = [f"{name}={written(value)}" for name, value in given if value != signature.parameters[name].default]
        name = f"{make.__name__}({', '.join(parameters)})" if parameters else make.__name__
        return Reward(((1.0, (Term(name, make(*args, **kwargs)),)),))

    return reward


def written(value: object) -> str:
    """A parameter or coefficient as `spec.read_reward` reads it, without loss."""
    if value is None:
        return "none"
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else str(value)


def _reward(value: Reward | float) -> Reward:
    return value if isinstance(value, Reward) else Reward(((float(value), ()),))


def _finite(term: Term, facts: Facts, setting: Setting) -> float:
    value = term.read(facts, setting)
    if not math.isfinite(value):
        raise ConfigError(f"the reward's term `{term.name}` is {value!r} for {facts}: it must be a finite number")
    return value
