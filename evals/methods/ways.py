"""From the arguments of `orchestra eval` to a method with its engine: everything is checked first, and started when it is entered.

A way is native where the model speaks Countdown's token language, and in words elsewhere.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestra.answers import Equivalence
from orchestra.countdown.model import CARD
from orchestra.errors import ConfigError
from orchestra.sample import Policy, read_policy

from ..benchmark import Benchmark
from ..method import Method
from ..problem import Problem

RECORDED, POOL = "recorded:", "pool:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A method whose engine runs."""

    method: Method
    engine: str
    """Its name, for people."""
    facts: Mapping[str, Any]
    """What the run's config says of the engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A method that can be started."""

    label: str
    settings: Mapping[str, Any]
    """What decides its results, for the run's config."""
    most_tokens: int | None
    """Upper bound on what a try samples; None when there is none to be had."""
    check: Callable[[tuple[Problem, ...]], None]
    """Raises `ConfigError` for problems that it cannot be asked."""
    run: Callable[[Equivalence], AbstractAsyncContextManager[Running]]
    when_cut: Callable[[tuple[Problem, ...]], str] | None = None
    """What gives more tokens to threads that ran out of them; None where that is not known."""
    needs_mathematics: bool = True
    """Its votes and grades compare answers by what they mean, for which math-verify must be installed."""


def check_method(args: argparse.Namespace, benchmark: Benchmark) -> None:
    """Raises `ConfigError` for a method that the benchmark does not have. Nothing is read or loaded for it."""
    if args.method is not None and args.method not in benchmark.methods:
        if args.method in ("fork", "weave"):
            raise ConfigError(
                f"{benchmark.name} has no model that forks by itself: `--method {args.method}` is for Countdown; use `--policy` for many tries at once"
            )
        raise ConfigError(f"{benchmark.name} is not solved by `--method {args.method}`: use {', '.join(sorted(benchmark.methods))}")


def way_of(args: argparse.Namespace, benchmark: Benchmark) -> Way:
    """Raises `ConfigError` for a method that the benchmark or the model does not have, and for a model that is not there."""
    check_method(args, benchmark)
    if speaks_countdown(args, benchmark):
        from .native import native_way

        return native_way(args)
    from .worded import worded_way

    return worded_way(args, benchmark)


def speaks_countdown(args: argparse.Namespace, benchmark: Benchmark) -> bool:
    """Whether the model that is asked for takes Countdown's tokens. Of a server nobody knows: it does unless `--chat` says otherwise."""
    if "fork" not in benchmark.methods or args.method == "plan" or args.chat or args.tokenizer:
        return False
    if args.engine.startswith((RECORDED, POOL)):
        return False
    if args.engine in ("auto", "vllm", "transformers"):
        return args.model is None or not Path(args.model).is_dir() or (Path(args.model) / CARD).exists()
    return True


def policy_from(args: argparse.Namespace) -> Policy | None:
    """Raises `ConfigError` for a policy that needs what a command line cannot give."""
    if args.policy is None:
        return None
    policy = read_policy(args.policy)
    if arms := policy.needs.arms:
        raise ConfigError(
            f"{args.policy!r} needs the arm {', '.join(sorted(arms))}, which only a method made in Python can give it"
        )
    return policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Of one try."""

    tokens: int | None = None
    span: int | None = None
    seconds: float | None = None

    def as_settings(self) -> dict[str, Any]:
        return {"budget": {name: value for name in ("tokens", "span", "seconds") if (value := getattr(self, name)) is not None}}


def caps_from(args: argparse.Namespace) -> Caps:
    """Of `--budget`, and of the options that say a part of it. Raises `ConfigError` where they contradict each other."""
    limits: dict[str, Any] = dict(args.budget)
    for name, option, value in (("tokens", "--tree-tokens", args.tree_tokens), ("seconds", "--seconds", args.seconds)):
        if value is not None and limits.setdefault(name, value) != value:
            raise ConfigError(f"--budget says {name}={limits[name]:g} and {option} {value:g}: give one of them")
    return Caps(**limits)


_EVERY = 256
"""Tokens of each trace after which a budget looks at what was sampled; tight budgets look more often."""


def capped(policy: Policy, caps: Caps) -> Policy:
    """`policy` within a budget of a try. Its tokens may be passed by what its traces sample between two looks."""
    from orchestra.sample.policies.budgeted import Budgeted

    from .span import SpanBudget

    if caps.tokens is not None or caps.seconds is not None:
        policy = Budgeted(policy=policy, tokens=caps.tokens, seconds=caps.seconds, tokens_every=_every(policy, caps))
    return policy if caps.span is None else SpanBudget(policy=policy, span=caps.span)


def bound(most: int, policy: Policy | None, caps: Caps) -> int:
    """Upper bound on the tokens of a try that samples at most `most` without a budget; `policy` is the one that was `capped`."""
    if caps.tokens is None:
        return most
    return min(most, caps.tokens + (0 if policy is None else policy.most * _every(policy, caps)))


def _every(policy: Policy, caps: Caps) -> int:
    """Such that all traces together pass the budget by a tenth at most."""
    return _EVERY if caps.tokens is None else max(1, min(_EVERY, caps.tokens // (10 * policy.most)))
