"""Resamples: seeded by problem and number alone, and the same in any number of processes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from orchestra.evals.replay.resample import Resampling, Results, right_answers, run, steps

from orchestra.errors import ConfigError
from orchestra.sample.judges.base import Opinion
from orchestra.sample.policies.adaptive import asc_events, self_consistency, short_m
from orchestra.sample.policies.best_of import BestOf
from orchestra.sample.policies.sequential import AdaptiveConsistency
from orchestra.sample.policy import Decider, Needs, Policy
from orchestra.sample.pool import PooledProblem, Recorded
from orchestra.sample.replay import Rules

from .made import problem, random_pool, trace


def resampling(*policies: Policy, seed: int = 0) -> Resampling:
    return Resampling(pool=random_pool(), policies=policies, resamples=12, seed=seed)


def test_adding_a_policy_changes_no_other_numbers() -> None:
    alone = run(resampling(self_consistency(8), asc_events(8)))
    among = run(resampling(self_consistency(8), short_m(9, 3), asc_events(8), AdaptiveConsistency(n=12)))
    assert alone.played == [among.played[0], among.played[2]]
    assert alone.majority == among.majority


def test_leaving_out_a_problem_changes_no_other_numbers() -> None:
    whole = resampling(asc_events(8))
    part = replace(whole, pool=replace(whole.pool, problems=whole.pool.problems[1:]))
    assert run(part).played[0] == run(whole).played[0][1:]


def test_two_processes_give_what_one_gives() -> None:
    policies = self_consistency(8), asc_events(8), short_m(9, 3)
    done: list[int] = []
    expected: Results = run(resampling(*policies))
    assert run(resampling(*policies), processes=2, advance=lambda: done.append(1)) == expected
    assert len(done) == steps(resampling(*policies)) == 16


def by_its_words(problem: PooledProblem, traces: Sequence[Recorded], tokens: int | None) -> Opinion | None:
    words = traces[0].text
    return None if words is None else Opinion(score=float(words))


def test_judges_read_the_words_of_traces_in_every_process() -> None:
    pool = random_pool()
    problems = [
        replace(one, traces=[replace(trace, text=str(place)) for place, trace in enumerate(one.traces)]) for one in pool.problems
    ]
    judged = replace(
        resampling(BestOf(n=4)), pool=replace(pool, problems=problems), rules=Rules(judges={"reward": by_its_words}), resamples=3
    )
    assert run(judged, processes=2) == run(judged)


def test_another_seed_draws_other_traces() -> None:
    assert run(resampling(self_consistency(3))).played != run(resampling(self_consistency(3), seed=1)).played


def test_an_error_in_a_process_ends_the_replay_with_its_message() -> None:
    too_many = replace(resampling(self_consistency(99)), resamples=1)
    with pytest.raises(ConfigError, match="no more traces"):
        run(too_many, processes=2)


@dataclass(frozen=True)
class Deadly:
    """Takes its process with it."""

    needs: Needs = field(default_factory=Needs)
    most: int = 1

    def decider(self) -> Decider:
        os._exit(1)


def test_a_process_that_dies_is_an_error_that_says_what_to_try() -> None:
    with pytest.raises(ConfigError, match="a replay process died, perhaps for want of memory: try again with `--processes 1`"):
        run(resampling(Deadly()), processes=2)


@pytest.mark.parametrize(("resamples", "processes"), [(0, 1), (1, 0)])
def test_nothing_to_do_is_an_error(resamples: int, processes: int) -> None:
    with pytest.raises(ConfigError, match="at least one resample and one process"):
        run(replace(resampling(self_consistency(3)), resamples=resamples), processes=processes)


def test_right_is_the_gold_answer_and_whatever_was_recorded_as_right() -> None:
    made = problem("p", trace(1), trace(1, "1"))
    assert right_answers(made) == {"7"}
    countdown = PooledProblem(id="p", text="", gold=None, traces=[replace(t, correct=True) for t in made.traces])
    assert right_answers(countdown) == {"7", "1"}
