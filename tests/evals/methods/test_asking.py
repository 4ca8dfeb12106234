"""Problems in words: one trace, many under a policy, and what becomes of a model that fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from orchestra.evals.benchmark import Benchmark
from orchestra.evals.methods.asking import Asking, Decoding
from orchestra.evals.methods.sampled import Sampled
from orchestra.evals.problem import Problem

from orchestra.answers import Equivalence
from orchestra.chat import ChatRequest, EngineChat, Reply, ScriptedChat
from orchestra.chat.scripted import Answer
from orchestra.chat.template import PLAIN, ChatTemplate
from orchestra.chat.tokenizer import ChatTokenizer
from orchestra.engine.scripted import ScriptedEngine
from orchestra.errors import EngineError
from orchestra.sample import read_policy
from tests.chat.byte_model import byte_tokenizer

pytestmark = pytest.mark.anyio

ONE = "self_consistency:n=1"


def method(
    tiny: Benchmark, chat: ScriptedChat | EngineChat, same: Equivalence, spec: str = ONE, decoding: Decoding | None = None
) -> Sampled:
    return Sampled(spec, read_policy(spec), Asking(benchmark=tiny, chat=chat, answers=same, decoding=decoding or Decoding()))


def in_turn(*answers: Answer) -> Callable[[ChatRequest], Answer]:
    left = list(answers)
    return lambda request: left.pop(0)


async def test_a_chat_is_asked_with_the_benchmarks_prompt_and_its_whole_text_is_graded(
    tiny: Benchmark, eggs: Problem, same: Equivalence
) -> None:
    chat = ScriptedChat(lambda _: r"42 - 5 = \boxed{37}")
    done = await method(tiny, chat, same).attempt(eggs, epoch=0)
    (request,) = chat.log
    assert request.messages[0].content.startswith(eggs.text) and "boxed" in request.messages[0].content
    assert (done.text, done.status, done.error) == (r"42 - 5 = \boxed{37}", "finished", None)
    assert (await tiny.grade(eggs, done.text or "", same)).correct
    assert (done.costs.work, done.costs.span, done.costs.requests, done.costs.threads) == (5, 5, 1, 1)


async def test_a_vote_is_of_answers_that_are_equal_however_they_are_written(
    tiny: Benchmark, eggs: Problem, same: Equivalence
) -> None:
    chat = ScriptedChat(in_turn(r"\boxed{36}", r"\boxed{37}", r"It is \boxed{37.0}"))
    done = await method(tiny, chat, same, "self_consistency:n=3").attempt(eggs, epoch=0)
    assert done.text == r"\boxed{37}" and done.facts["why"]
    assert done.costs.threads == 3


async def test_where_no_answer_can_be_counted_the_first_text_is_graded(tiny: Benchmark, eggs: Problem, same: Equivalence) -> None:
    chat = ScriptedChat(lambda _: "I do not know.")
    done = await method(tiny, chat, same, "self_consistency:n=3").attempt(eggs, epoch=0)
    assert done.text == "I do not know."
    assert not (await tiny.grade(eggs, done.text, same)).correct


async def test_a_try_that_lost_a_trace_is_an_error_and_no_vote_of_the_rest(
    tiny: Benchmark, eggs: Problem, same: Equivalence
) -> None:
    chat = ScriptedChat(in_turn(EngineError("gone"), r"\boxed{37}", r"\boxed{37}"))
    done = await method(tiny, chat, same, "self_consistency:n=3").attempt(eggs, epoch=0)
    assert done.error == "1 of 3 traces were lost: gone" and done.status == "failed"


async def test_a_reply_that_ran_into_its_limit_is_cut(tiny: Benchmark, eggs: Problem, same: Equivalence) -> None:
    done = await method(tiny, ScriptedChat(lambda _: "x" * 100), same, decoding=Decoding(max_tokens=3)).attempt(eggs, epoch=0)
    assert (done.status, done.costs.work) == ("cut", 3)


async def test_each_epoch_has_seeds_of_its_own_and_the_same_ones_again(tiny: Benchmark, eggs: Problem, same: Equivalence) -> None:
    chat = ScriptedChat(lambda _: r"\boxed{37}")
    seeded = method(tiny, chat, same, decoding=Decoding(seed=1))
    for epoch in (0, 1, 0):
        await seeded.attempt(eggs, epoch=epoch)
    first, second, again = (request.seed for request in chat.log)
    assert first == again != second and first is not None


async def test_an_engine_with_a_tokenizer_is_sampled_token_by_token_and_its_threads_are_kept(
    tiny: Benchmark, eggs: Problem, same: Equivalence
) -> None:
    tokenizer = byte_tokenizer()
    chat_tokenizer = ChatTokenizer(tokenizer, ChatTemplate(PLAIN, names={"bos_token": ""}))

    def answer(prompt: Sequence[int]) -> Sequence[int]:
        return tokenizer.encode(r"\boxed{37}", add_special_tokens=False).ids

    async with ScriptedEngine(answer) as engine:
        done = await method(tiny, EngineChat(engine, chat_tokenizer), same, "self_consistency:n=2").attempt(eggs, epoch=0)
    kept = done.keep()
    assert done.text == kept.text == r"\boxed{37}"
    assert kept.tree is not None and [thread.id for thread in kept.tree.threads] == ["0", "0.0", "0.1"]
    assert done.costs.work == 2 * done.costs.span and done.costs.context is not None


async def test_counts_of_the_endpoint_are_the_costs(tiny: Benchmark, eggs: Problem, same: Equivalence) -> None:
    reply = Reply(text=r"\boxed{37}", finish="stop", prompt_tokens=40, sampled_tokens=7, cached_tokens=16)
    done = await method(tiny, ScriptedChat(lambda _: reply), same).attempt(eggs, epoch=0)
    costs = done.costs
    assert (costs.work, costs.cached, costs.prefilled, costs.context) == (7, 16, 24, 47)


async def test_calls_of_an_endpoint_are_drawn_as_threads_on_one_clock(tiny: Benchmark, eggs: Problem, same: Equivalence) -> None:
    chat = ScriptedChat(in_turn(r"\boxed{36}", r"\boxed{37}", r"\boxed{37}"), seconds_per_token=0.001)
    kept = (await method(tiny, chat, same, "self_consistency:n=3").attempt(eggs, epoch=0)).keep()
    assert kept.tree is not None and [thread.id for thread in kept.tree.threads] == ["0", "0.0", "0.1", "0.2"]
    asked, said = kept.tree.threads[1].segments
    assert asked.text.startswith(eggs.text) and said.text.startswith(r"\boxed{3") and said.sampled
    assert sum(thread.num_sampled for thread in kept.tree.threads) == kept.tree.ledger.work == 9
    alone = (await method(tiny, ScriptedChat(lambda _: "37"), same).attempt(eggs, epoch=0)).keep().tree
    assert alone is not None and [thread.id for thread in alone.threads] == ["0"]


async def test_words_are_voted_on_as_their_grader_reads_them(tiny: Benchmark, same: Equivalence) -> None:
    who = tiny.read({"kind": "words", "problem": "Who is the shortest?", "answer": "Cem"})
    chat = ScriptedChat(in_turn("Ben.", "The shortest is\nCem", "**Mec**", r"\boxed{cem}"))
    done = await method(tiny, chat, same, "self_consistency:n=4").attempt(who, epoch=0)
    assert done.text == "The shortest is\nCem", "Mec has the same letters as Cem, and is another one"


async def test_a_try_that_runs_out_of_seconds_has_timed_out_and_says_nothing(
    tiny: Benchmark, eggs: Problem, same: Equivalence
) -> None:
    policy = read_policy("self_consistency:n=1 | budget:seconds=0.02")
    source = Asking(benchmark=tiny, chat=ScriptedChat(lambda _: "x" * 400, seconds_per_token=10), answers=same, decoding=Decoding())
    done = await Sampled("serial", policy, source, seconds=0.02).attempt(eggs, epoch=0)
    assert (done.text, done.status, done.timed_out, done.error) == (None, "cut", True, None)
