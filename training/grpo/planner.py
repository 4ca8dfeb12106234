"""Planning tasks for `grpo`: a rollout is one sampled plan, and its facts are what became of it when the scheduler ran it.

Training tasks are of the split "train" alone, whose compositions and names occur in no other; what is held out for tests stays so. Tasks
of a run are none that the demonstrations, self-training or the evaluation saw: each draws from seeds of its own. A run's own held-out numbers
choose its `best` policy, so that one's are the best of many; `self_training` measures the same splits on other tasks, which chose nothing.

Where a policy is nearly always right, tasks drawn at random teach nothing: all plans of a group earn the same. Harder tasks (`hard`) are chosen
with one greedy plan each.

Plans are graded one after the other while others are still sampled. A grade takes one to four milliseconds of this process (vLLM samples in
another), and equal plans of a group are graded once.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from orchestra.chat.tokenizer import ChatTokenizer
from orchestra.engine import Completion, Engine, Request, Sampling
from orchestra.errors import ConfigError, EngineError

from ..planner.check import Checker, Grade
from ..planner.grammar import SPLITS, Split
from ..planner.task import PlanningTask, tasks
from ..planner.tokenizer import Encoder
from ..rollout import Ended, Facts, Rollout, Unit
from .domain import STEP_STRIDE, Answer, held_out_splits, some_succeeded

HELD_OUT: tuple[Split, ...] = tuple(split for split in SPLITS if split != "train")
DRAWN, OFFERED = 8, 4
"""For each harder task so many are drawn, and the policy's likeliest plan is tried on so many, those with most calls."""
_FIRST_SEED = 10_000_000_019
"""Of training; this and the next lie far beyond the seeds of data and of self-training."""
_HELD_OUT_SEED = 5_000_000_029


