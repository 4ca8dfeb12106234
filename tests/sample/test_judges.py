"""Judges without a model and with one, on scripted replies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.answers import Equivalence
from orchestra.chat.base import Reply
from orchestra.chat.scripted import ScriptedChat
from orchestra.engine.virtual import run_virtual
from orchestra.errors import ConfigError, EngineError, ToolError
from orchestra.sample.bench import Bench
from orchestra.sample.chat_source import ChatSource
from orchestra.sample.judges.ask import AskJudge, read_probability
from orchestra.sample.judges.base import Opinion, Question
from orchestra.sample.judges.similar import Similar, similarity
from orchestra.sample.live import run_live
from orchestra.sample.outcome import Outcome
from orchestra.sample.policies.best_of import BestOf

PAIR = Question(problem="What is 3 + 4?", texts=("3 + 4 = 7", "four and three"), answers=("7", None))


def opinion_of(reply: str | Reply | Exception, template: str = "same_answer", question: Question = PAIR, **more: Any) -> Opinion:
    return run_virtual(AskJudge(ScriptedChat(lambda _: reply), template, **more)(question))


class TestSimilar:
    def test_the_same_words_score_one_and_others_nothing(self) -> None:
        assert similarity("so x = 3, then", "so x = 3, then") == 1.0
        assert similarity("a b", "c d") == 0.0
        assert run_virtual(Similar()(PAIR)) == Opinion(score=similarity(*PAIR.texts))

    def test_words_weigh_by_where_they_are_mentioned_last(self) -> None:
        # Weights 1/3, 2/3, 1 each: the shared ones over all.
        assert similarity("a b c", "a b d") == pytest.approx((1 / 3 + 2 / 3) / (1 / 3 + 2 / 3 + 1 + 1))
        assert similarity("1 2 12", "1 2 13") < similarity("12 1 2", "13 1 2")

    def test_numbers_are_whole(self) -> None:
        assert similarity("12", "1 2") == similarity("3.5", "3 5") == 0.0

    @given(one=st.text(max_size=50), other=st.text(max_size=50))
    def test_it_is_symmetric_and_between_zero_and_one(self, one: str, other: str) -> None:
        score = similarity(one, other)
        assert score == pytest.approx(similarity(other, one))
        assert 0.0 <= score <= 1.0 + 1e-9

    def test_nothing_has_nothing_in_common(self) -> None:
        assert similarity("", "") == similarity(" ", "a") == 0.0

    def test_only_the_end_of_a_huge_text_is_read(self) -> None:
        assert similarity("a " * 5_000_000 + "7", "b " * 5_000_000 + "7") > 0

    def test_a_single_text_is_refused(self) -> None:
        with pytest.raises(ToolError, match="a matter of two texts, got 1"):
            run_virtual(Similar()(Question(problem="p", texts=("a",), answers=(None,))))


@pytest.mark.parametrize(
    ("text", "score"),
    [
        *(("0.25", 0.25), ("Probability: 0,7.", 0.7), ("85 %", 0.85), ("85%", 0.85), ("1", 1.0), ("0", 0.0), ("**0.5**", 0.5)),
        *(("Yes.", 1.0), ("no", 0.0), ("NO, they differ", 0.0), ("Yes, I am 90% sure", 1.0), ("No, I am 90% sure", 0.0)),
        *(("<think>yes 0.9</think>0.1", 0.1), ("Check 1: 3 + 4 = 7.\nCheck 2: yes.\n\n0.8", 0.8), ("0.9, that is 0.9", 0.9)),
        *(("Yes.\nThere is no other way", None), ("They agree: yes\n**Probability: 0.3**", 0.3), ("0.2\nThat is all", 0.2)),
        *(
            ("", None),
            ("maybe", None),
            ("yes or no", None),
            ("7", None),
            ("0.2 or 0.8", None),
            ("<think>0.9", None),
            ("know", None),
        ),
        *(("1/2", None), ("v1.0", None), ("-0.5", None), ("120%", None), ("1.000.000", None), ("nan", None), ("9" * 10_000, None)),
    ],
)
def test_one_probability_is_read_or_none(text: str, score: float | None) -> None:
    assert read_probability(Reply(text=text, finish="stop")) == score


@given(st.text(max_size=80))
def test_reading_never_fails_and_stays_between_zero_and_one(text: str) -> None:
    score = read_probability(Reply(text=text, finish="stop"))
    assert score is None or 0 <= score <= 1


def test_an_opinion_counts_the_tokens_that_the_model_counts() -> None:
    reply = Reply(text="0.5", finish="stop", prompt_tokens=123, sampled_tokens=4)
    assert opinion_of(reply) == Opinion(score=0.5, sampled=4, prefill=123)


def test_a_reply_that_cannot_be_read_is_no_opinion_and_counts_all_the_same() -> None:
    lost = list[tuple[int, int]]()
    question = replace(PAIR, on_lost=lambda sampled, read: lost.append((sampled, read)))
    with pytest.raises(ToolError, match="scripted was asked for a probability and said 'perhaps'"):
        opinion_of(Reply(text="perhaps", finish="stop", prompt_tokens=50, sampled_tokens=3), question=question)
    assert lost == [(3, 50)]


def test_a_reply_that_can_be_read_is_not_lost() -> None:
    opinion_of("0.5", question=replace(PAIR, on_lost=lambda sampled, read: pytest.fail("lost")))


def test_a_model_that_fails_is_an_engine_failure() -> None:
    with pytest.raises(EngineError, match="gone"):
        opinion_of(EngineError("gone"))


@pytest.mark.parametrize("template", ["same_answer", "correct", "difficulty", "tests"])
def test_every_question_shows_the_problem_and_what_was_written(template: str) -> None:
    model = ScriptedChat(lambda _: "0.5")
    number = 2 if template == "same_answer" else 1
    question = Question(problem="What is {{ 3 }}?", texts=("{% raw %} <b>", "two")[:number], answers=("7", None)[:number])
    run_virtual(AskJudge(model, template, max_tokens=9)(question))
    (request,) = model.log
    shown = request.messages[0].content
    assert all(text in shown for text in (question.problem, *question.texts))
    assert "None" not in shown and ("answer: 7" in shown) == (template != "difficulty")
    assert (request.max_tokens, request.temperature) == (9, 0.0)


def test_a_question_without_a_prompt_is_refused() -> None:
    with pytest.raises(ConfigError, match="there is no prompt 'judge_beauty'"):
        opinion_of("1", "beauty")


class TestInARun:
    """A judge of two traces that have ended, with "7" and "8"."""

    def run(self, *replies: str | Reply | Exception, **bench: Any) -> Outcome:
        left, answers = iter(replies), iter(["\\boxed{7}", "\\boxed{8}"])
        judge = ScriptedChat(lambda _: next(left), seconds_per_token=1.0)
        source = ChatSource(
            ScriptedChat(lambda _: next(answers)), "What is 3 + 4?", answers=Equivalence(), problem_id="p", max_tokens=50
        )
        judges = {"reward": AskJudge(judge, "correct", max_tokens=100)}
        return run_virtual(run_live(BestOf(n=2), source, bench=Bench(judges=judges, **bench), log=True))

    def test_its_tokens_are_booked(self) -> None:
        replies = [Reply(text=text, finish="stop", prompt_tokens=50, sampled_tokens=3) for text in ("0.2", "0.8")]
        outcome = self.run(*replies)
        assert (outcome.answer, outcome.account.judge, outcome.account.judge_read) == ("8", 6, 100)

    def test_a_model_that_fails_or_babbles_has_no_opinion(self) -> None:
        outcome = self.run(EngineError("gone"), Reply(text="perhaps", finish="stop", prompt_tokens=50, sampled_tokens=3))
        assert outcome.why == "no reward for any of 2 traces, so the majority answers"
        assert (outcome.account.judge, outcome.account.judge_read) == (3, 50)

    def test_a_model_that_hangs_is_given_up_at_the_time_limit_and_its_tokens_count(self) -> None:
        outcome = self.run("wait" * 90, "0.5", judge_timeout_s=20.5)
        assert outcome.answer == "8"
        assert outcome.account.seconds == pytest.approx(20.5, abs=5)
        assert outcome.account.judge == 20 + 1
        assert outcome.account.judge_read > 100
