"""A demonstration run through its protocol: an engine that answers each request of the loop with the demonstrated tokens."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter

from orchestra.countdown import notation
from orchestra.engine import Completion, Request, Sampling
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.errors import EngineError
from orchestra.thread import Limits, RunTree, run_tree

from .convert import protocol_of
from .demo import DemoTree

Asked = tuple[str, tuple[int, ...], tuple[int, ...]]
"""Thread, context, sampled tokens of one request."""


class _Demonstrated(ScriptedEngine):
    """Answers what was demonstrated. In a "first" join failures come first, the winner next, and who was cancelled never."""

    def __init__(self, tree: DemoTree) -> None:
        self._units = {unit.prompt: unit for unit in tree.units}
        super().__init__(lambda prompt: self._units[tuple(prompt)].sampled)
        self._tree = tree

    async def generate(self, request: Request) -> Completion:
        unit = self._units.get(tuple(request.prompt))
        if unit is None:
            if "cancelled" not in self._tree.fates:
                raise EngineError(f"nothing is demonstrated after {notation.text(request.prompt)}")
            await asyncio.sleep(3)
            raise EngineError(f"a child was not cancelled by its siblings: {notation.text(request.prompt)}")
        fate = self._tree.fate_of(unit)
        await asyncio.sleep(2 if fate == "finished" and notation.GOAL in unit.sampled else 1)
        completion = await super().generate(request)
        if fate != "cut":
            return completion
        return dataclasses.replace(completion, finish="length", stop_token=None)


def replay(tree: DemoTree) -> RunTree:
    """Run the demonstration in virtual time, under limits that refuse exactly the last of its children that were refused."""
    window = max(len(unit) for unit in tree.units) + 1
    limits = Limits(window=window, max_children=len(tree.fates) - tree.fates.count("refused"))
    sampling = Sampling(max_tokens=window)
    protocol = protocol_of(tree.format)
    return run_virtual(
        run_tree(_Demonstrated(tree), protocol, tree.units[0].prompt, sampling=sampling, limits=limits, join=tree.join)
    )


def differences(tree: DemoTree) -> list[str]:
    """How the demonstration differs from what its protocol makes of it; empty when every request is the same."""
    run = replay(tree)
    if run.error:
        return [f"replayed, {run.error}"]
    asked: Counter[Asked] = Counter(
        (thread.id, tuple(context), tuple(completion.token_ids))
        for thread in run.threads
        for context, completion in thread.requests()
    )
    shown: Counter[Asked] = Counter((unit.thread, unit.prompt, unit.sampled) for unit in tree.units)
    flaws = [f"unit {thread} is never asked for: {notation.text(prompt)}" for thread, prompt, _ in shown - asked]
    flaws += [f"unit {thread} is missing: {notation.text(prompt)}" for thread, prompt, _ in asked - shown]
    ended = tuple(thread.status for thread in run.threads[1:])
    if run.root.status != "finished" or ended != tree.fates:
        flaws.append(
            f"replayed, the root is {run.root.status} and its children are {', '.join(ended)}, not {', '.join(tree.fates)}"
        )
    return flaws