class Planner:
    """`model` is a folder with the planner's tokenizer; prompt and plan together have at most `window` tokens."""

    def __init__(
        self,
        model: Path,
        *,
        window: int,
        temperature: float,
        problems: int,
        group: int,
        seed: int,
        hard: float = 0.0,
        held_out: Sequence[str] | None = None,
        held_out_problems: int = 0,
    ) -> None:
        """`hard` is the share among the `problems` of a step of those that are harder: as far as there are such, tasks on which the policy's
        likeliest plan fails. `held_out_problems` are of each held-out split (default: "names")."""
        if not 0 <= hard <= 1:
            raise ConfigError(f"--hard is a share from 0 to 1, got {hard}")
        self._encoder, self._chat, self._checker = Encoder(model), ChatTokenizer.load(model), Checker()
        self._window, self._temperature, self._hard = window, temperature, hard
        self._problems, self._group, self._seed = problems, group, seed
        self._grading = asyncio.Lock()
        asked = held_out_splits(held_out, HELD_OUT, "names") if held_out_problems else ()
        self._asked = {split: list(islice(tasks(split, _HELD_OUT_SEED), held_out_problems)) for split in HELD_OUT if split in asked}

    @property
    def held_out(self) -> tuple[str, ...]:
        return tuple(self._asked)

    async def rollouts(self, engine: Engine, *, step: int, seed: int | None) -> list[Rollout]:
        harder = round(self._hard * self._problems)
        made = tasks("train", _FIRST_SEED + self._seed * STEP_STRIDE + step)
        asked = [
            *await self._harder(engine, list(islice(made, DRAWN * harder)), harder, step=step),
            *map(self._ask, islice(made, self._problems - harder)),
        ]

        async def one(place: int, question: _Question, member: int) -> Rollout:
            drawn = None if seed is None else random.Random(f"{seed}/{step}/{place}/{member}").getrandbits(31)
            plan = await self._plan(engine, question, temperature=self._temperature, seed=drawn, session=f"{step}/{place}")
            units = (Unit(question.prompt, plan.sampled, plan.logprobs, "0"),) if plan.sampled else ()
            return Rollout(question.task.task, f"{step}/{place}", units, plan.facts, plan.error)

        async with asyncio.TaskGroup() as group:
            running = [
                group.create_task(one(place, question, member))
                for place, question in enumerate(asked)
                for member in range(self._group)
            ]
        return some_succeeded([task.result() for task in running], step=step)

    async def answers(self, engine: Engine, split: str) -> list[Answer]:
        asked = next(asked for known, asked in self._asked.items() if known == split)
        plans = await self._likeliest(engine, [self._ask(task) for task in asked], session=split)
        return [Answer(plan.facts, plan.error) for plan in plans]

    async def _harder(self, engine: Engine, drawn: list[PlanningTask], number: int, *, step: int) -> list[_Question]:
        """So many of the tasks, the unsolved first and among these those with most calls: a group that is always right teaches nothing."""
        longest = sorted(drawn, key=lambda task: (task.calls, task.depth), reverse=True)
        offered = [self._ask(task) for task in longest[: OFFERED * number]]
        plans = await self._likeliest(engine, offered, session=f"{step}/likeliest")
        solved = [question for question, plan in zip(offered, plans, strict=True) if plan.facts.correct]
        unsolved = [question for question, plan in zip(offered, plans, strict=True) if not plan.facts.correct]
        return [*unsolved, *solved][:number]

    async def _likeliest(self, engine: Engine, asked: Sequence[_Question], *, session: str) -> list[_Plan]:
        async with asyncio.TaskGroup() as group:
            running = [
                group.create_task(self._plan(engine, question, temperature=0.0, seed=None, session=f"{session}/{place}"))
                for place, question in enumerate(asked)
            ]
        return [task.result() for task in running]

    def _ask(self, task: PlanningTask) -> _Question:
        return _Question(task, self._encoder.demonstration(task).prompt)

    def _text(self, sampled: tuple[int, ...]) -> str:
        reading = self._chat.detokenizer()
        return reading.feed(sampled) + reading.end()

    async def _plan(
        self,
        engine: Engine,
        question: _Question,
        *,
        temperature: float,
        seed: int | None,
        session: str,
    ) -> _Plan:
        task, prompt = question.task, list(question.prompt)
        most = min(self._window, engine.capabilities.context or self._window) - len(prompt)
        if most < 1:
            return _Plan((), (), facts_of(task, None, ended="cut"))
        sampling = Sampling(
            max_tokens=most,
            temperature=temperature,
            seed=seed,
            stop_token_ids=(self._encoder.end,),
            logprobs=temperature > 0,
        )
        try:
            found: Completion = await engine.generate(Request(prompt=prompt, sampling=sampling, session=session))
        except EngineError as error:
            return _Plan((), (), facts_of(task, None, ended="failed"), str(error))
        if temperature > 0 and found.logprobs is None:
            raise ConfigError(f"{engine.name} gives no log-probabilities: sample with an engine that does")
        sampled, grade = tuple(found.token_ids), None
        if found.finish == "stop":
            async with self._grading:
                if (grade := question.grades.get(sampled)) is None:
                    grade = question.grades[sampled] = await self._checker.grade(task, self._text(sampled))
        facts = facts_of(task, grade, ended="finished" if found.finish == "stop" else "cut")
        return _Plan(sampled, tuple(found.logprobs or ()), facts)


@dataclass(frozen=True, slots=True)
class _Question:
    """One task to plan for."""

    task: PlanningTask
    prompt: tuple[int, ...]
    grades: dict[tuple[int, ...], Grade] = field(default_factory=dict)
    """Of the plans so far."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """One sampled plan, and what became of it."""

    sampled: tuple[int, ...]
    logprobs: tuple[float, ...]
    facts: Facts
    error: str | None = None


def facts_of(task: PlanningTask, grade: Grade | None, *, ended: Ended) -> Facts:
    """What rewards read of a plan, in calls: `work` were made, `span` of them one after the other, `wasted` more than the task needs.

    `malformed` are the findings of parser and verifier. None stands for a plan that found no end, which is one finding when it was cut.
    """
    if grade is None:
        return Facts(
            correct=False, answer=None, ended=ended, work=0, span=0, cut=int(ended == "cut"), malformed=int(ended == "cut")
        )
    claimed = grade.error is None
    return Facts(
        correct=grade.correct,
        answer=str(grade.output) if grade.correct else None,
        flaw=f"it gives {grade.output!r}, not {task.answer!r}" if claimed and not grade.correct else None,
        ended=ended,
        work=grade.calls,
        span=min(grade.depth, grade.calls),  # a plan that failed on its way has not made all of its calls
        wasted=max(0, grade.calls - task.calls),
        in_children=grade.calls,
        children=grade.calls,
        depth=min(grade.depth, grade.calls),
        malformed=len(grade.findings),
    )
