"""The judges of a run that was given none."""

from __future__ import annotations

import pytest

from orchestra.chat import ChatRequest, ScriptedChat
from orchestra.engine.virtual import run_virtual
from orchestra.errors import ConfigError
from orchestra.sample import Bench, Sampled, sample
from orchestra.sample.judges.ask import AskJudge
from orchestra.sample.judges.base import Opinion, Question
from orchestra.sample.judges.default import PAIRS, TEMPLATES, default_judges
from orchestra.sample.judges.similar import Similar
from orchestra.sample.named import named, names
from orchestra.sample.prompts import render


def model(said: str = "yes") -> ScriptedChat:
    return ScriptedChat(lambda request: said)


def test_pairs_need_no_model_and_everything_else_asks_one() -> None:
    judges = default_judges([*PAIRS, *TEMPLATES], model())
    assert {question for question, judge in judges.items() if isinstance(judge, Similar)} == PAIRS
    assert {question for question, judge in judges.items() if isinstance(judge, AskJudge)} == set(TEMPLATES)
    assert default_judges(PAIRS, None).keys() == PAIRS


def test_every_judge_that_a_policy_asks_by_default_has_one() -> None:
    asked = {word.removeprefix("the judge ") for name in names() for word in named(name).needs.split(", ") if "the judge" in word}
    assert asked - {"accept"} == PAIRS | TEMPLATES.keys()


def test_nobody_stands_in_for_the_judge_whose_scores_were_calibrated() -> None:
    with pytest.raises(ConfigError, match="asks the judge 'accept'"):
        default_judges(["accept"], model())


@pytest.mark.parametrize("template", sorted(set(TEMPLATES.values())))
def test_a_model_is_asked_with_a_prompt_that_holds_the_problem(template: str) -> None:
    assert "What is 3 + 4?" in render(f"judge_{template}", problem="What is 3 + 4?", texts=("7",), answers=("7",))


@pytest.mark.parametrize(("question", "words"), [("reward", "no chat model here"), ("taste", "asks the judge 'taste'")])
def test_what_nobody_here_can_judge_is_said(question: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        default_judges([question], None)


def chosen(**options: object) -> Sampled:
    """Best of two, of which the model thinks better of the longer one, and says so when it is asked."""
    texts = iter([r"Surely \boxed{7}", r"I add three and four and get \boxed{7.5}"])

    def say(request: ChatRequest) -> str:
        asked = request.messages[-1].content
        if "Surely" in asked or "I add" in asked:
            return "0.9" if "I add" in asked else "0.2"
        return next(texts)

    return run_virtual(sample("What is 3 + 4?", ScriptedChat(say), policy="best_of:n=2", **options))  # type: ignore[arg-type]


def test_a_sample_without_judges_asks_its_own_model_and_pays_for_it() -> None:
    sampled = chosen()
    assert sampled.answer == "7.5"
    assert sampled.outcome.account.judge > 0 and sampled.outcome.account.judge_read > 0


def test_a_judge_that_is_given_comes_before_the_default() -> None:
    async def shorter(question: Question) -> Opinion:
        return Opinion(score=1 / len(question.texts[0]))

    sampled = chosen(bench=Bench(judges={"reward": shorter}))
    assert (sampled.answer, sampled.outcome.account.judge) == ("7", 0)
