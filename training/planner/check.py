"""Holds plans against the library itself: parsed, verified and run by the scheduler, as a user's plan would be, on the facts of a task.

Generated plans have to be flawless (`Checker.check`); what a model writes is graded (`Checker.grade`), for tests and for rewards.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from orchestra.errors import OrchestraError, ToolError
from orchestra.plan.finding import errors
from orchestra.plan.formats.llmcompiler import LLMCompiler
from orchestra.plan.structure import levels
from orchestra.plan.verify import verify
from orchestra.schedule import Runtime, execute
from orchestra.tools.facts import fact_tools
from orchestra.tools.tool import ToolSet

from .expression import Answer
from .task import PlanningTask


class BadPlan(OrchestraError):
    """A generated plan is not what it claims to be: a bug of the generator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """What became of a plan."""

    correct: bool
    """It ran, and its output is the answer."""
    output: object = None
    findings: tuple[str, ...] = ()
    """Of parser and verifier, warnings included; a plan with errors is not run."""
    error: str | None = None
    """Why there is no output."""
    calls: int = 0
    """That were made. More than `PlanningTask.calls` are wasted."""
    depth: int = 0
    """Calls on the longest path: the span, against `PlanningTask.depth`."""


class Checker:
    """Runs the plans of many tasks, one at a time, with one set of tools."""

    def __init__(self) -> None:
        self._facts = _Facts()
        self._runtime = Runtime(tools=ToolSet(fact_tools(self._facts)))
        self._format = LLMCompiler()

    async def check(self, task: PlanningTask) -> None:
        """Raises `BadPlan` unless the task's own plan has no findings, not even warnings, and leads to the answer in the calls and the depth
        that the task says."""
        grade = await self.grade(task, task.plan)
        if grade.findings:
            raise BadPlan(f"{task.task!r}: {'; '.join(grade.findings)}:\n{task.plan}")
        if not grade.correct:
            raise BadPlan(f"{task.task!r}: the plan gives {grade.output!r} ({grade.error}), not {task.answer!r}:\n{task.plan}")
        if (grade.calls, grade.depth) != (task.calls, task.depth):
            made = f"{grade.calls} calls, {grade.depth} deep"
            raise BadPlan(f"{task.task!r}: the plan makes {made}, not {task.calls}, {task.depth} deep:\n{task.plan}")

    async def grade(self, task: PlanningTask, plan: str) -> Grade:
        """Of any text."""
        specs = self._runtime.tools.specs
        parsed = self._format.parse(plan, specs)
        found = (*parsed.findings, *verify(parsed.plan, specs, needs_output=True, ordered=True))
        findings = tuple(map(str, found))
        if errors(found):
            return Grade(correct=False, findings=findings, error="the plan cannot be run")
        self._facts.known = {(entity, attribute): value for entity, attribute, value in task.facts}
        result = await execute(parsed.plan, self._runtime)
        return Grade(
            correct=result.status == "succeeded" and same_answer(result.output, task.answer),
            output=result.output,
            findings=findings,
            error=result.error,
            calls=result.usage.calls,
            depth=len(levels(parsed.plan)),
        )


def same_answer(found: object, expected: Answer) -> bool:
    """Numbers to seven digits, everything else exactly; True is not 1."""
    match found, expected:
        case [*first], [*second]:
            return len(first) == len(second) and all(map(same_answer, first, second))
        case (bool(), _) | (_, bool()):
            return found is expected
        case (int() | float(), int() | float()):
            return math.isclose(found, expected, rel_tol=1e-7, abs_tol=1e-9)
    return found == expected


class _Facts:
    """Of the task at hand."""

    known: Mapping[tuple[str, str], float | str]

    def number(self, entity: str, attribute: str) -> float:
        value = self.known.get((entity, attribute))
        if value is None or isinstance(value, str):
            raise ToolError(f"no number is known as the {attribute} of {entity!r}")
        return value

    def entity(self, entity: str, relation: str) -> str:
        value = self.known.get((entity, relation))
        if not isinstance(value, str):
            raise ToolError(f"no entity is known as the {relation} of {entity!r}")
        return value
