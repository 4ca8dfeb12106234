"""What broke LLMCompiler's runtime (a probe of it with stubbed calls), row by row, through the whole path: planner's text to answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from orchestra.agent.agent import Agent, Settings
from orchestra.agent.decision import Finish, Unreadable, read_decision
from orchestra.agent.events import AgentResult
from orchestra.agent.planner import TextPlanner
from orchestra.chat.base import ChatRequest
from orchestra.chat.scripted import ScriptedChat
from orchestra.engine.virtual import run_virtual
from orchestra.errors import EngineError
from orchestra.plan.formats.llmcompiler import LLMCompiler
from orchestra.tools.function import tool

seen: list[str] = []


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


@tool
async def search(query: str) -> str:
    """Looks something up."""
    seen.append(query)
    await asyncio.sleep(1)
    if query == "bad":
        raise RuntimeError("the service is down")
    return {"secret": "R(SECRET)", "trap": "please pay $1 now", "a": "R(a)"}.get(query, f"R({query})")


@tool
async def join_all(items: list[Any]) -> Mapping[str, Any]:
    """Collects."""
    return {"items": items}


def answer(*texts: str, chunk: int | None = None, **settings: Any) -> AgentResult:
    """The plan's own output, when the planner writes `texts` one after the other."""
    remaining = list(texts)

    def write(_: ChatRequest) -> str:
        return remaining.pop(0) if len(remaining) > 1 else remaining[0]

    planner = partial(TextPlanner, format=LLMCompiler(), **settings)
    agent = Agent(ScriptedChat(write, seconds_per_token=0.01), [search, join_all], settings=Settings(planner=planner, joiner=None))
    return run_virtual(agent.run("task"))


def outcome(result: AgentResult, node: str) -> Any:
    assert result.result is not None
    return result.result.outcomes[node]


def test_a_tool_that_raises_fails_its_node_and_nothing_hangs() -> None:
    result = answer('1. search("bad")\n2. search("good")\n3. join_all([$2])\n4. join($3)')
    assert result.answer == {"items": ["R(good)"]}
    assert outcome(result, "1").error == "RuntimeError: the service is down"


def test_what_needs_a_tool_that_raised_is_skipped() -> None:
    result = answer('1. search("bad")\n2. search("$1")\n3. join($2)')
    assert result.status == "failed" and outcome(result, "2").error == "1 failed"


def test_a_planner_that_dies_in_mid_stream_ends_the_run_with_its_error() -> None:
    class Dying(ScriptedChat):
        async def reply(self, request: ChatRequest) -> Any:
            assert request.on_text is not None
            request.on_text('1. search("a")\n')
            await asyncio.sleep(0.5)
            raise EngineError("http://model closed the stream in the middle of an answer")

    agent = Agent(Dying(lambda _: ""), [search], settings=Settings(planner=partial(TextPlanner, format=LLMCompiler()), joiner=None))
    result = run_virtual(agent.run("task"))
    assert result.status == "failed" and "closed the stream" in str(result.error)


def test_a_gap_in_the_ids_is_no_problem() -> None:
    assert answer('1. search("a")\n3. search("$1")\n4. join($3)').answer == "R(R(a))"


def test_a_forward_reference_waits_for_what_it_names() -> None:
    result = answer('1. search("a")\n2. search($3)\n3. search("b")\n4. join($2)')
    assert result.answer == "R(R(b))" and seen == ["a", "b", "R(b)"]


def test_a_self_reference_never_reaches_a_tool() -> None:
    result = answer("1. search($1)\n2. join($1)")
    assert seen == [] and any(finding.code == "self-reference" for finding in result.findings)


def test_a_cycle_is_mended_in_the_repair_round() -> None:
    text = "1. search($2)\n2. search($1)\n3. join($1)"
    assert answer(text, '1. search("a")\n2. search($1)\n3. join($2)').answer == "R(R(a))"


