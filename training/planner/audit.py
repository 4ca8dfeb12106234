"""Checks of every file that a planner is trained on.

    python -m orchestra.training.planner.audit data/planner
    python -m orchestra.training.planner.audit data/planner-validation --split names

It reads nothing but the rows and their tokenizer, so it holds for rows of any origin. A folder without flaws holds only

* prompts that inference would send, token for token, and targets that end where a plan ends;
* plans that parse and verify without findings, with at most `CALLS` calls;
* no leaks: compositions of the split, made-up words that belong to it, and no name that the task does not mention.

That a plan leads to the right answer is checked where it is made (`data`, `self_training`): rows do not hold the facts. Ends with status 1
when there are flaws. A core reads about 600 documents a second; `--every 10` takes every tenth.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from orchestra.chat.base import Message
from orchestra.chat.tokenizer import ChatTokenizer
from orchestra.errors import ConfigError, OrchestraError
from orchestra.plan.formats.llmcompiler import LLMCompiler
from orchestra.plan.node import ToolCall
from orchestra.plan.plan import Plan
from orchestra.plan.ref import Ref
from orchestra.plan.verify import verify
from orchestra.tools.facts import FactTable, fact_tools
from orchestra.tools.tool import ToolSet

from ..arguments import whole
from ..formats.check import SHOWN, Report, documents
from ..rollout import Unit
from ..sft.data import read_rows
from ..sft.language import of_rows, of_tokenizer
from .expression import ANSWERS, FACTORS, Call, Value, calls_of
from .grammar import CALLS, SPLITS, Split, belongs
from .names import PARTICLES, PLACES, SUFFIXES, is_held_out
from .tokenizer import BOS, PLAN
from .words import ADJECTIVES, FORMS, NOUNS, RELATIONS, ROLES

_TASK = "Task: "
_CODE = re.compile(r"[^\W\d_]{1,3}[- ]?\d{1,4}")
_WORDS = re.compile(r"[^\W\d_]+")
_UNITS = [unit for pair in FACTORS for unit in pair]
_KNOWN = frozenset(
    found.casefold()
    for phrase in (*PLACES, *SUFFIXES, *PARTICLES, *ADJECTIVES, *FORMS, *NOUNS, *RELATIONS, *ROLES, *_UNITS, "the")
    for found in _WORDS.findall(phrase)
)


class Auditor:
    """Finds the flaws of one unit after the other.

    Args:
        tokenizer: folder of the rows' tokenizer.
        split: that the rows are of.
    """

    def __init__(self, tokenizer: Path, split: Split) -> None:
        self._chat = ChatTokenizer.load(tokenizer)
        self._split = split
        self._tools = ToolSet(fact_tools(FactTable(())))  # verifying a plan looks nothing up
        self._format = LLMCompiler()

    def flaws(self, unit: Unit) -> list[str]:
        """Of a prompt and what is trained after it, in words."""
        task = self._text(unit.prompt).removeprefix(BOS).removesuffix(PLAN).removeprefix(_TASK)
        if tuple(self._chat.encode([Message("system", ""), Message("user", f"{_TASK}{task}")])) != unit.prompt:
            return [f"the prompt is not what inference sends: {self._text(unit.prompt)!r}"]
        *written, last = unit.sampled
        if last not in self._chat.end_ids or set(written) & set(self._chat.end_ids):
            return [f"the plan does not end where its row does: {self._text(unit.sampled)!r}"]
        plan = self._text(tuple(written))
        specs = self._tools.specs
        parsed = self._format.parse(plan, specs)
        if found := (*parsed.findings, *verify(parsed.plan, specs, needs_output=True, ordered=True)):
            return [f"{task!r}: {'; '.join(map(str, found))}"]
        asked = self._asked(parsed.plan)
        return [f"{task!r}: {flaw}" for flaw in (*self._leaks(asked), *_unnamed(asked, task))]

    def _leaks(self, asked: Call) -> Iterator[str]:
        if (made := len(calls_of(asked))) > CALLS:
            yield f"the plan makes {made} calls, {CALLS} are the most"
        elif not belongs(asked, self._split):
            yield f"its composition {asked.skeleton} is none of the split {self._split!r}"
        held_out = self._split != "train"
        for name in sorted(set(names_of(asked))):
            if wrong := [word for word in made_up(name) if is_held_out(word) != held_out]:
                yield f"{wrong[0]!r} in {name!r} is a word {'of training' if held_out else 'that is held out'}"

    def _asked(self, plan: Plan) -> Call:
        calls: dict[str, Call] = {}

        def value_of(value: Any) -> Value:
            match value:
                case Ref(node=node):
                    return calls[node]
                case list():
                    return tuple(map(value_of, value))
                case str() | int() | float():
                    return value
            raise ConfigError(f"{value!r} is nothing that a plan of this domain is given")

        for node in plan.nodes:
            assert isinstance(node, ToolCall), "the format has no other nodes"
            ordered = self._tools.specs[node.tool].parameter_names
            calls[node.id] = Call(node.tool, tuple(value_of(node.arguments[name]) for name in ordered if name in node.arguments))
        output = value_of(plan.output)
        return output if isinstance(output, Call) else Call(ANSWERS, output if isinstance(output, tuple) else (output,))

    def _text(self, ids: tuple[int, ...]) -> str:
        reading = self._chat.detokenizer()
        return reading.feed(list(ids)) + reading.end()


def names_of(task: Call) -> Iterator[str]:
    """Every text that its calls are given: entities, attributes, relations, units."""
    for call in calls_of(task):
        for argument in call.arguments:
            yield from (one for one in (argument if isinstance(argument, tuple) else (argument,)) if isinstance(one, str))


def made_up(name: str) -> list[str]:
    """The invented words of a name, which belong to one split each; a code such as "QX-17" is one word."""
    if _CODE.fullmatch(name) and name == name.upper():
        return [name]
    return [word for word in _WORDS.findall(name) if len(word) > 2 and word.casefold() not in _KNOWN]


def _unnamed(asked: Call, task: str) -> Iterator[str]:
    """Entities are copied from the task; attributes may hide in an adjective."""
    told = task.casefold()
    for call in calls_of(asked):
        given = call.arguments[0] if call.tool in ("lookup", "related", "argmax", "argmin") else ()
        for entity in given if isinstance(given, tuple) else (given,):
            if isinstance(entity, str) and entity.casefold() not in told:
                yield f"the plan knows {entity!r}, which the task does not name"


def audit(path: Path, *, tokenizer: Path, split: Split, every: int = 1) -> Report:
    """Of one file of rows. Raises `ConfigError` for a file that holds none."""
    rows = read_rows(path, vocabulary=of_tokenizer(tokenizer).size)
    auditor, report = Auditor(tokenizer, split), Report(path=path)
    for place, unit, _ in islice(documents(rows), 0, None, every):
        report.count([unit])
        report.flaws += [f"{place}: {flaw}" for flaw in auditor.flaws(unit)]
    return report


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of packed rows")
    parser.add_argument("--split", choices=SPLITS, default="train", help="that the rows have to be of")
    parser.add_argument("--every", type=whole(), default=1, help="check one document in so many")
    parser.add_argument("--workers", type=whole(), default=os.cpu_count())
    args = parser.parse_args(argv)
    status = 0
    try:
        language = of_rows(args.folder)
        if language.domain != "planner":
            raise ConfigError(
                f"{args.folder} holds no rows of a planner: check Countdown's with `python -m orchestra.training.formats check`"
            )
        if not (paths := sorted(args.folder.glob("*.npz"))):
            raise ConfigError(f"{args.folder} holds no .npz shards: make them with `python -m orchestra.training.planner.data`")
        check = partial(audit, tokenizer=Path(language.source), split=args.split, every=args.every)
        with ProcessPoolExecutor(min(args.workers, len(paths))) as pool:
            for report in pool.map(check, paths):
                sys.stdout.write(
                    f"{report.path}: {report.units} tasks, {report.tokens} trained tokens, {len(report.flaws)} flaws\n"
                )
                sys.stdout.writelines(f"  {flaw}\n" for flaw in report.flaws[:SHOWN])
                status |= bool(report.flaws)
    except OrchestraError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
