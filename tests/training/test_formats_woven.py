"""Rollouts of weavers: every sampled token in one unit under its context, mistakes counted, rows that share what threads share."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orchestra.training.formats import WEAVER, expected, woven_rollout
from orchestra.training.trie import pack

from orchestra.countdown import notation
from orchestra.countdown.problem import Problem, generate
from orchestra.engine import Sampling
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.errors import ProblemError
from orchestra.thread import Join, Limits, RunTree, run_tree

PROBLEMS = list(islice(generate("train", seed=1), 20))
PROBLEM = Problem((11, 7, 5, 3), 24)


def run(problem: Problem, engine: ScriptedEngine, *, join: Join = "all", window: int = 1_500) -> RunTree:
    prompt = notation.weave_prompt(problem, beam=8, child_beam=8)
    sampling, limits = Sampling(max_tokens=window, logprobs=True), Limits(window=window, max_forks=4)
    return run_virtual(run_tree(engine, WEAVER, prompt, sampling=sampling, limits=limits, join=join))


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
    rollout = woven_rollout(PROBLEMS[seed % 20], run(PROBLEMS[seed % 20], engine, join=join, window=window), group="g")
    sent = Counter((tuple(request.prompt), tuple(done.token_ids)) for request, done in engine.log if done.token_ids)
    assert Counter((unit.prompt, unit.sampled) for unit in rollout.units) == sent
    assert rollout.num_sampled == rollout.facts.work == sum(row.target.size for row in pack(rollout.units, budget=2_000))


@pytest.mark.parametrize("join", ["all", "first"])
def test_a_flawless_weaver_is_right_makes_no_mistake_and_is_faster_than_its_work(join: Join) -> None:
    for problem in PROBLEMS[:10]:
        facts = woven_rollout(problem, run(problem, clumsy(0, 0.0), join=join), group="g").facts
        assert (facts.malformed, facts.forks, facts.depth) == (0, 1, 1)
        assert facts.children == 8 and facts.acceleration > 0.3


def malformed(answers: dict[str, str]) -> int:
    """Mistakes of a model that writes `answers` to what ends in their keys."""

    def answer(prompt: Sequence[int]) -> list[int]:
        seen = notation.text(prompt)
        words = next(words for ending, words in answers.items() if seen.endswith(ending))
        return [notation.ID[word] for word in words.split()]

    return woven_rollout(PROBLEM, run(PROBLEM, ScriptedEngine(answer)), group="g").facts.malformed


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


def test_rows_forward_the_outlines_of_a_run_once() -> None:
    rollout = woven_rollout(PROBLEMS[0], run(PROBLEMS[0], clumsy(0, 0.0)), group="g")
    (row,) = pack(rollout.units, budget=2_000)
    apart = sum(map(len, rollout.units))
    outlines = rollout.units[1].prompt.index(notation.OUTLINES_END) + 1
    assert len(row) <= apart - (len(rollout.units) - 2) * outlines
