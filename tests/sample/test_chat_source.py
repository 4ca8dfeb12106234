"""`ChatSource` on scripted chats in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from orchestra.answers import Equivalence
from orchestra.chat.base import Reply
from orchestra.chat.scripted import Answer, ScriptedChat
from orchestra.engine.virtual import run_virtual
from orchestra.errors import ConfigError, EngineError
from orchestra.sample.chat_source import ChatSource
from orchestra.sample.decisions import Branch, Revise
from orchestra.sample.live import run_live
from orchestra.sample.policies.adaptive import asc_events
from orchestra.sample.source import LiveTrace, Usage

ANSWERS = Equivalence()


def source_of(*answers: Answer, **more: Any) -> tuple[ChatSource, ScriptedChat]:
    """One answer a request, in their order."""
    left = iter(answers)
    model = ScriptedChat(lambda _: next(left), seconds_per_token=1.0)
    options: dict[str, Any] = {"answers": ANSWERS, "problem_id": "p", "max_tokens": 100, "seed": 1, **more}
    return ChatSource(model, "What is 3 + 4?", **options), model


def trace_of(number: int = 0, **more: Any) -> LiveTrace:
    return LiveTrace(id=number, session="s", **more)


def test_a_trace_answers_and_its_counts_are_the_endpoints() -> None:
    text = "It is \\boxed{7}."
    source, model = source_of(
        Reply(text=text, finish="stop", prompt_tokens=30, sampled_tokens=9, cached_tokens=10), system="Be brief."
    )
    trace = trace_of()
    ending = run_virtual(source.run(trace))
    assert (ending.answer, ending.cut, trace.text, trace.answer_text) == ("7", False, text, "7")
    assert trace.usage == Usage(sampled=9, span=9, prefill=20, cached=10)
    (request,) = model.log
    assert [message.role for message in request.messages] == ["system", "user"]
    assert "What is 3 + 4?" in request.messages[1].content
    assert (request.temperature, request.max_tokens, request.session) == (1.0, 100, "s")


def test_what_an_endpoint_does_not_say_of_its_cache_is_not_made_up() -> None:
    source, _ = source_of("abcdefgh")
    trace = trace_of()
    run_virtual(source.run(trace))
    assert trace.usage == Usage(sampled=2, span=2, prefill=None, cached=None)


def test_siblings_have_seeds_of_their_own() -> None:
    source, model = source_of("a", "b")
    for number in range(2):
        run_virtual(source.run(trace_of(number)))
    assert model.log[0].seed != model.log[1].seed


def test_a_reply_at_its_limit_is_cut() -> None:
    source, _ = source_of("\\boxed{7}   and on", max_tokens=3)
    ending = run_virtual(source.run(trace_of()))
    assert (ending.answer, ending.cut) == ("7", True)


@pytest.mark.parametrize("watched", [False, True])
def test_an_aborted_trace_counts_the_pieces_that_came_and_bounds_the_rest(watched: bool) -> None:
    source, _ = source_of("abcd" * 50)
    trace, told = trace_of(watched=watched), list[int]()
    trace.on_tokens = lambda count, _: told.append(count)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(20.5):
                await source.run(trace)

    run_virtual(main())
    assert trace.usage == Usage(sampled=20, span=20, overshoot=80)
    assert sum(told) == (20 if watched else 0)
    assert trace.text == "abcd" * 20
    assert source.words(trace, 2) == "abcdabcd"


def test_an_engine_failure_is_raised() -> None:
    source, _ = source_of(EngineError("gone"))
    with pytest.raises(EngineError, match="gone"):
        run_virtual(source.run(trace_of()))


def test_attempts_are_shown_without_their_thinking() -> None:
    source, model = source_of("<think>a secret</think>It is \\boxed{7}.", "\\boxed{8}")
    first = trace_of()
    run_virtual(source.run(first))
    ending = run_virtual(source.run(trace_of(1, start=Revise((0,), "refine"), shown=[first])))
    prompt = model.log[1].messages[0].content
    assert ending.answer == "8" and "It is \\boxed{7}." in prompt and "secret" not in prompt


def test_an_outline_gives_no_answer() -> None:
    source, _ = source_of("1. Add.\n2. The answer is \\boxed{7}.")
    assert run_virtual(source.run(trace_of(start=Revise((), "outline")))).answer is None


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"start": Branch(0, 5), "shown": [trace_of()]}, "cannot go on from the middle of a reply, which probes and branches do"),
        ({"continued": True}, "cannot go on from the middle of a reply, which probes and branches do"),
        ({"top_logprobs": 20}, "gives no log-probabilities to score tokens with"),
    ],
)
def test_what_needs_tokens_is_refused_with_who_can_before_anything_is_asked(more: dict[str, Any], why: str) -> None:
    source, model = source_of("a")
    with pytest.raises(ConfigError, match=f"scripted is a text endpoint and {why}: sample on an engine .* or choose a policy"):
        run_virtual(source.run(trace_of(1, **more)))
    assert model.log == []


def test_probes_are_refused_with_who_can() -> None:
    source, _ = source_of("a")
    with pytest.raises(ConfigError, match=r"scripted is a text endpoint .* middle of a reply.* sample on an engine"):
        run_virtual(source.probe(trace_of(watched=True)))


@pytest.mark.parametrize(("setting", "value"), [("max_tokens", 0), ("temperature", -1.0)])
def test_settings_that_no_model_can_have_are_refused(setting: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"`{setting}` must .*, got {value}"):
        source_of(**{setting: value})


def lengths(*numbers: int) -> Sequence[str]:
    return ["\\boxed{7}".ljust(4 * number) for number in numbers]


def test_a_whole_run_stops_early_and_adds_up() -> None:
    source, _ = source_of(*lengths(5, 9, 50, 60, 70))
    account = run_virtual(run_live(asc_events(5, threshold=0.8), source)).account
    assert (account.kept, account.aborted, account.overshoot) == (5 + 9, 3 * 9, 3 * (100 - 9))
    assert (account.finished, account.span, account.seconds) == (2, 9, 9)
