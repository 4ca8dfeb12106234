"""One try at one Countdown problem: prompt, run, and the verified answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, get_args

from ..engine import Engine, Sampling
from ..errors import ConfigError
from ..thread import Join, Ledger, Limits, Observer, Runner, RunTree, Thread, ledger, race, run_tree
from ..thread.protocols import Apr, AprMarkers, Serial, ThreadProtocol, Weaver, WeaverMarkers
from . import notation
from .problem import Problem
from .rules import Operation, expression, verify

Method = Literal["serial", "fork", "weave"]
METHODS: tuple[Method, ...] = get_args(Method)

BEAMS: dict[Method, int] = {"serial": 5, "fork": 24, "weave": 24}
"""Successors that the search visits, or the root's fork, where nobody says how many."""
CHILD_BEAM = 12
_NESTED = 6
"""Threads below a root's call where children fork too: 132 in all of 22 calls (1,000 problems, window 128)."""
_WINDOWS: dict[Method, int] = {"serial": 160, "fork": 160, "weave": 3_072}
"""A weaving parent reads all that its children wrote: at the default beams up to 2,700 tokens (300 problems)."""


def label(method: str, join: str) -> str:
    """What tables and pages call a method: "serial", "fork (all)", "fork (first)", "weave (all)" …"""
    return method if method == "serial" else f"{method} ({join})"


SERIAL = Serial(end=(notation.END,))
FORK = Apr(
    markers=AprMarkers(
        call=notation.CALL,
        wait=notation.WAIT,
        results=notation.RESULTS,
        results_end=notation.RESULTS_END,
        goal=notation.GOAL,
        none=notation.NONE,
        cancelled=notation.CANCELLED,
        refused=notation.REFUSED,
        cut=notation.CUT,
        end=notation.END,
    ),
    child_prompt=notation.child_prompt,
    max_paths=1,  # an answer needs one, and a narrow window holds no second
)
WEAVE = Weaver(
    markers=WeaverMarkers(
        parallel=notation.PARALLEL,
        parallel_end=notation.PARALLEL_END,
        outlines=notation.OUTLINES,
        outlines_end=notation.OUTLINES_END,
        outline=notation.OUTLINE,
        thread=notation.THREAD,
        thread_end=notation.THREAD_END,
        goal=notation.GOAL,
        cancelled=notation.CANCELLED,
        refused=notation.REFUSED,
        cut=notation.CUT,
        end=notation.END,
    ),
    label=notation.number,
)
"""An outline is a number and `a op b`, a thread's words are a child's search."""

