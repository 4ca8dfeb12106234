"""The card of a planner's checkpoint: the questions that it was trained on are never refused, and their plans fit them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from orchestra.training.planner import card as module
from orchestra.training.planner.card import card
from orchestra.training.planner.grammar import SPLITS, Split
from orchestra.training.planner.task import tasks

from orchestra.agent.small_planner import PlannerCard, read_planner_card
from orchestra.errors import ConfigError
from orchestra.plan.formats.llmcompiler import LLMCompiler
from orchestra.tools.facts import TOOLS, FactTable
from orchestra.tools.facts.names import Names
from orchestra.tools.facts.question import Question
from orchestra.tools.tool import ToolSet


@pytest.mark.parametrize("split", SPLITS)
def test_generated_questions_are_not_refused_and_their_plans_fit(split: Split) -> None:
    vocabulary, specs = card().vocabulary, ToolSet(TOOLS).specs
    for task in islice(tasks(split, 11), 60):
        question = Question(task.task, Names(FactTable(task.facts), vocabulary))
        assert question.refusal is None, task.task
        assert question.misfit(LLMCompiler().parse(task.plan, specs).plan) is None, (task.task, task.plan)


def test_a_card_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    module.main([str(tmp_path)])
    assert read_planner_card(tmp_path) == card()


def test_a_card_is_written_into_model_folders_only(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is no model folder: it has no config\.json"):
        module.main([str(tmp_path)])


def test_a_card_without_words_says_that_any_may_stand(tmp_path: Path) -> None:
    PlannerCard(depth=4, width=4, calls=14).write(tmp_path)
    assert not read_planner_card(tmp_path).vocabulary.words


BROKEN = {
    "no JSON": "{",
    "a list": "[]",
    "unknown field": '{"depth": 1, "width": 1, "calls": 1, "colour": 2}',
    "missing field": '{"depth": 1}',
    "words are a number": '{"depth": 1, "width": 1, "calls": 1, "words": 3}',
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_damaged_card_says_so(case: str, tmp_path: Path) -> None:
    (tmp_path / "planner.json").write_text(BROKEN[case])
    with pytest.raises(ConfigError, match=r"planner\.json is damaged \(.*\): copy or make it again"):
        read_planner_card(tmp_path)


def test_a_planner_for_other_tools_is_refused(tmp_path: Path) -> None:
    PlannerCard(depth=1, width=1, calls=1, tools="mine").write(tmp_path)
    with pytest.raises(ConfigError, match="plans for mine in llmcompiler"):
        read_planner_card(tmp_path)


def test_a_folder_that_is_no_planner_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is no planner \(it has no planner\.json\): train one with"):
        read_planner_card(tmp_path)
    with pytest.raises(ConfigError, match="there is no model folder"):
        read_planner_card(tmp_path / "nowhere")
