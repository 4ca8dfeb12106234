"""Countdown on a model that speaks its token language: serial, forked or woven, and policies over each."""

from __future__ import annotations

import argparse
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestra.countdown.attempt import BEAMS, CHILD_BEAM, Setup
from orchestra.countdown.attempt import Method as Search
from orchestra.countdown.hints import more_tokens
from orchestra.countdown.notation import FREE
from orchestra.countdown.setup import Host, host_from
from orchestra.countdown.source import check_needs
from orchestra.errors import ConfigError
from orchestra.sample import Policy
from orchestra.sample.judges.default import default_judges

from ..method import Method
from ..problem import Problem
from .countdown import Searching, game_of
from .sampled import Sampled
from .searches import READING, Searches
from .ways import Caps, Running, Way, bound, capped, caps_from, policy_from

_MOST_REQUESTS = 1024
_NO_CAPS = Caps()


def native_way(args: argparse.Namespace) -> Way:
    """Raises `ConfigError` for settings that no search can have, and for a model that is not Countdown's."""
    if args.tools:
        raise ConfigError("--tools are for `--method plan`")
    if args.max_tokens is not None:
        raise ConfigError("Countdown's own model has --window in place of --max-tokens")
    policy, caps = policy_from(args), caps_from(args)
    setup = _setup(args, caps, voted=policy is not None)
    if policy is not None:
        check_needs(policy.needs, setup)
        default_judges(policy.needs.judges, None)  # refuse before an engine starts: this model judges nothing
        policy = capped(policy, caps)
    traces = policy.most if policy is not None else 1
    # One request a thread: a forking problem has at most `beam` of them at a time.
    at_once = args.concurrency * traces * setup.threads
    host = host_from(
        argparse.Namespace(engine=args.engine, model=Path(args.model) if args.model is not None else None),
        max_requests=min(_MOST_REQUESTS, at_once),
        gpu_memory=args.gpu_memory,
        window=setup.effective_window,
    )
    host.check_setup(setup)
    return Way(
        label=_label(setup, args.policy),
        settings=settings_of(host, setup, policy=args.policy, caps=caps),
        most_tokens=bound(traces * _most_threads(setup) * setup.effective_window, policy, caps),
        check=lambda problems: _check(host, problems),
        run=lambda _: _running(host, setup, policy, _label(setup, args.policy), caps),
        when_cut=lambda problems: more_tokens(setup, numbers=max(len(game_of(problem).numbers) for problem in problems)),
        needs_mathematics=False,
    )


def settings_of(host: Host, setup: Setup, *, policy: str | None = None, caps: Caps = _NO_CAPS) -> dict[str, Any]:
    """What decides the results of a search, for the run's config. Its label goes apart.

    What came later is left out where it is the default, so that runs from before are resumed by the command that began them: `depth`, since no
    model of theirs was shown how a child forks, and scouts.
    """
    apart = {"method", "tree_tokens", "seconds", "scouts", "scout_temperature"} | (
        {"depth"} if setup.depth == Setup().depth else set()
    )
    scouts = {"scouts": setup.scouts, "scout_temperature": setup.scout.temperature} if setup.scouts else {}
    return {
        **{name: value for name, value in asdict(setup).items() if name not in apart},
        **scouts,
        "search": setup.method,
        "beam": setup.effective_beam,
        "child_beam": setup.effective_child_beam,
        "window": setup.effective_window,
        "policy": policy,
        **caps.as_settings(),
        "engine": host.kind,
        "model": host.model_name,
        "weights": host.fingerprint,
    }


def _setup(args: argparse.Namespace, caps: Caps, *, voted: bool) -> Setup:
    method: Search = args.method or ("serial" if voted else "fork")
    tokens = caps.tokens
    if caps.span is not None and (method != "serial" or args.scouts):
        raise ConfigError(
            "a search of several threads has no limit on its span: give --budget tokens=N, or a smaller --window or --child-beam"
        )
    if caps.span is not None:
        tokens = min(caps.span, tokens or caps.span)  # of one thread they are the same
    return Setup(
        method=method,
        join=args.join,
        beam=args.beam,
        child_beam=args.child_beam,
        depth=args.depth,
        window=args.window,
        temperature=(1.0 if voted else 0.0) if args.temperature is None else args.temperature,
        seed=args.seed,
        scouts=args.scouts,
        scout_temperature=args.scout_temperature,
        # Under a policy the budget is of all traces together.
        tree_tokens=None if voted else tokens,
        seconds=None if voted else caps.seconds,
    )


def _most_threads(setup: Setup) -> int:
    """Of one search. Children fork only where they choose their widths: no other model was shown how."""
    if setup.method == "serial":
        return 1 + setup.scouts
    nests = setup.method == "fork" and setup.effective_child_beam == FREE
    threads, born = 1, setup.effective_beam or BEAMS[setup.method]
    for _ in range(setup.depth if nests else min(setup.depth, 1)):
        threads += born
        born *= CHILD_BEAM  # three numbers lead to no more states
    return threads + setup.scouts


def _label(setup: Setup, policy: str | None) -> str:
    search = setup.label
    return search if policy is None else policy if setup.method == "serial" else f"{policy} of {search}"


def _check(host: Host, problems: tuple[Problem, ...]) -> None:
    host.check(map(game_of, problems))


@asynccontextmanager
async def _running(host: Host, setup: Setup, policy: Policy | None, name: str, caps: Caps) -> AsyncGenerator[Running]:
    async with host.engine as engine:
        method: Method
        if policy is None:
            method = Searching(engine, setup)
        else:
            method = Sampled(name, policy, Searches(engine, setup), reading=READING, seconds=caps.seconds)
        yield Running(method=method, engine=engine.name, facts={"name": engine.name, **asdict(engine.capabilities)})
