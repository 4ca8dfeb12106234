"""The planner in the box, end to end: held-out questions, the shipped model, its checks, the scheduler, the answer.

    python -m orchestra.evals.benchmarks.planner_box --tasks 1000 --out planner-box.json
    python -m orchestra.evals.benchmarks.planner_box --show planner-box.json

Each generated task is put as a question to an agent as `orchestra run` makes it, over a table with the task's facts. The table also says
something invented for every other pair of the names and attributes in it, so that nothing can be read off what it does not know. A question
is solved when the scheduler's output is the task's answer, refused when there is none, and wrong otherwise; nothing but the count knows the
task's answer. Beside it: the same model's likeliest plan, run unchecked.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from orchestra.training.planner.check import Checker, same_answer
from orchestra.training.planner.grammar import SPLITS, Split
from orchestra.training.planner.task import PlanningTask, tasks

from orchestra.agent import Agent, shipped_planner
from orchestra.agent.planner import Brief, TextPlanner
from orchestra.agent.small_planner import planner_engine, planner_settings, read_planner_card
from orchestra.chat.base import ChatModel
from orchestra.chat.open import open_chat
from orchestra.plan.formats.llmcompiler import LLMCompiler
from orchestra.tools.facts import FactTable, fact_tools
from orchestra.tools.facts.names import Names, Vocabulary
from orchestra.tools.tool import ToolSet

from .machine import facts

HELD_OUT = tuple(split for split in SPLITS if split != "train")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What became of one question."""

    solved: bool
    refused: bool
    first: bool
    """Whether the likeliest plan alone would have solved it."""
    tries: int
    """Plans that the model wrote."""
    tokens: int
    seconds: float
    """Of its own; with others beside it, shared."""
    error: str = ""

    @property
    def wrong(self) -> bool:
        return not (self.solved or self.refused)


def table_of(task: PlanningTask) -> FactTable:
    """The task's facts, and one for each other pair of the names and attributes in it."""
    rng = random.Random(task.task)
    known = {(entity, attribute): value for entity, attribute, value in task.facts}
    names = list(dict.fromkeys([*(entity for entity, _ in known), *(value for value in known.values() if isinstance(value, str))]))
    numbers = [value for value in known.values() if not isinstance(value, str)] or [1.0]
    rows = [*task.facts]
    for attribute, sample in {attribute: value for (_, attribute), value in known.items()}.items():
        for name in names:
            if (name, attribute) not in known:
                others = [other for other in names if other != name] or [name]
                rows.append((name, attribute, rng.choice(others) if isinstance(sample, str) else _like(rng, numbers)))
    return FactTable(rows)


def _like(rng: random.Random, numbers: Sequence[float]) -> float:
    return rng.randint(int(min(numbers)), int(max(numbers)) + 1)


async def ask(task: PlanningTask, chat: ChatModel, vocabulary: Vocabulary, checker: Checker) -> Asked:
    table = table_of(task)
    agent = Agent(chat, fact_tools(table), settings=planner_settings(Names(table, vocabulary)))
    began = time.perf_counter()
    found = await agent.run(task.task)
    seconds = time.perf_counter() - began
    likeliest = TextPlanner(chat, format=LLMCompiler(), repairs=0, on_bad_plan="fail", max_tokens=400)
    alone = await likeliest.plan(Brief(task=task.task, tools=ToolSet(fact_tools(table)).specs))
    answered = found.answer is not None and found.result is not None
    return Asked(
        solved=answered and found.result is not None and same_answer(found.result.output, task.answer),
        refused=not answered,
        first=(await checker.grade(task, alone.texts[0])).correct,
        tries=len(found.plan_texts),
        tokens=found.usage.tokens,
        seconds=seconds,
        error=(found.error or "").partition("\n")[0],
    )


async def ask_all(some: Sequence[PlanningTask], chat: ChatModel, vocabulary: Vocabulary, *, at_once: int) -> list[Asked]:
    places = asyncio.Semaphore(at_once)

    async def one(task: PlanningTask) -> Asked:
        async with places:
            return await ask(task, chat, vocabulary, Checker())

    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(one(task)) for task in some]
    return [task.result() for task in asked]


