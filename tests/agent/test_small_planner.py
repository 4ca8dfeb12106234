"""`orchestra run` out of the box, with a planner that says what it is told to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from orchestra.training.planner.card import card

from orchestra import cli
from orchestra.agent import PlanReady, command, shipped_planner
from orchestra.agent.facts_planner import EXAMPLES, ROUND, ROUNDS, examples
from orchestra.chat import ChatRequest
from orchestra.errors import ConfigError
from orchestra.schedule.events import NodeStarted
from orchestra.tools.facts import FactTable

from .facts_questions import HEIGHTS, PLAN, TASK, asked, saying

MINE = FactTable([("Ada", "salary", 10), ("Bob", "salary", 12), ("Ada", "boss", "Bob")])


def test_the_answer_is_the_plans_output_in_words_and_only_the_planner_is_asked() -> None:
    result, model, _ = asked(TASK, PLAN)
    assert (result.answer, result.status, result.error) == ("3,805 metres", "succeeded", None)
    assert result.result is not None and result.result.output == 3805 and len(model.log) == 1


def test_calls_run_while_the_plan_is_written() -> None:
    _, _, events = asked(TASK, PLAN, pace=1.0)
    started = {event.id: event.at for event in events if isinstance(event, NodeStarted)}
    assert started["1"] < started["2"] < started["3"] < len(PLAN) / 4


def test_several_answers_are_a_line_each() -> None:
    result, _, _ = asked("How high are K2 and Mont Blanc?", HEIGHTS)
    assert result.answer == "K2: 8,611 metres\nMont Blanc: 4,806 metres"


def test_a_name_that_was_found_stands_before_its_number() -> None:
    plan = '1. related("Ada", "boss")\n2. lookup($1, "salary")\n3. lookup("Ada", "salary")\n4. join([$2, $3])'
    result, _, _ = asked("What are the salary of Ada's boss and the salary of Ada?", plan, facts=MINE)
    assert result.answer == "Bob: 12\nAda: 10"


def test_the_planner_is_asked_with_units_as_the_tools_spell_them() -> None:
    plan = '1. lookup("K2", "height")\n2. convert($1, "metres", "kilometres")\n3. join($2)'
    result, model, _ = asked(" How high is\nK2 in Kilometers? ", plan)
    assert result.answer == "8.611 kilometres" and model.log[0].messages[-1].content == "Task: How high is K2 in kilometres?"


def test_a_question_that_cannot_be_known_is_not_put_to_the_model() -> None:
    result, model, _ = asked("How high is K3?", PLAN)
    assert result.status == "failed" and model.log == [] and "did you mean K2?" in str(result.error)
    assert all(example in str(result.error) for example in EXAMPLES[:3]) and "--model URL --tools FILE.py" in str(result.error)
    assert "with units in full ('5 kilometres')" in str(result.error)


def test_a_plan_that_does_not_fit_the_question_is_written_anew_and_patched_into_the_run() -> None:
    result, model, events = asked(TASK, '1. lookup("K2", "depth")\n2. join($1)', PLAN)
    assert (result.answer, len(model.log), len(result.plan_texts)) == ("3,805 metres", 1 + ROUND, 1 + ROUND)
    ready = next(event for event in events if isinstance(event, PlanReady))
    assert ready.note == "its first version does not fit the question: it asks for the depth, of which the question says nothing"


def test_after_a_plan_that_does_not_fit_the_question_is_asked_with_other_names_a_bounded_number_of_times() -> None:
    _, model, _ = asked(TASK, '1. lookup("K2", "height")\n2. join($1)')
    first, *others = [request.messages[-1].content for request in model.log]
    assert "K2" in first and not any("K2" in text for text in others)
    assert len(others) == ROUND * ROUNDS == len(set(others))


def test_a_question_that_says_a_name_twice_is_put_in_other_ways_at_once_and_the_commonest_plan_runs() -> None:
    swapped = '1. related("Ada", "boss")\n2. lookup($1, "salary")\n3. lookup("Ada", "salary")\n4. subtract($3, $2)\n5. join($4)'
    right = swapped.replace("subtract($3, $2)", "subtract($2, $3)")
    result, model, _ = asked("How much more is the salary of Ada's boss than the salary of Ada?", swapped, right, facts=MINE)
    assert (result.answer, len(model.log)) == ("2", 1 + ROUND)
    assert "How much more is the salary of Ada's boss than the salary of Ada?" in str(model.log[0].messages[-1].content)


def test_without_a_plan_that_fits_there_is_no_answer() -> None:
    result, _, _ = asked(TASK, '1. lookup("K2", "height")\n2. join($1)')
    assert result.answer is None and str(result.error).startswith(
        "the planner found no plan for this question. Put it in other words, or ask one thing at a time.\n"
        "The first plan that it wrote does not fit the question: it leaves out Mont Blanc.\nThis planner answers questions in English"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "cannot be run: "),
        ("I cannot help with that.", "cannot be run: "),
        ('1. lookup("K2", "height', "is never closed"),
        ('1. hight("K2")\n2. join($1)', "cannot be run: node 1: "),
        (PLAN.replace("$2", "$9"), "cannot be run: node 3: "),
        ('1. lookup("K2", "height")\n2. join()', "does not say which result is the answer"),
        (PLAN * 40, "cannot be run: "),
    ],
)
def test_a_plan_that_cannot_be_run_gives_no_answer_and_is_not_cut_down(text: str, why: str) -> None:
    result, model, _ = asked(TASK, text)
    assert result.answer is None and len(model.log) == 1 + ROUND * ROUNDS and why in str(result.error)


def test_a_fact_that_the_table_does_not_have_is_named() -> None:
    result, _, _ = asked("What is the salary of K2?", '1. lookup("K2", "salary")\n2. join($1)')
    assert result.answer is None and "the table does not know the salary of K2: it knows height" in str(result.error)


def test_examples_for_an_own_table_are_about_it() -> None:
    assert examples(MINE) == [
        "What is the salary of Ada?",
        "Which of Ada and Bob has the highest salary?",
        "What is the salary of Ada minus the salary of Bob?",
    ]
    assert examples(FactTable([("Ada", "boss", "Bob")])) == ["What is the boss of Ada?"] and examples(FactTable([])) == []


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[ChatRequest]]:
    """Makes a scripted model the planner in the box; gives what it is asked."""

    def make(*says: str) -> list[ChatRequest]:
        card().write(tmp_path)
        chat = saying(*says)
        monkeypatch.setenv("ORCHESTRA_PLANNER", str(tmp_path))
        monkeypatch.setattr(command, "open_planner_chat", lambda folder, record: chat)
        return chat.log

    return make


def test_a_question_alone_is_answered(box: Callable[..., list[ChatRequest]], capsys: pytest.CaptureFixture[str]) -> None:
    box(PLAN)
    assert cli.main(["run", TASK]) == 0
    out, err = capsys.readouterr()
    assert out == "3,805 metres\n"
    assert err.splitlines()[1:4] == [
        '1 starts: lookup(entity="K2", attribute="height")',
        "✓ 1 8611",
        '2 starts: lookup(entity="Mont Blanc", attribute="height")',
    ]


def test_programs_get_the_value_beside_the_words(box: Callable[..., list[ChatRequest]], capsys: pytest.CaptureFixture[str]) -> None:
    box(PLAN)
    assert cli.main(["run", TASK, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["answer"], found["output"], found["status"]) == ("3,805 metres", 3805, "succeeded")


def test_without_a_joiner_the_bare_value_is_printed(
    box: Callable[..., list[ChatRequest]], capsys: pytest.CaptureFixture[str]
) -> None:
    box(PLAN)
    assert cli.main(["run", TASK, "--no-joiner"]) == 0
    assert capsys.readouterr().out == "3805\n"


def test_a_second_run_on_the_journal_asks_nothing_again(
    box: Callable[..., list[ChatRequest]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = box(PLAN)
    for _ in range(2):
        assert cli.main(["run", TASK, "--journal", str(tmp_path / "run.db")]) == 0
        assert capsys.readouterr().out == "3,805 metres\n"
    assert len(log) == 1


def test_the_plan_is_drawn(box: Callable[..., list[ChatRequest]], tmp_path: Path) -> None:
    box(PLAN)
    assert cli.main(["run", TASK, "--svg", str(tmp_path / "plan.svg")]) == 0 and (tmp_path / "plan.svg").stat().st_size > 0


@pytest.mark.parametrize("flags", [["--calls", "1"], ["--tokens", "10"], ["--max-nodes", "2"]])
def test_limits_hold(box: Callable[..., list[ChatRequest]], flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    box(PLAN)
    assert cli.main(["run", TASK, *flags]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "no answer: " in err and "Traceback" not in err


@pytest.mark.parametrize(
    "task", ["", "  ", "Wie hoch ist K2?", "How high is K3?", "word " * 10_000, "K2\x00\x1b[31m"], ids=range(6)
)
def test_a_question_outside_the_domain_gets_help_and_exit_status_1(
    box: Callable[..., list[ChatRequest]], task: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log = box()
    assert cli.main(["run", task]) == 1
    out, err = capsys.readouterr()
    assert (
        out == ""
        and log == []
        and err.startswith("no answer: ")
        and err.count("\n- ") == 3
        and "\x1b" not in err
        and len(err) < 1_000
    )


def test_a_refusal_is_json_for_programs(box: Callable[..., list[ChatRequest]], capsys: pytest.CaptureFixture[str]) -> None:
    box()
    assert cli.main(["run", "How high is K3?", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["answer"], found["status"]) == (None, "failed") and "'K3'" in found["error"]


def test_own_facts_are_asked(box: Callable[..., list[ChatRequest]], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.csv").write_text("entity,attribute,value\nAda,salary,10\nBob,salary,12\n")
    box('1. lookup("Ada", "salary")\n2. join($1)')
    assert cli.main(["run", "What is the salary of Ada?", "--facts", str(tmp_path / "mine.csv")]) == 0
    assert capsys.readouterr().out == "10\n"
    assert cli.main(["run", "How high is K2?", "--facts", str(tmp_path / "mine.csv")]) == 1
    assert "'K2' is neither in the table of facts" in capsys.readouterr().err


WRONG = {
    ("--format", "json-lines"): "--format cannot be given to the shipped planner",
    ("--constrained", "--max-rounds", "3"): "--constrained and --max-rounds cannot be given to the shipped planner",
    ("--examples", "nowhere.json"): "--examples cannot be given",
    ("--model", "http://127.0.0.1:9"): "--model needs --tools FILE.py beside it: give both, or leave out both",
    ("--tools", "orchestra.tools.facts"): "--tools needs --model URL beside it: give both, or leave out both",
    ("--tools", "orchestra.tools.facts", "--model", "vllm"): "--model vllm needs the folder of a model: --model-name DIR",
    ("--facts", "nowhere.csv"): "the fact table nowhere.csv cannot be read: No such file or directory",
    ("--model-name", "nowhere"): "there is no model folder nowhere: give that of a planner, or bring a model of your own",
    (
        "--tools",
        "orchestra.tools.facts",
        "--model",
        "http://127.0.0.1:9",
        "--facts",
        "x.csv",
    ): "--facts is the table of the shipped planner",
}


@pytest.mark.parametrize("flags", WRONG, ids=" ".join)
def test_flags_that_mean_nothing_are_one_message_and_exit_status_2(
    box: Callable[..., list[ChatRequest]], flags: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    box()
    assert cli.main(["run", TASK, *flags]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("orchestra: ") and WRONG[flags] in err and len(err.splitlines()) == 1


def test_a_planner_that_is_not_there_says_where_it_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("ORCHESTRA_PLANNER", raising=False)
    monkeypatch.setattr("orchestra.agent.small_planner.SHIPPED", "planner-from-nowhere")
    with pytest.raises(ConfigError, match="the model planner-from-nowhere ships with the source repository"):
        shipped_planner()
    assert cli.main(["run", TASK]) == 2
    assert "--model-name PATH/models/planner-from-nowhere" in capsys.readouterr().err


def test_what_can_be_asked_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["facts"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {example}\n" in out for example in EXAMPLES) and "\n  height, in metres: Mount Everest, K2, " in out
    (tmp_path / "mine.csv").write_text("entity,attribute,value\nAda\x1b,salary,10\n")
    assert cli.main(["facts", "--facts", str(tmp_path / "mine.csv")]) == 0
    out = capsys.readouterr().out
    assert "salary: Ada\n" in out and "\x1b" not in out
