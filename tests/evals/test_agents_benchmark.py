"""The agents benchmark's own conduct: how questions are taken apart, what the scripted server streams, and that all modes do the same work."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestra.evals.benchmarks.agents import asked, dataset, script
from orchestra.evals.benchmarks.agents import run as driver
from orchestra.evals.benchmarks.agents.computed import computed_s
from orchestra.evals.benchmarks.agents.dataset import load, take_apart
from orchestra.evals.benchmarks.agents.modes import MODES, Run, Runner
from orchestra.evals.benchmarks.agents.process import serving
from orchestra.evals.benchmarks.agents.question import Kind, Question, Step, outputs_of
from orchestra.evals.benchmarks.agents.server import Server, Settings, deltas
from orchestra.evals.benchmarks.agents.table import cell, lines, markdown, rich_table, summary
from orchestra.evals.benchmarks.agents.tools import Rates, search_s, tools_for
from rich.console import Console

from orchestra.chat.base import ChatRequest, Message
from orchestra.chat.http_chat import HttpChat
from orchestra.chat.scripted import ScriptedChat
from orchestra.errors import ConfigError, EngineError
from orchestra.plan.finding import errors
from orchestra.plan.formats.json_lines import JsonLines
from orchestra.plan.formats.llmcompiler import LLMCompiler
from orchestra.plan.node import ToolCall
from orchestra.plan.verify import verify

RATES = Rates(name="test", first_token_s=0.35, tokens_per_s=60, time_scale=0.001)

FILMS = [
    ("Alien, Solaris, Moon, Sunshine", ["Gravity", "Grease", "Cats", "Clue"], "Gravity"),
    ('Amélie, Delicatessen, "Joy", Brazil', ["Heat", "Micmacs", "Jaws (1975)", "Rocky"], "Micmacs"),
    ("Up, Coco, Cars, Bambi", ["Saw", "Se7en", "Scream", "Dumbo"], "Dumbo"),
]
ARITHMETIC = [
    ("If K2 were 10% shorter and Aconcagua 2 times as high, which mountain would be higher?", "Aconcagua"),
    ("If the Volga River shrinks by 10% and the Mekong River grows by 5%, what is the difference of their lengths?", "1977.45"),
    ("What is the smaller ratio of the height of the CN Tower to K2, and of K2 to Mount Elbert?", "0.06425"),
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three questions of each kind, in the dataset's form."""
    films = [
        {"id": str(place), "question": f"Find a movie similar to {liked}\nOptions:\n" + "\n".join(options) + "\n", "answer": answer}
        for place, (liked, options, answer) in enumerate(FILMS)
    ]
    arithmetic = [{"id": str(place), "question": text, "answer": answer} for place, (text, answer) in enumerate(ARITHMETIC)]
    (tmp_path / dataset.FILES["movie"]).write_text(json.dumps(films))
    (tmp_path / dataset.FILES["parallelqa"]).write_text(json.dumps(arithmetic))
    return tmp_path


@pytest.fixture
def questions(data: Path) -> list[Question]:
    return [question for kind in dataset.FILES for question in load(data, kind).questions]


def arguments(question: Question) -> list[str]:
    return [step.argument for step in question.steps]


def taken_apart(text: str, answer: str, kind: Kind = "parallelqa") -> Question:
    question = take_apart("1", text, answer, kind)
    assert isinstance(question, Question), question
    return question


@asynccontextmanager
async def served(questions: list[Question], rates: Rates = RATES) -> AsyncGenerator[str]:
    """The server's address, in this process."""
    server = Server({question.text.strip(): question for question in questions}, rates)
    async with await asyncio.start_server(server.connection, "127.0.0.1", 0) as listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"


def on_server(questions: list[Question], work: Callable[[str], Coroutine[Any, Any, Any]], rates: Rates = RATES) -> Any:
    async def main() -> Any:
        async with served(questions, rates) as url:
            return await work(url)

    return asyncio.run(main())


def test_every_question_of_the_fixture_is_usable(data: Path) -> None:
    for kind in dataset.FILES:
        loaded = load(data, kind)
        assert (len(loaded.questions), loaded.left_out) == (3, {})