def summary(asked: Sequence[Asked]) -> dict[str, Any]:
    counts = {name: sum(getattr(one, name) for one in asked) for name in ("solved", "refused", "wrong", "first")}
    return {
        "questions": len(asked),
        **counts,
        "tries": dict(sorted(Counter(one.tries for one in asked).items())),
        "tokens": sum(one.tokens for one in asked),
        "refusals": Counter(" ".join(one.error.split()[:12]) for one in asked if one.refused).most_common(8),
    }


async def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Accuracy with many questions at once, then seconds with one at a time."""
    folder = args.model or shipped_planner()
    vocabulary = read_planner_card(folder).vocabulary
    engine = args.engine or planner_engine()
    found: dict[str, Any] = {"model": folder.name, "engine": engine, "seed": args.seed, "at_once": args.at_once, "splits": {}}
    async with open_chat(engine, model=folder, max_requests=4 * args.at_once) as chat:
        for split in args.split:
            some = list(islice(tasks(split, args.seed), args.tasks))
            began = time.perf_counter()
            asked = await ask_all(some, chat, vocabulary, at_once=args.at_once)
            found["splits"][split] = summary(asked) | {"seconds": round(time.perf_counter() - began, 1)}
            sys.stderr.write(f"{split}: {json.dumps(found['splits'][split], ensure_ascii=False)}\n")
            if args.rows:
                with args.rows.open("a", encoding="utf-8") as file:
                    rows = (asdict(one) | {"split": split, "task": task.to_json()} for one, task in zip(asked, some, strict=True))
                    file.writelines(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
            alone = await ask_all(some[: args.alone], chat, vocabulary, at_once=1)
            found["splits"][split]["alone"] = _seconds([one.seconds for one in alone])
    return found | facts("torch", "transformers", "vllm")


def _seconds(seconds: Sequence[float]) -> dict[str, float]:
    if not seconds:
        return {}
    found = {"median": statistics.median(seconds), "mean": statistics.fmean(seconds), "longest": max(seconds)}
    return {name: round(value, 3) for name, value in found.items()}


def shown(found: Mapping[str, Any]) -> str:
    """A Markdown table of shares in percent, ± one standard error."""
    lines = [
        "| | solved | refused | wrong | first plan alone | plans a question | seconds a question |",
        "|---|---|---|---|---|---|---|",
    ]
    for split, one in found["splits"].items():
        count = one["questions"]
        cells = [_share(one[name], count) for name in ("solved", "refused", "wrong", "first")]
        plans = sum(int(tries) * often for tries, often in one["tries"].items()) / count
        lines.append(f"| {' | '.join([split, *cells, f'{plans:.2f}', str(one.get('alone', {}).get('mean', '–'))])} |")
    return "\n".join(lines)


def _share(some: int, count: int) -> str:
    share = some / count
    return f"{100 * share:.1f} ± {100 * math.sqrt(share * (1 - share) / count):.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", type=Path, metavar="FILE", help="print the table of a measurement, and measure nothing")
    parser.add_argument("--model", type=Path, help="folder of a planner; by default the shipped one")
    parser.add_argument("--engine", choices=("transformers", "vllm"), help="by default as `orchestra run` chooses")
    parser.add_argument("--split", nargs="+", choices=HELD_OUT, default=HELD_OUT, type=_split)
    parser.add_argument("--tasks", type=int, default=1000, help="of each split")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at-once", type=int, default=32, help="questions")
    parser.add_argument("--alone", type=int, default=20, help="questions of each split that are also asked one at a time")
    parser.add_argument("--rows", type=Path, help="also write what became of each question, a line each")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    found = json.loads(args.show.read_text()) if args.show else asyncio.run(measure(args))
    if args.out and not args.show:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stdout.write(f"{shown(found)}\n")


def _split(text: str) -> Split:
    return next((split for split in SPLITS if split == text), "train")


if __name__ == "__main__":
    main()
