"""One search as a tree of units in each format: what the model is given and what it writes, request by request."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchestra.countdown import notation, search
from orchestra.countdown.attempt import FORK, SERIAL
from orchestra.countdown.rules import Operation
from orchestra.thread import Join
from orchestra.thread.protocols import ThreadProtocol
from orchestra.thread.protocols.weaver import Weaver, WeaverMarkers

from ..rollout import Unit
from .demo import DemoTree, Format
from .search import Ended, Search

WEAVER = Weaver(
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
"""The weaver of Countdown: an outline is a number and `a op b`, a thread's words are a child's search."""

Converter = Callable[[Search, Sequence[Ended], Join], DemoTree]


def protocol_of(format: Format) -> ThreadProtocol:
    protocols: dict[Format, ThreadProtocol] = {"serial": SERIAL, "apr": FORK, "weaver": WEAVER}
    return protocols[format]


def to_serial(found: Search, children: Sequence[Ended] = (), join: Join = "all") -> DemoTree:
    """The search in one thread, with the children's beam; nothing forks, so there are no children to have ended."""
    prompt = notation.serial_prompt(found.problem, beam=found.child_beam)
    trace = search.serial(found.problem, beam=found.child_beam)
    return DemoTree(format="serial", problem=found.problem, join=join, fates=(), units=(Unit(prompt, trace.token_ids, (), "0"),))


def to_apr(found: Search, children: Sequence[Ended], join: Join) -> DemoTree:
    """Children from a fresh context; the parent's calling block is replaced by what they return."""
    prompt = notation.fork_prompt(found.problem, beam=found.beam, child_beam=found.child_beam)
    results = FORK.results_block([FORK.outcome(child.fate, child.token_ids) for child in children])
    units = [
        Unit(prompt, search.calling_block(found.operations), (), "0"),
        Unit((*prompt, *results), search.final_answer([child.path for child in children]), (), "0"),
    ]
    for i, (child, operation) in enumerate(zip(children, found.operations, strict=True)):
        if child.token_ids:
            units.append(Unit(notation.child_prompt(prompt, notation.call(operation)), child.token_ids, (), f"0.{i}"))
    return _tree("apr", found, children, join, units)


def to_weaver(found: Search, children: Sequence[Ended], join: Join) -> DemoTree:
    """Children after their parent's outlines; the parent reads all that they wrote."""
    prompt = notation.weave_prompt(found.problem, beam=found.beam, child_beam=found.child_beam)
    outlines = outline_block(found.operations)
    words = [thread_words(child.token_ids) for child in children]
    block = WEAVER.block([(child.fate, said) for child, said in zip(children, words, strict=True)])
    units = [
        Unit(prompt, outlines, (), "0"),
        Unit((*prompt, *outlines, *block), search.final_answer([child.path for child in children]), (), "0"),
    ]
    for i, said in enumerate(words):
        if said:
            units.append(Unit((*prompt, *outlines, *WEAVER.header(i + 1)), said, (), f"0.{i}"))
    return _tree("weaver", found, children, join, units)


CONVERTERS: dict[Format, Converter] = {"serial": to_serial, "apr": to_apr, "weaver": to_weaver}


def outline_block(operations: Sequence[Operation]) -> tuple[int, ...]:
    """What a weaving parent writes: the moves to explore, numbered from 1."""
    ids = [notation.PARALLEL, notation.OUTLINES]
    for number, operation in enumerate(operations, start=1):
        ids += (notation.OUTLINE, *notation.number(number), *notation.call(operation))
    return (*ids, notation.OUTLINES_END)


def thread_words(token_ids: Sequence[int]) -> tuple[int, ...]:
    """A child's search as the words of a thread: it ends in `</thread>`, because `<end>` is its parent's."""
    return tuple(notation.THREAD_END if token == notation.END else token for token in token_ids)


def _tree(format: Format, found: Search, children: Sequence[Ended], join: Join, units: Sequence[Unit]) -> DemoTree:
    ended = tuple(child.fate for child in children)
    return DemoTree(format=format, problem=found.problem, join=join, fates=ended, units=tuple(units))
