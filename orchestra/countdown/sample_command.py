"""`orchestra sample`: a problem in words goes to any model; one in numbers to a model that knows Countdown, such as the shipped one."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from ..errors import ConfigError
from ..sample import command
from ..sample.bench import Bench
from ..sample.display import LiveSample
from ..sample.sampling import Sampled, sample
from . import notation
from .attempt import Setup
from .canonical import solves
from .problem import Problem
from .setup import host_from
from .source import CountdownSource, check_needs


def run(args: argparse.Namespace) -> int:
    """Exit status 0 with an answer (of numbers: one that is true), 1 without one."""
    if args.problem is not None and args.numbers is None and args.target is None:
        if args.method is not None:
            raise ConfigError("`--method` is for Countdown: traces of a problem in words are serial")
        return command.run(args)
    if args.problem is not None or args.numbers is None or args.target is None:
        raise ConfigError("give either a problem in words, or `--numbers` with `--target`")
    if args.top_p is not None:
        raise ConfigError("`--top-p` is for problems in words: Countdown traces differ by `--temperature` only")
    if args.max_tokens is not None:
        raise ConfigError("`--max-tokens` is for problems in words: Countdown traces have the window of their model")
    problem = Problem(tuple(args.numbers), args.target)
    policy = command.policy_of(args)
    setup = Setup(method=args.method or "serial", temperature=1.0 if args.temperature is None else args.temperature, seed=args.seed)
    check_needs(policy.needs, setup)
    host = host_from(
        argparse.Namespace(engine=args.model, model=None if args.model_name is None else Path(args.model_name)),
        max_requests=min(1024, policy.most * setup.threads),
        gpu_memory=args.gpu_memory,
        window=setup.effective_window,
    )
    host.check_setup(setup)
    host.check([problem])
    console = Console(stderr=True, highlight=False)
    if not problem.solvable:
        numbers = " ".join(map(str, problem.numbers))
        console.print(
            f"{problem.target} cannot be reached with {numbers}; the model does not know and searches anyway", soft_wrap=True
        )

    async def main() -> Sampled:
        async with host.engine as engine:
            with LiveSample(console) as live:
                source = CountdownSource(engine, problem, setup)
                return await sample(problem.key, source, policy=policy, bench=Bench(slots=args.slots), observer=live.observe)

    console.print(f"[dim]starting {host.kind} …[/]")
    sampled = asyncio.run(main())
    status = command.show(sampled, args, console, decode=notation.text)
    if sampled.answer is None:
        return status
    if solves(sampled.outcome.answer):
        console.print(f"[bold green]{problem.target} = {escape(sampled.answer)}[/]  (verified)", soft_wrap=True)
        return status
    console.print("[bold yellow]the answer is wrong[/]: most votes are for a path that does not solve the problem", soft_wrap=True)
    return 1