def test_a_film_question_is_eight_searches_at_once(questions: list[Question]) -> None:
    assert arguments(questions[0]) == ["Alien", "Solaris", "Moon", "Sunshine", "Gravity", "Grease", "Cats", "Clue"]
    assert set(questions[0].depths) == {0}


@pytest.mark.parametrize(
    ("text", "answer", "steps"),
    [
        (
            "If K2 were 10% taller and Mount Everest shrank by 20%, which mountain is the tallest?",
            "K2",
            ["K2", "Mount Everest", "{1} * 1.1", "{2} * 0.8"],
        ),
        (
            "After a 5% increase in the Volga River, a 10% drop in the Congo River, and the Mekong River doubling, what is the average of the longest and shortest?",
            "6762",
            ["Volga River", "Congo River", "Mekong River", "{1} * 1.05", "{2} * 0.9", "{3} * 2"]
            + ["(max({4}, {5}, {6}) + min({4}, {5}, {6})) / 2"],
        ),
        (
            "If Japan's population shrinks by a factor of 10 and China's grows by 50%, what is their combined population in millions?",
            "2130.5",
            ["Japan", "China", "{1} / 10", "{2} * 1.5", "sum({3}, {4})"],
        ),
        (
            "What is the largest difference of the Sunda Trench and the Mariana Trench, and the Mariana Trench and the Puerto Rico Trench?",
            "3694",
            ["Sunda Trench", "Mariana Trench", "Puerto Rico Trench", "abs({1} - {2})", "abs({2} - {3})", "max({4}, {5})"],
        ),
    ],
)
def test_a_question_becomes_lookups_and_arithmetic(text: str, answer: str, steps: list[str]) -> None:
    assert arguments(taken_apart(text, answer)) == steps


@pytest.mark.parametrize(
    ("text", "answer", "kind", "reason"),
    [
        ("If K2 were 10% taller than the Matterhorn, which is taller?", "K2", "parallelqa", "fewer than two things"),
        ("If K2 were 10% taller and Aconcagua shorter, which is taller?", "K2", "parallelqa", "a change that no rule reads"),
        ("Does K2 look like Aconcagua?", "no", "parallelqa", "a question that no rule reads"),
        ("What is the ratio of K2 to Aconcagua to Mount Elbert?", "1", "parallelqa", "do not stand in pairs"),
        (
            "If K2 were 10% taller and Aconcagua 10% shorter, which is taller?",
            "Aconcagua",
            "parallelqa",
            "does not give the dataset's",
        ),
        ("Find a movie similar to Monsters, Inc, Up, Cars, Coco\nOptions:\nA\nB\nC\nD\n", "A", "movie", "not four films"),
    ],
)
def test_what_no_rule_reads_is_left_out_with_its_reason(text: str, answer: str, kind: Kind, reason: str) -> None:
    result = take_apart("1", text, answer, kind)
    assert isinstance(result, str) and reason in result


def test_files_of_something_else_are_refused(data: Path) -> None:
    (data / dataset.FILES["movie"]).write_text('[{"question": 3}]')
    with pytest.raises(ConfigError, match=r"movie_recommendations_formatted\.json cannot be read"):
        load(data, "movie")
    with pytest.raises(ConfigError, match="FileNotFoundError"):
        load(data / "nowhere", "movie")


def test_answers_are_right_by_the_datasets_own_measure() -> None:
    number = Question(id="1", kind="parallelqa", text="?", answer="200", steps=(Step("search", "K2"),), asks="number")
    assert number.is_right("219.9") and not number.is_right("221") and not number.is_right("none")
    text = Question(id="1", kind="movie", text="?", answer="The Natural", steps=(Step("search", "K2"),), asks="film")
    assert text.is_right("natural.") and not text.is_right("Unnatural")


def test_a_step_cannot_come_before_what_it_needs() -> None:
    with pytest.raises(AssertionError):
        Question(
            id="1", kind="parallelqa", text="?", answer="", steps=(Step("math", "{2} + 1"), Step("search", "K2")), asks="number"
        )


