"""Rollouts of weavers: every sampled token in one unit under its context, mistakes counted, rewards paid, rows that share what threads share."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orchestra.training.formats import expected
from orchestra.training.rewards import Setting, read_reward
from orchestra.training.rollout import Rollout, rollout_of_attempt
from orchestra.training.trie import pack

from orchestra.countdown import notation
from orchestra.countdown.attempt import Setup, attempt
from orchestra.countdown.problem import Problem, generate
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.errors import ProblemError
from orchestra.thread import Join

PROBLEMS = list(islice(generate("train", seed=1), 20))
PROBLEM = Problem((11, 7, 5, 3), 24)


def run(problem: Problem, engine: ScriptedEngine, *, join: Join = "all", window: int = 1_500) -> Rollout:
    setup = Setup(method="weave", join=join, beam=8, child_beam=8, window=window, logprobs=True)
    return rollout_of_attempt(run_virtual(attempt(engine, problem, setup)), group="g")


def clumsy(seed: int, rate: float) -> ScriptedEngine:
    """A model that would be flawless if it did not slip: a fixed function of the prompt."""

    def answer(prompt: Sequence[int]) -> list[int]:
        rng = random.Random(f"{seed}/{tuple(prompt)}")
        try:
            ids = list(expected(prompt)[1])
        except ProblemError:
            ids = [notation.NONE, rng.choice((notation.END, notation.THREAD_END))]
        return [rng.randrange(len(notation.VOCABULARY)) if rng.random() < rate else token for token in ids]

    return ScriptedEngine(answer, seconds_per_token=1.0)


@given(st.integers(0, 10**6), st.sampled_from(["all", "first"]), st.sampled_from([0.0, 0.01, 0.1]), st.sampled_from([100, 1_500]))
@settings(max_examples=60)
def test_every_sampled_token_is_in_one_unit_under_the_context_that_the_engine_saw(
    seed: int, join: Join, rate: float, window: int
) -> None:
    engine = clumsy(seed, rate)
    rollout = run(PROBLEMS[seed % 20], engine, join=join, window=window)
    sent = Counter((tuple(request.prompt), tuple(done.token_ids)) for request, done in engine.log if done.token_ids)
    assert Counter((unit.prompt, unit.sampled) for unit in rollout.units) == sent
    assert rollout.num_sampled == rollout.facts.work == sum(row.target.size for row in pack(rollout.units, budget=2_000))


@pytest.mark.parametrize("join", ["all", "first"])
def test_a_flawless_weaver_is_right_makes_no_mistake_and_is_faster_than_its_work(join: Join) -> None:
    for problem in PROBLEMS[:10]:
        facts = run(problem, clumsy(0, 0.0), join=join).facts
        assert (facts.malformed, facts.forks, facts.depth) == (0, 1, 1)
        assert facts.children == 8 and facts.acceleration > 0.3


def malformed(answers: dict[str, str]) -> int:
    """Mistakes of a model that writes `answers` to what ends in their keys."""

    def answer(prompt: Sequence[int]) -> list[int]:
        seen = notation.text(prompt)
        words = next(words for ending, words in answers.items() if seen.endswith(ending))
        return [notation.ID[word] for word in words.split()]

    return run(PROBLEM, ScriptedEngine(answer)).facts.malformed


BLOCK = "<parallel> <outlines> <outline> 1 11 - 5 <outline> 2 7 - 3 </outlines>"
GOOD = {"<go>": BLOCK, "<thread> 1": "<none> </thread>", "<thread> 2": "<none> </thread>", "</parallel>": "<none> <end>"}


@pytest.mark.parametrize(
    ("changes", "mistakes"),
    [
        ({}, 0),
        ({"<thread> 1": "<none> <end>"}, 1),
        ({"<thread> 1": "</thread>", "<thread> 2": "</thread>"}, 2),
        ({"</parallel>": "<none> </thread>"}, 1),
        ({"<go>": BLOCK.replace("11 - 5", "11 / 5")}, 1),
        ({"<go>": BLOCK.replace("11 - 5", "12 - 5")}, 1),
        ({"<go>": BLOCK.replace("11 - 5", "11 - 11").replace("7 - 3", "7 3")}, 2),
        ({"<go>": BLOCK.replace("2 7", "3 7")}, 1),
        ({"<go>": "</outlines>"}, 1),
        ({"<go>": "<none> <end>"}, 0),
        ({"<thread> 1": BLOCK, "<refused> </thread> </parallel>": "<none> </thread>"}, 0),
    ],
)
def test_mistakes_are_counted_where_they_were_made(changes: dict[str, str], mistakes: int) -> None:
    answers = GOOD | changes
    longest_first = {ending: answers[ending] for ending in sorted(answers, key=len, reverse=True)}
    assert malformed(longest_first) == mistakes


def test_rewards_read_the_threads_that_a_weaver_executed() -> None:
    setting = Setting(step=1, solved=0.5)
    paid = {text: read_reward(text) for text in ("p_grpo_gated", "correct - work(price=0.0001)", "parallel_r1_stage2")}
    for problem in PROBLEMS[:5]:
        facts = run(problem, clumsy(0, 0.0)).facts
        right = float(facts.correct)
        assert paid["p_grpo_gated"](facts, setting).value == pytest.approx(right * (1 + min(0.5 * facts.acceleration, 0.2)))
        assert paid["parallel_r1_stage2"](facts, setting).value == 2 * right - 1
        assert paid["correct - work(price=0.0001)"](facts, setting).value <= right
    alone = run(PROBLEM, ScriptedEngine(lambda prompt: [notation.NONE, notation.END])).facts
    assert (alone.forks, alone.children, alone.acceleration) == (0, 0, 0.0), (
        "a weaver that does not fork is paid for no parallelism"
    )


@pytest.mark.parametrize(("join", "least"), [("all", 1.4), ("first", 1.6)])
def test_rows_forward_the_outlines_of_a_run_once(join: Join, least: float) -> None:
    """The ratio is of tokens forwarded by one row a unit to tokens of packed rows. A parent that reads all that its children wrote is most of it."""
    apart = packed = 0
    for problem in PROBLEMS:
        rollout = run(problem, clumsy(0, 0.0), join=join)
        (row,) = pack(rollout.units, budget=2_000)
        units = sum(map(len, rollout.units))
        outlines = rollout.units[1].prompt.index(notation.OUTLINES_END) + 1
        assert len(row) <= units - (len(rollout.units) - 2) * outlines
        apart, packed = apart + units, packed + len(row)
    assert apart / packed > least