_PROTOCOLS: dict[Method, ThreadProtocol] = {"serial": SERIAL, "fork": FORK, "weave": WEAVE}
_METHOD_OF: dict[str, str] = {protocol.name: method for method, protocol in _PROTOCOLS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How to search. The defaults are the operating point of the README's table."""

    method: Method = "fork"
    join: Join = "all"
    beam: int | None = None
    """Successors that a state's search visits: of the whole search when serial (default 5), of the root's fork otherwise (24). 0 leaves it to the
    model, if it was trained to choose."""
    child_beam: int | None = None
    """Successors visited at each state of a child's search; 0 as above. None: 12, or 0 where `beam` is 0, since models that choose widths
    choose both."""
    depth: int = 2
    """Generations of threads below the root. With 2, a child may fork too, if the model was trained to; with 1 its calls are refused."""
    window: int | None = None
    """Tokens that one thread's context may hold. None: what the method needs, 160, or 3,072 to weave."""
    temperature: float = 0.0
    seed: int | None = None
    scouts: int = 0
    """Serial searches that run beside this one, in the same `window`; the first answer that holds when it is checked ends all."""
    scout_temperature: float | None = None
    """Of the scouts, which at 0 would all be the same. None: 1 where the model chooses widths, 2 where it does not, since a model that was shown one
    search for each problem hardly explores below that."""
    tree_tokens: int | None = None
    seconds: float | None = None
    logprobs: bool = False
    """Record each sampled token's log-probability: what training needs and an answer does not."""

    def __post_init__(self) -> None:
        """Raises `ConfigError` for values that no search can have."""
        for name, word, words in (("method", self.method, METHODS), ("join", self.join, get_args(Join))):
            if word not in words:
                raise ConfigError(f"`{name}` must be one of {', '.join(words)}, got {word!r}")
        for name, beam in (("beam", self.beam), ("child_beam", self.child_beam)):
            if beam is not None and not notation.FREE <= beam < 100:  # one token in a prompt
                raise ConfigError(f"`{name}` must lie in 1..99, or be 0 for a width that the model chooses, got {beam}")
        for name, tokens in (("window", self.window), ("tree_tokens", self.tree_tokens)):
            if tokens is not None and tokens < 1:
                raise ConfigError(f"`{name}` must be at least 1, got {tokens}; None for the default")
        if self.depth < 0:
            raise ConfigError(f"`depth` must not be negative, got {self.depth}; 0 refuses every call")
        if self.temperature < 0:
            raise ConfigError(f"`temperature` must not be negative, got {self.temperature}")
        if not math.isfinite(self.temperature):
            raise ConfigError(f"`temperature` must be a number from 0 on, got {self.temperature}")
        if self.scouts < 0:
            raise ConfigError(f"`scouts` must not be negative, got {self.scouts}; 0 for none")
        if self.scout_temperature is not None and not self.scouts:
            raise ConfigError("`scout_temperature` is for scouts: give `scouts`, too")
        if self.scout_temperature is not None and not 0 < self.scout_temperature < math.inf:
            raise ConfigError(
                f"`scout_temperature` must be a number above 0, got {self.scout_temperature}; at 0 all scouts would be the same"
            )
        if self.seconds is not None and not 0 < self.seconds < math.inf:
            raise ConfigError(f"`seconds` must be positive and finite, got {self.seconds}; None for no limit")

    @property
    def effective_beam(self) -> int:
        """In the prompt."""
        return self.beam if self.beam is not None else BEAMS[self.method]

    @property
    def effective_child_beam(self) -> int:
        """In the prompt of a forked or woven search."""
        if self.child_beam is not None:
            return self.child_beam
        return notation.FREE if self.method != "serial" and self.effective_beam == notation.FREE else CHILD_BEAM

    @property
    def effective_window(self) -> int:
        """In tokens."""
        return self.window if self.window is not None else _WINDOWS[self.method]

    @property
    def label(self) -> str:
        """What tables call this search: "fork (first)", "fork (first), 8 scouts" …"""
        return label(self.method, self.join) + (f", {self.scouts} scout{'s' * (self.scouts != 1)}" if self.scouts else "")

    @property
    def scout(self) -> Setup:
        """How one scout searches: as widely as the model likes where this search is asked so, else as a serial search is by default."""
        free = self.effective_beam == notation.FREE
        temperature = self.scout_temperature or (1.0 if free else 2.0)
        beam = notation.FREE if free else None
        return replace(self, method="serial", beam=beam, child_beam=None, temperature=temperature, scouts=0, scout_temperature=None)

    @property
    def free(self) -> bool:
        """Whether the model is asked to choose a width itself."""
        return notation.FREE in (
            (self.effective_beam,) if self.method == "serial" else (self.effective_beam, self.effective_child_beam)
        )

    @property
    def threads(self) -> int:
        """About how many threads a run decodes at once, to size an engine by."""
        if self.method == "serial":
            return 1 + self.scouts
        nested = self.method == "fork" and self.depth > 1 and self.effective_child_beam == notation.FREE
        return (self.effective_beam or BEAMS[self.method]) * (_NESTED if nested else 1) + self.scouts

    def prompt(self, problem: Problem) -> tuple[int, ...]:
        if self.method == "serial":
            return notation.serial_prompt(problem, beam=self.effective_beam)
        prompt = notation.fork_prompt if self.method == "fork" else notation.weave_prompt
        return prompt(problem, beam=self.effective_beam, child_beam=self.effective_child_beam)

    @property
    def protocol(self) -> ThreadProtocol:
        return _PROTOCOLS[self.method]

    @property
    def limits(self) -> Limits:
        depth = min(self.depth, 1) if self.method == "weave" else self.depth  # no model was shown woven threads below threads
        return Limits(window=self.effective_window, max_depth=depth, tree_tokens=self.tree_tokens, seconds=self.seconds)

    @property
    def sampling(self) -> Sampling:
        return Sampling(max_tokens=self.effective_window, temperature=self.temperature, seed=self.seed, logprobs=self.logprobs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What a run made of a problem. `answer` is None when the model gave none; a wrong answer keeps the reason in `flaw`."""

    problem: Problem
    tree: RunTree
    ledger: Ledger
    answer: str | None
    """A verified arithmetic expression such as `(8-6)*(4+1)`."""
    flaw: str | None
    """Why the path that the model claimed does not solve the problem; None when it does, or when it claimed nothing."""
    explored: int
    """Operations whose result the model wrote while searching, in all threads."""
    label: str
    """`Setup.label` of the search."""

    @property
    def correct(self) -> bool:
        return self.answer is not None

    @property
    def error(self) -> str | None:
        """An engine failure anywhere in the run: such an attempt is neither right nor wrong, whatever it answered."""
        return self.tree.error


async def attempt(
    engine: Engine, problem: Problem, setup: Setup, *, session: str = "", observer: Observer | None = None
) -> Attempt:
    """Run `problem` on `engine`, which must serve a model that knows `notation`. Never raises for anything the model writes."""
    session = session or problem.key
    if setup.scouts:
        runners = [_runner(engine, problem, setup), *[_runner(engine, problem, setup.scout)] * setup.scouts]
        tree = await race(
            runners,
            succeeded=partial(_solves, problem),
            tree_tokens=setup.tree_tokens,
            seconds=setup.seconds,
            session=session,
            observer=observer,
        )
        return read_attempt(problem, tree, shown=setup.label)
    tree = await run_tree(
        engine,
        setup.protocol,
        setup.prompt(problem),
        sampling=setup.sampling,
        limits=setup.limits,
        join=setup.join,
        session=session,
        observer=observer,
    )
    return read_attempt(problem, tree, shown=setup.label)


def _runner(engine: Engine, problem: Problem, setup: Setup) -> Runner:
    return Runner(
        engine=engine,
        protocol=setup.protocol,
        prompt=setup.prompt(problem),
        sampling=setup.sampling,
        limits=setup.limits,
        join=setup.join,
    )


def _claim(thread: Thread) -> Sequence[Operation] | None:
    """The path that a thread's last words claim; None where it makes no claim or did not come to its end."""
    return notation.read_path(thread.last_words) if thread.status == "finished" else None


def _solves(problem: Problem, thread: Thread) -> bool:
    path = _claim(thread)
    return path is not None and verify(problem.numbers, problem.target, path) is None


def read_attempt(problem: Problem, tree: RunTree, *, shown: str | None = None) -> Attempt:
    """Verify what the run claims. Only the final words of the thread that speaks for it count, not a child's.

    Args:
        shown: `Attempt.label`; None: what the tree says of it, which does not hold how many scouts there were.
    """
    path = _claim(tree.speaker)
    flaw = verify(problem.numbers, problem.target, path) if path is not None else None
    return Attempt(
        problem=problem,
        tree=tree,
        ledger=ledger(tree),
        answer=expression(problem.numbers, path) if path is not None and flaw is None else None,
        flaw=flaw,
        explored=sum(notation.explored(segment.token_ids) for t in tree.threads for segment in t.segments if segment.sampled),
        label=shown or label(_METHOD_OF.get(tree.protocol, tree.protocol), tree.join),
    )
