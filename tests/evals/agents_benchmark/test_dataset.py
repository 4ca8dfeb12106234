"""How questions are taken apart into steps, and which are left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from orchestra.evals.benchmarks.agents import dataset
from orchestra.evals.benchmarks.agents.dataset import load, take_apart
from orchestra.evals.benchmarks.agents.question import Kind, Question, Step

from orchestra.errors import ConfigError

from .made_questions import taken_apart


def arguments(question: Question) -> list[str]:
    return [step.argument for step in question.steps]


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