@given(st.text())
def test_tokens_make_up_their_text(text: str) -> None:
    assert "".join(script.tokens(text)) == text


@pytest.mark.parametrize("format", [LLMCompiler(), JsonLines()], ids=lambda format: format.name)
def test_plans_are_valid_and_hold_the_steps(questions: list[Question], format: LLMCompiler | JsonLines) -> None:
    for question in questions:
        specs = tools_for(question, RATES, ScriptedChat(lambda request: "")).specs
        (name,) = [name for name in get_args(script.PlanFormat) if name == format.name]
        parsed = format.parse(script.plan(question, name), specs)
        assert not errors([*parsed.findings, *verify(parsed.plan, specs)])
        calls = [node for node in parsed.plan.nodes if isinstance(node, ToolCall)]
        assert [call.tool for call in calls] == [step.tool for step in question.steps]
        assert [sorted(map(int, call.waits_for)) for call in calls] == [sorted(set(step.needs)) for step in question.steps]


def test_the_model_computes_with_what_the_tools_returned() -> None:
    question = taken_apart("If K2 were 10% taller and Mount Everest 20% shorter, which mountain is the tallest?", "K2")
    outputs: list[Any] = [{"value": 1}, {"value": 10}]
    assert "math[1 * 1.1]" in script.react(question, outputs)
    assert script.native(question, outputs) == [("math", '{"expression": "1 * 1.1"}'), ("math", '{"expression": "10 * 0.8"}')]
    assert json.loads(script.joined(question, [*outputs, 1.1, 8.0]))["answer"] == "Mount Everest"


def test_a_joiner_without_all_results_is_not_in_the_script(questions: list[Question]) -> None:
    user = f"Task: {questions[0].text}\n1. search\n   succeeded: " + json.dumps({"entity": "Alien"})
    with pytest.raises(asked.NotInTheScript, match="not every film was looked up"):
        asked.answer({"model": "llmcompiler", "messages": [{"role": "user", "content": user}]}, {questions[0].text: questions[0]})


@pytest.mark.parametrize("model", ["llmcompiler", "react", "native", "nobody"])
def test_a_question_that_is_not_known_is_not_in_the_script(model: str) -> None:
    with pytest.raises(asked.NotInTheScript):
        asked.answer({"model": model, "messages": [{"role": "user", "content": "Task: Why?"}]}, {})


def test_there_is_one_delta_for_each_token_and_native_calls_come_whole() -> None:
    text = "Thought: K2.\nAction: Finish[K2]"
    assert [delta and delta["content"] for delta in deltas(text)] == script.tokens(text)
    calls = [("search", '{"entity": "K2"}'), ("math", '{"expression": "1 + {}"}')]
    events = list(deltas(asked.Calls(calls)))
    assert len(events) == sum(len(piece) for call in calls for piece in script.call_tokens(*call))
    told = [event["tool_calls"][0] for event in events if event is not None]
    for index, (name, arguments) in enumerate(calls):
        mine = [call["function"] for call in told if call["index"] == index]
        assert mine[0]["name"] == name
        assert "".join(piece["arguments"] for piece in mine) == arguments


def test_the_server_streams_what_the_library_reads(questions: list[Question]) -> None:
    async def work(url: str) -> None:
        async with HttpChat(url, "native") as chat:
            pieces: list[str] = []
            first = await chat.reply(ChatRequest(messages=[Message("user", questions[3].text)]))
            results = [Message("user", asked.RESULTS + json.dumps(outputs_of(questions[3])))]
            last = await chat.reply(ChatRequest(messages=[Message("user", questions[3].text), *results], on_text=pieces.append))
        assert [(use.name, json.loads(use.arguments)) for use in first.tool_uses] == [
            ("search", {"entity": "K2"}),
            ("search", {"entity": "Aconcagua"}),
        ]
        assert first.finish == "tools" and last.finish == "stop"
        assert pieces == script.tokens(last.text) and last.sampled_tokens == len(pieces)
        assert last.text.endswith("Answer: Aconcagua")

    on_server(questions, work)


