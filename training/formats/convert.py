"""One search as a tree of units in each format: what the model is given and what it writes, request by request."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchestra.countdown import notation, search
from orchestra.countdown.attempt import FORK, SERIAL, WEAVE
from orchestra.thread import Join
from orchestra.thread.protocols import ThreadProtocol

from ..rollout import Unit
from .demo import DemoTree, Format
from .search import Ended, Search

Converter = Callable[[Search, Sequence[Ended], Join], DemoTree]


def protocol_of(format: Format) -> ThreadProtocol:
    protocols: dict[Format, ThreadProtocol] = {"serial": SERIAL, "apr": FORK, "weaver": WEAVE}
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
    outlines = search.outline_block(found.operations)
    words = [search.thread_words(child.token_ids) for child in children]
    block = WEAVE.block([(child.fate, said) for child, said in zip(children, words, strict=True)])
    units = [
        Unit(prompt, outlines, (), "0"),
        Unit((*prompt, *outlines, *block), search.final_answer([child.path for child in children]), (), "0"),
    ]
    for i, said in enumerate(words):
        if said:
            units.append(Unit((*prompt, *outlines, *WEAVE.header(i + 1)), said, (), f"0.{i}"))
    return _tree("weaver", found, children, join, units)


CONVERTERS: dict[Format, Converter] = {"serial": to_serial, "apr": to_apr, "weaver": to_weaver}


def _tree(format: Format, found: Search, children: Sequence[Ended], join: Join, units: Sequence[Unit]) -> DemoTree:
    ended = tuple(child.fate for child in children)
    return DemoTree(format=format, problem=found.problem, join=join, fates=ended, units=tuple(units))
