"""`orchestra sample`: a problem in words goes to any model; one in numbers to a model that knows Countdown, such as the shipped one."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from rich.console import Console

from ..errors import ConfigError
from ..sample import command
from ..sample.display import LiveSample
from ..sample.live import Bench
from ..sample.sampling import Sampled, sample
from . import notation
from .attempt import Setup
from .problem import Problem
from .setup import host_from
from .source import CountdownSource


def run(args: argparse.Namespace) -> int:
    """Exit status 0 with an answer, 1 without one."""
    if args.problem is not None and args.numbers is None and args.target is None:
        return command.run(args)
    if args.problem is not None or args.numbers is None or args.target is None:
        raise ConfigError("give either a problem in words, or `--numbers` with `--target`")
    problem = Problem(tuple(args.numbers), args.target)
    policy = command.policy_of(args)
    setup = Setup(method=args.method, temperature=1.0 if args.temperature is None else args.temperature, seed=args.seed)
    host = host_from(
        argparse.Namespace(engine=args.model, model=None if args.model_name is None else Path(args.model_name)),
        max_requests=min(1024, policy.most * (1 if setup.method == "serial" else setup.effective_beam)),
    )
    host.check([problem])
    console = Console(stderr=True, highlight=False)

    async def main() -> Sampled:
        async with host.engine as engine:
            with LiveSample(console) as live:
                source = CountdownSource(engine, problem, setup)
                return await sample(problem.key, source, policy=policy, bench=Bench(slots=args.slots), observer=live.observe)

    console.print(f"[dim]starting {host.kind} …[/]")
    return command.show(asyncio.run(main()), args, console, decode=notation.text)
