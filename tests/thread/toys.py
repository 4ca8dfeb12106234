"""Both protocols' toy tasks side by side, for what must hold of either."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st

from orchestra.engine import Sampling
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.thread import Join, Limits, RunTree, run_tree
from orchestra.thread.protocols import ThreadProtocol

from . import toy, weaver_toy

SEEDS = st.integers(0, 10**6)
JOINS = st.sampled_from(["all", "first"])


@dataclass(frozen=True)
class Toy:
    protocol: ThreadProtocol
    prompt: tuple[int, ...]
    babbler: Callable[[int], toy.Answer]
    window: int
    """Of a thread. A weaver's holds its children's, too."""

    def limits(self, *, tree_tokens: int | None = None, seconds: float | None = None) -> Limits:
        return Limits(window=self.window, max_depth=2, max_children=3, max_forks=3, tree_tokens=tree_tokens, seconds=seconds)

    async def tree(self, engine: ScriptedEngine, join: Join, limits: Limits) -> RunTree:
        return await run_tree(engine, self.protocol, self.prompt, sampling=Sampling(max_tokens=50), limits=limits, join=join)

    def run(self, seed: int, join: Join, *, tree_tokens: int | None = None) -> tuple[ScriptedEngine, RunTree]:
        engine = ScriptedEngine(self.babbler(seed), seconds_per_token=1.0, cache_block=4)
        return engine, run_virtual(self.tree(engine, join, self.limits(tree_tokens=tree_tokens)))


APR = Toy(toy.APR, (toy.PARENT, 20, 21), toy.babbler, window=60)
WEAVER = Toy(weaver_toy.WEAVER, (weaver_toy.PROMPT, 20, 21), weaver_toy.babbler, window=150)
