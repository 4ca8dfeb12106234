"""Plan-over-Graph: rules that turn items into items, given as a graph or as a story, and the fastest plan to a target.

The gold time is the exact planner's; where a file states a later one, the file's is wrong and is not used. Right is a plan that is
valid and as fast as can be, whatever it costs; a valid one that is slower has the share of the best time in its own as its score.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from orchestra.answers import Equivalence
from orchestra.errors import ProblemError
from orchestra.plan.exact import solve
from orchestra.plan.formats.plan_over_graph import PlanOverGraph
from orchestra.plan.node import ToolCall
from orchestra.plan.task_graph import TaskGraph, load_task_graph, validate

from ..benchmark import Benchmark, Published
from ..problem import Grade, Problem
from .graders.mathematics import NO_ANSWER
from .graders.said import last_block, said
from .rows import field, name

_FORMAT = PlanOverGraph()
_MOST_STEPS = 1_000


def read(row: Mapping[str, Any]) -> Problem:
    question = field(row, ("question",))
    graph = load_task_graph(question)
    best = solve(graph)
    as_data = graph.model_dump(mode="json")
    story = row.get("story")
    kind = "story" if story else "graph"
    # What judges a plan is no part of a problem that is told as a story: methods may use "graph" and nothing else.
    data = {"story": bool(story), "judged_by": as_data} | ({} if story else {"graph": as_data})
    return Problem(
        benchmark="plan_over_graph",
        text=story.strip() if isinstance(story, str) and story.strip() else json.dumps(as_data),
        gold={"time": best.makespan, "cost": best.cost},
        name=name(row),
        group=f"{row['node_count']} nodes, {kind}" if row.get("node_count") else kind,
        data=data,
    )


async def grade(problem: Problem, text: str, same: Equivalence) -> Grade:
    """Judges the JSON list of subtasks in the last fenced block, or in all of the text."""
    if not said(text).strip():
        return Grade(correct=False, answer=None, flaw=NO_ANSWER)
    parsed = _FORMAT.parse(last_block(text), {})
    if errors := [finding.message for finding in parsed.findings if finding.severity == "error"]:
        return Grade(correct=False, answer=None, flaw=errors[0][:200])
    nodes = [node for node in parsed.plan.nodes if isinstance(node, ToolCall)]
    answer = "; ".join(f"{'+'.join(map(str, _sources(node)))}→{node.arguments['target']}" for node in nodes)[:2000]
    if len(nodes) > _MOST_STEPS:
        return Grade(correct=False, answer=answer, flaw=f"has more than {_MOST_STEPS:,} subtasks")
    steps = [
        {"name": node.id, "source": _sources(node), "target": [node.arguments["target"]], "dependencies": list(node.depends_on)}
        for node in nodes
    ]
    try:
        time, _ = validate(TaskGraph.model_validate(problem.data["judged_by"]), steps)
    except ProblemError as error:
        return Grade(correct=False, answer=answer, flaw=str(error)[:200])
    best = problem.gold["time"]
    if time <= best:
        return Grade(correct=True, answer=answer)
    return Grade(correct=False, answer=answer, score=best / time, flaw=f"is valid, but takes {time} and not {best}")


def _sources(node: ToolCall) -> list[Any]:
    sources = node.arguments["source"]
    assert isinstance(sources, list)
    return sources


BENCHMARK = Benchmark(
    name="plan_over_graph",
    title="Plan-over-Graph",
    about="The fastest plan through a graph of rules; judged by rule, right if valid and as fast as the exact planner's.",
    home=Published(repository="github.com/zsq259/Plan-over-Graph", path="data/dev/test/*.json, a hundred tasks a file"),
    licence="none stated: evaluate, never ship",
    size=1200,
    fields=("question", "story (of the s files)"),
    read=read,
    grade=grade,
    prompt="task_graph",
    methods=frozenset({"serial"}),
    citation="Zhang et al. 2025, arXiv 2502.14563",
)
