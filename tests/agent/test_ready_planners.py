"""Planners that are ready: skeletons on a model ladder, task graphs that a solver schedules, prompts that repeat one thing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from orchestra.agent import Agent, AgentEvent, AgentResult, Brief, Settings, TextPlanner
from orchestra.chat import ChatRequest, Ladder, Reply, ScriptedChat, Tier
from orchestra.engine.virtual import run_virtual
from orchestra.errors import ConfigError, EngineError
from orchestra.plan.formats.json_lines import JsonLines
from orchestra.plan.formats.parallel_prompt import ParallelPrompt
from orchestra.plan.formats.skeleton import Skeleton
from orchestra.plan.formats.solved_graph import SolvedGraph
from orchestra.schedule import Budget, Retry
from orchestra.schedule.events import NodeFinished, NodeStarted
from orchestra.tools import tool

SKELETON = """\
1. What a mutex is | difficulty: 1
2. What a semaphore is | difficulty: 2
3. When to use which | needs: 1, 2 | difficulty: 4
"""
ASKS = "Write only the part of the answer about this point, in a few sentences: "


def planner(*texts: str, seconds_per_token: float = 0.0) -> ScriptedChat:
    remaining = list(texts)
    return ScriptedChat(lambda request: remaining.pop(0), seconds_per_token=seconds_per_token)


def writer(name: str, seconds: float = 0.0) -> ScriptedChat:
    """Says its name and what it was asked to write."""
    return ScriptedChat(lambda request: f"{name}: {asked(request)}", seconds_per_token=seconds)


def asked(request: ChatRequest) -> str:
    return request.messages[-1].content.rpartition(ASKS)[2]


def skeleton(
    model: ScriptedChat, ladder: Ladder, *, budget: Budget | None = None, retry: Retry | None = None
) -> tuple[AgentResult, list[AgentEvent]]:
    make = partial(TextPlanner, format=lambda brief: Skeleton(brief.task))
    agent = Agent(model, settings=Settings(planner=make, joiner=None, models=ladder, retry=retry))
    events: list[AgentEvent] = []
    return run_virtual(agent.run("Explain locks.", budget=budget, observer=events.append)), events


def small_and_large(**seconds: float) -> tuple[ScriptedChat, ScriptedChat, Ladder]:
    small, large = writer("small", seconds.get("small", 0.0)), writer("large", seconds.get("large", 0.0))
    return small, large, Ladder([Tier(model=small, name="small", up_to=2), Tier(model=large, name="large")])


def at(events: Sequence[AgentEvent], kind: type[NodeStarted | NodeFinished]) -> dict[str, float]:
    return {event.id: event.at for event in events if isinstance(event, kind)}


def test_an_answer_is_written_point_by_point_and_put_together_in_order() -> None:
    _, _, ladder = small_and_large()
    result, _ = skeleton(planner(SKELETON), ladder)
    assert result.answer == "small: What a mutex is\n\nsmall: What a semaphore is\n\nlarge: When to use which"
    assert result.status == "succeeded" and result.usage.calls == 4


def test_difficulty_chooses_the_tier_and_an_unknown_one_the_strongest() -> None:
    small, large, ladder = small_and_large()
    skeleton(planner("1. Easy | difficulty: 2\n2. Hard | difficulty: 3\n3. Who knows"), ladder)
    assert [asked(request) for request in small.log] == ["Easy"]
    assert sorted(map(asked, large.log)) == ["Hard", "Who knows"]


def test_a_point_that_needs_others_sees_what_was_written() -> None:
    _, large, ladder = small_and_large()
    skeleton(planner(SKELETON), ladder)
    (request,) = large.log
    assert "small: What a mutex is" in request.messages[-1].content and "small: What a semaphore is" in request.messages[-1].content


def test_points_are_written_while_the_skeleton_is_and_at_the_same_time() -> None:
    _, _, ladder = small_and_large(small=1.0, large=1.0)
    _, events = skeleton(planner(SKELETON, seconds_per_token=0.1), ladder)
    started, finished = at(events, NodeStarted), at(events, NodeFinished)
    lines = SKELETON.splitlines(keepends=True)
    for number in (1, 2):
        written = -(-len("".join(lines[:number])) // 4) * 0.1
        assert started[str(number)] == pytest.approx(written, abs=0.1001)
    assert started["2"] < finished["1"]
    assert started["3"] == pytest.approx(max(finished["1"], finished["2"]))


def test_a_text_that_the_verifier_refuses_is_written_by_the_next_tier() -> None:
    small, large, _ = small_and_large()

    async def good(request: ChatRequest, reply: Reply) -> bool:
        return "semaphore" not in reply.text

    ladder = Ladder([Tier(model=small, name="small", up_to=2), Tier(model=large, name="large")], verify=good)
    result, _ = skeleton(planner(SKELETON), ladder)
    assert "large: What a semaphore is" in result.answer and "small: What a mutex is" in result.answer
    assert len(small.log) == 2 and len(large.log) == 2 and result.usage.calls == 5  # both tries are paid


def test_the_strongest_tier_is_not_doubted() -> None:
    small, large, _ = small_and_large()
    ladder = Ladder(
        [Tier(model=small, name="small", up_to=2), Tier(model=large, name="large")], verify=lambda request, reply: False
    )
    result, _ = skeleton(planner(SKELETON), ladder)
    assert result.status == "succeeded" and result.answer.count("large: ") == 3 and len(small.log) == 2


def test_a_skeleton_that_needs_mending_goes_back_once_and_keeps_what_was_written() -> None:
    small, _, ladder = small_and_large()
    model = planner(SKELETON.replace("needs: 1, 2", "needs: 1, 7"), SKELETON)
    result, _ = skeleton(model, ladder)
    assert result.answer.endswith("large: When to use which") and len(result.plan_texts) == 2
    assert "point 3 needs 7" in model.log[1].messages[-1].content
    assert len(small.log) == 2  # points 1 and 2 had been started already


@pytest.mark.parametrize("text", ["", "I cannot help with that.", "- one\n- two", "\x00", "1.", "1. a\n" * 30])
def test_text_that_is_no_skeleton_is_a_clear_failure(text: str) -> None:
    _, _, ladder = small_and_large()
    result, _ = skeleton(planner(text, text), ladder)
    if "1. a" not in text:
        assert result.status == "failed" and "there are no points" in str(result.error)
    assert result.error is None or "Traceback" not in result.error


def test_a_skeleton_without_models_to_write_it_says_so() -> None:
    make = partial(TextPlanner, format=lambda brief: Skeleton(brief.task))
    agent = Agent(planner(SKELETON, SKELETON), settings=Settings(planner=make, joiner=None))
    result = run_virtual(agent.run("Explain locks."))
    assert result.status == "failed" and "there is no model that a plan may ask" in str(result.error)


def test_a_writer_that_fails_leaves_the_other_points() -> None:
    def write(request: ChatRequest) -> str | Exception:
        return EngineError("gone") if "semaphore" in asked(request) else asked(request)

    result, _ = skeleton(planner(SKELETON), Ladder([Tier(model=ScriptedChat(write))]), retry=Retry(attempts=1))
    assert result.status == "partial" and "2 failed" in str(result.error)
    assert result.result is not None and "gone" in str(result.result.outcomes["2"].error)
    assert result.result.outcomes["1"].value == "What a mutex is"


@tool
async def make(source: list[str], target: str) -> str:
    """Makes the target."""
    return f"{target} of {' and '.join(source)}"


RULES = [
    {"id": 0, "source": ["flour"], "target": ["dough"], "time": 3, "cost": 1},
    {"id": 1, "source": ["flour"], "target": ["sauce"], "time": 2, "cost": 1},
    {"id": 2, "source": ["dough", "sauce"], "target": ["pizza"], "time": 1, "cost": 5},
    {"id": 3, "source": ["flour"], "target": ["pizza"], "time": 9, "cost": 1},
]
GRAPH = json.dumps({"rules": RULES, "initial_source": ["flour"], "target": "pizza"})


def solved(*texts: str) -> tuple[AgentResult, ScriptedChat]:
    model = planner(*texts)
    agent = Agent(model, [make], settings=Settings(planner=partial(TextPlanner, format=SolvedGraph("make")), joiner=None))
    return run_virtual(agent.run("A pizza can be made in these ways: …")), model


def test_a_graph_that_the_model_extracts_is_scheduled_by_the_solver_and_run() -> None:
    result, model = solved(f"Here it is:\n```json\n{GRAPH}\n```")
    assert result.answer == "pizza of dough and sauce" and result.result is not None and len(result.result.plan.nodes) == 3
    assert "You read a description of tasks" in model.log[0].messages[0].content


def test_a_graph_without_a_way_to_its_target_goes_back_once() -> None:
    result, model = solved(GRAPH.replace('"pizza"}', '"lasagne"}'), GRAPH)
    assert result.answer == "pizza of dough and sauce" and "lasagne" in model.log[1].messages[-1].content


@pytest.mark.parametrize(
    "text", ["", "none", GRAPH[:-9], '{"rules": []}', GRAPH.replace("9", "-9"), GRAPH.replace('"id": 1', '"id": 0')]
)
def test_a_graph_that_stays_wrong_is_a_clear_failure(text: str) -> None:
    result, _ = solved(text, text)
    assert result.status == "failed" and "no plan that can be run" in str(result.error)


def parallel(*texts: str) -> tuple[AgentResult, ScriptedChat, ScriptedChat]:
    model, worker = planner(*texts), ScriptedChat(lambda request: f"<{request.messages[-1].content}>")
    settings = Settings(planner=partial(TextPlanner, format=ParallelPrompt()), joiner=None, models=Ladder([Tier(model=worker)]))
    return run_virtual(Agent(model, settings=settings).run("Translate cat, dog.")), model, worker


def test_one_thing_for_several_items_is_asked_for_each_at_once() -> None:
    schema = {"serial": "Translate", "template": "Translate {data}.", "context": None, "data": ["cat", "dog $1"], "n": None}
    result, model, worker = parallel(json.dumps(schema))
    assert result.answer == ["<Translate cat.>", "<Translate dog $1.>"] and len(worker.log) == 2
    assert "repeats one thing for several items" in model.log[0].messages[0].content


def test_one_thing_several_times_is_sampled() -> None:
    schema = {"serial": "Poems", "template": "Write a poem.", "context": None, "data": None, "n": 3}
    result, _, worker = parallel(json.dumps(schema))
    assert result.answer == ["<Write a poem.>"] * 3 and len({request.seed for request in worker.log}) == 3


@pytest.mark.parametrize("text", ["", "no", '{"template": 1}', '{"template": "{data}"}', '{"template": "{data}", "data": []}'])
def test_a_split_that_stays_wrong_is_a_clear_failure(text: str) -> None:
    result, _, worker = parallel(text, text)
    assert result.status == "failed" and "no plan that can be run" in str(result.error) and worker.log == []


@pytest.mark.parametrize(
    ("format", "name"),
    [
        (lambda brief: Skeleton(brief.task), "Skeleton"),
        (lambda brief: SolvedGraph("make"), "graph"),
        (lambda brief: ParallelPrompt(), "n"),
    ],
)
def test_formats_without_a_grammar_refuse_to_be_constrained(format: Callable[[Brief], Skeleton], name: str) -> None:
    brief = Brief(task="x", tools={})
    with pytest.raises(ConfigError, match="has no grammar: plan without `constrained`"):
        run_virtual(TextPlanner(planner("1. x"), format=format, constrained=True).plan(brief))


def test_a_plan_or_a_change_that_asks_a_model_where_there_is_none_is_refused() -> None:
    node = {"id": "1", "kind": "model", "prompt": "x"}
    good = '{"id": "1", "tool": "make", "args": {"source": ["a"], "target": "b"}}\n{"output": "$1"}'
    patch = {"thought": "", "patch": [{"op": "add", "node": {**node, "id": "2"}}]}
    model = planner(json.dumps(node), good, json.dumps(patch), '{"thought": "", "answer": "done"}')
    settings = Settings(planner=partial(TextPlanner, format=JsonLines()))
    result = run_virtual(Agent(model, [make], settings=settings).run("Make b."))
    assert result.answer == "done" and result.rounds == 0
    assert "there is no model that a plan may ask" in model.log[1].messages[-1].content
    assert "there is no model that a plan may ask" in model.log[3].messages[-1].content