def test_the_server_refuses_what_is_not_in_its_script(questions: list[Question]) -> None:
    async def work(url: str) -> None:
        async with HttpChat(url, "react") as chat:
            with pytest.raises(EngineError, match="not in the script: KeyError: 'Why\\?'"):
                await chat.reply(ChatRequest(messages=[Message("user", "Why?")]))
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{url}/nothing")).status_code == 404
            assert (await client.post(f"{url}/chat/completions", content=b"{")).status_code == 400

    on_server(questions, work)


def run_all(questions: list[Question], rates: Rates) -> dict[tuple[str, str], Run]:
    async def work(url: str) -> dict[tuple[str, str], Run]:
        async with Runner(url, rates) as runner:
            return {(question.text, mode): await runner.run(question, mode) for question in questions for mode in MODES}

    runs: dict[tuple[str, str], Run] = on_server(questions, work, rates)
    return runs


@pytest.mark.parametrize("math_by_model", [False, True])
def test_all_modes_make_the_same_calls_and_give_the_right_answer(questions: list[Question], math_by_model: bool) -> None:
    runs = run_all(questions, Rates(name="", first_token_s=0.3, tokens_per_s=60, time_scale=0.001, math_by_model=math_by_model))
    for question in questions:
        mine = {mode: runs[question.text, mode] for mode in MODES}
        assert {mode: question.is_right(run.answer) for mode, run in mine.items()} == dict.fromkeys(MODES, True)
        assert {run.calls for run in mine.values()} == {len(question.steps)}
        turns = {mode: run.turns for mode, run in mine.items()}
        levels = len(set(question.depths))
        plans = dict.fromkeys((mode for mode in MODES if mode.startswith("plan")), 2)
        assert turns == {"react": len(question.steps) + 1, "native": levels + 1, **plans}
        assert mine["plan"].sampled_tokens == mine["plan first"].sampled_tokens < mine["react"].sampled_tokens


def test_the_bounds_are_in_order_and_scale_with_time(questions: list[Question]) -> None:
    slow = Rates(name="", first_token_s=0.35, tokens_per_s=60, math_by_model=True)
    fast = Rates(name="", first_token_s=0.35, tokens_per_s=60, math_by_model=True, time_scale=0.5)
    for question in questions:
        seconds = {mode: computed_s(question, slow, mode) for mode in MODES}
        assert seconds["plan"] <= seconds["plan first"] < seconds["react"] > seconds["native"]
        assert {mode: computed_s(question, fast, mode) for mode in MODES} == pytest.approx(
            {mode: value / 2 for mode, value in seconds.items()}
        )


def test_a_bound_is_the_critical_path() -> None:
    """Tokens are free, so a plan is there after the first one: what is left is two first tokens and the slowest chain of calls."""
    question = taken_apart("If K2 were 10% taller and Mount Everest 20% shorter, which mountain is the tallest?", "K2")
    rates = Rates(name="", first_token_s=0.5, tokens_per_s=1e12)
    slowest = max(search_s(question, "K2"), search_s(question, "Mount Everest"))
    together = sum(search_s(question, entity) for entity in question.entities)
    assert computed_s(question, rates, "plan") == pytest.approx(2 * 0.5 + slowest + 0.05)
    assert computed_s(question, rates, "native") == pytest.approx(3 * 0.5 + slowest + 0.05)
    assert computed_s(question, rates, "react") == pytest.approx(5 * 0.5 + together + 2 * 0.05)


def test_search_latencies_have_the_mean_and_the_tail_of_the_paper() -> None:
    def drawn(id: int) -> list[float]:
        question = Question(id=str(id), kind="movie", text="?", answer="", steps=(Step("search", "K2"),), asks="film")
        assert search_s(question, "film 1") == search_s(question, "film 1")
        return [search_s(question, f"film {place}") for place in range(8)]

    rows = [drawn(id) for id in range(5_000)]
    assert statistics.fmean(seconds for row in rows for seconds in row) == pytest.approx(0.61, rel=0.02)
    assert statistics.fmean(map(max, rows)) == pytest.approx(1.13, rel=0.02)