def test_an_output_with_a_dollar_is_not_expanded_again() -> None:
    answer('1. search("secret")\n2. search("trap")\n3. search("$2 $1")\n4. join($3)')
    assert seen[-1] == "please pay $1 now R(SECRET)"


def test_a_price_is_no_reference() -> None:
    answer('1. search("a")\n2. search("costs $100, see $1")\n3. join($2)')
    assert seen[-1] == "costs $100, see R(a)"


def test_ten_is_not_one_with_a_nought() -> None:
    lines = [f'{i}. search("q{i}")' for i in range(1, 11)]
    answer("\n".join([*lines, '11. search("$10 and $1")', "12. join($11)"]))
    assert seen[-1] == "R(q10) and R(q1)"


def test_a_newline_inside_a_quoted_argument_stays_there() -> None:
    assert answer('1. search("two\nlines")\n2. join($1)').answer == "R(two\nlines)"


def test_text_after_the_closing_parenthesis_never_becomes_an_argument() -> None:
    result = answer('1. search("a") and then (b)\n2. join($1)')
    assert seen in ([], ["a"]) and (result.status == "failed" or result.answer == "R(a)")
    assert result.findings or result.error


def test_an_unknown_tool_leaves_the_rest_of_the_plan_alone() -> None:
    result = answer('1. conjure("x")\n2. search("a")\n3. join($2)')
    assert result.answer == "R(a)" and any(finding.code == "unknown-tool" for finding in result.findings)


def test_a_duplicate_id_is_refused_and_never_silently_replaces() -> None:
    text = '1. search("a")\n1. search("b")\n2. join($1)'
    result = answer(text)
    assert any(finding.code == "duplicate-id" for finding in result.findings)
    assert result.answer in (None, "R(a)")


def test_three_lines_in_one_chunk_are_three_nodes() -> None:
    class AtOnce(ScriptedChat):
        async def reply(self, request: ChatRequest) -> Any:
            text = '1. search("a")\n2. search("b")\n3. join_all([$1, $2])\n4. join($3)'
            if request.on_text is not None:
                request.on_text(text)
            return await super().reply(ChatRequest(messages=request.messages))

    text = '1. search("a")\n2. search("b")\n3. join_all([$1, $2])\n4. join($3)'
    agent = Agent(
        AtOnce(lambda _: text),
        [search, join_all],
        settings=Settings(planner=partial(TextPlanner, format=LLMCompiler()), joiner=None),
    )
    assert run_virtual(agent.run("task")).answer == {"items": ["R(a)", "R(b)"]}


def test_an_answer_keeps_its_own_parentheses() -> None:
    assert read_decision("Thought: known\nAction: Finish(First for Women (magazine))") == Finish(
        "First for Women (magazine)", "known"
    )
    assert read_decision("Action: Finish((a) and (b))") == Finish("(a) and (b)")


def test_an_answer_that_mentions_replanning_is_an_answer() -> None:
    assert read_decision("Thought: a band\nAction: Finish(The Replanners (band))") == Finish("The Replanners (band)", "a band")


def test_a_request_to_replan_asks_for_a_patch() -> None:
    decision = read_decision("Thought: more is needed\nAction: Replan(look up the date)")
    assert isinstance(decision, Unreadable) and "patch" in decision.why and "look up the date" in decision.why


def test_a_chain_of_two_hundred_takes_no_time_of_its_own() -> None:
    @tool
    async def step(of: Any = None) -> int:
        """One more."""
        return (of or 0) + 1

    lines = ["1. step()", *(f"{i}. step($${i - 1})".replace("$$", "$") for i in range(2, 201)), "201. join($200)"]
    chat = ScriptedChat(lambda _: "\n".join(lines))
    from orchestra.plan.structure import Shape

    agent = Agent(chat, [step], settings=Settings(planner=partial(TextPlanner, format=LLMCompiler()), joiner=None, shape=Shape()))

    async def main() -> tuple[Any, float]:
        result = await agent.run("count")
        return result.answer, asyncio.get_running_loop().time()

    assert run_virtual(main()) == (200, 0.0)
