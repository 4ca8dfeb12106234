"""From the arguments of `grpo` or `async_grpo` to the domain that their model is of."""

from __future__ import annotations

import argparse
from typing import Literal

from orchestra.countdown.attempt import Setup
from orchestra.countdown.model import read_card

from .arguments import check_credit, refuse_others
from .countdown import Countdown
from .domain import Domain
from .planner import Planner

Name = Literal["countdown", "planner"]
"""What `grpo.policy.domain_of` says of a model."""


def check_asked(args: argparse.Namespace, name: Name) -> None:
    """Raises `ConfigError` for arguments of the other domain, for credit that the method cannot give, and for a search that the model was never shown. To be asked first: what the
    method needs, such as a window, may be more than such a model has."""
    refuse_others(args, name)
    check_credit(args)
    if name == "countdown":
        read_card(args.model).check(args.model, _setup(args))


def domain_from(args: argparse.Namespace, name: Name, *, problems: int) -> Domain:
    """`problems` are sampled together. The arguments must be checked (`check_asked`) and the window known (`grpo.arguments.with_window`)."""
    held_out = args.eval_problems if args.eval_every else 0
    if name == "planner":
        return Planner(
            args.model,
            window=args.window,
            temperature=args.temperature,
            hard=args.hard,
            problems=problems,
            group=args.group,
            seed=args.seed,
            held_out=args.eval_split,
            held_out_problems=held_out,
        )
    return Countdown(
        _setup(args),
        size=args.size,
        problems=problems,
        group=args.group,
        seed=args.seed,
        held_out=args.eval_split,
        held_out_problems=held_out,
        hard=args.hard,
    )


def _setup(args: argparse.Namespace) -> Setup:
    return Setup(
        method=args.method,
        join=args.join,
        window=args.window,
        temperature=args.temperature,
        beam=args.beam,
        child_beam=args.child_beam,
    )