def row(kind: str, **seconds: float | None) -> dict[str, Any]:
    """A row of runs that should take 1 s each; None is a failure."""
    run = {"computed_s": 1.0, "right": True, "turns": 2, "sampled_tokens": 9, "calls": 4}
    runs = {mode: {"error": "boom"} if value is None else {**run, "seconds": value} for mode, value in seconds.items()}
    return {"id": "1", "kind": kind, "runs": runs}


def test_speedups_compare_runs_of_the_same_question() -> None:
    rows = [row("movie", react=4.0, plan=1.0), row("movie", react=6.0, plan=3.0), row("movie", react=None, plan=8.0)]
    found = cell(rows, "plan")
    assert found.speedup is not None and found.speedup.median == 3.0
    assert (found.mean_speedup, found.most_over_computed, found.failed, cell(rows, "react").failed) == (2.5, 8.0, 0, 1)


def test_the_table_shows_failures_wrong_answers_and_the_papers_numbers() -> None:
    rows = [row("movie", react=4.0, plan=1.0), row("movie", react=6.0, plan=3.0), row("movie", react=2.0, plan=None)]
    rows[0]["runs"]["plan"]["right"] = False
    table = lines({"rates": summary(rows, ["react", "plan"])}, ["react", "plan"])
    assert markdown(table).splitlines() == [
        "| questions; model | ReAct | plan, streamed | measured / computed, median (most) |",
        "| --- | --- | --- | --- |",
        "| movie, 3; rates | 4.00 s | 3.00× (2.50–3.50), 2.00 s, 1 failed, 1 wrong | 2.000–4.000 (6.000) |",
        "| paper, movie; gpt-3.5-turbo-1106 | 20.47 s | 3.74×, 5.47 s |  |",
    ]
    with (console := Console(width=200)).capture() as captured:
        console.print(rich_table(table))
    assert "3.74×" in captured.get()


def test_a_mode_that_fails_is_a_failed_cell_with_its_reason(questions: list[Question]) -> None:
    async def work(url: str) -> list[dict[str, Any]]:
        async with Runner(url, RATES) as runner:
            return [await driver.one(runner, questions[0], mode) for mode in MODES]

    failed = on_server([], work)
    assert len(failed) == len(MODES) and all("not in the script" in run["error"] for run in failed)


def test_a_server_process_says_where_it_is_and_ends_with_its_block(data: Path, questions: list[Question]) -> None:
    async def main() -> None:
        async with serving(Settings(data=str(data), rates=RATES)) as server, HttpChat(server.url, "react") as chat:
            reply = await chat.reply(ChatRequest(messages=[Message("user", questions[0].text)]))
            assert reply.text.endswith("Action: search[Alien]")
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(f"{server.url}/models")

    asyncio.run(main())


def test_a_server_process_that_cannot_start_is_reported(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(Settings(data=str(tmp_path), rates=RATES)):
            pass

    with pytest.raises(EngineError, match="the scripted server did not start: it ended with 1"):
        asyncio.run(main())


def test_the_program_writes_numbers_and_a_table_and_says_that_time_was_scaled(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "agents.json"
    program = [sys.executable, "-m", "orchestra.evals.benchmarks.agents.run", "--data", str(data), "--out", str(out)]
    done = subprocess.run([*program, "--questions", "1", "--time-scale", "0.002"], check=True, capture_output=True, text=True)
    result = json.loads(out.read_text())
    assert result["time_scale"] == 0.002 and result["left_out"]["movie"] == {"usable": 3}
    for setting in result["settings"].values():
        for modes in setting["summary"].values():
            assert {mode: (found["right"], found["failed"]) for mode, found in modes.items()} == dict.fromkeys(MODES, (1, 0))
    assert "Waits were multiplied by 0.002" in done.stdout
    assert "| paper, movie; gpt-3.5-turbo-1106 | 20.47 s |" in done.stdout


def test_the_program_says_what_is_missing(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "orchestra.evals.benchmarks.agents.run", "--data", str(tmp_path), "--out", "unused.json"]
    done = subprocess.run(program, check=False, capture_output=True, text=True)
    assert done.returncode == 1 and "`--data` is the folder `datasets` of LLMCompiler's repository" in done.stderr
