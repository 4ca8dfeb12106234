"""Which policies are compared."""

from __future__ import annotations

from dataclasses import replace

import pytest
from orchestra.evals.replay.choice import choose, default_specs

from orchestra.errors import ConfigError
from orchestra.sample.named import RECOMMENDED
from orchestra.sample.pool import Pool
from orchestra.sample.replay import Rules

from .made import problem, random_pool, trace

POOL = random_pool(traces=20)


def test_a_policy_that_the_pool_cannot_express_is_left_out_with_the_reason() -> None:
    choice = choose(POOL, Rules(), ["asc_events:n=8", "parallel_probe:n=8", "asc_events:n=30"])
    assert choice.specs == ["self_consistency:n=20", "asc_events:n=8"]
    assert [(skipped.policy, skipped.reason) for skipped in choice.skipped] == [
        ("parallel_probe:n=8", "the pool has no answers forced early"),
        ("asc_events:n=30", "it may launch 30 traces, and some problem of the pool has only 20"),
    ]
    assert choice.notes == ["The baseline has 20 traces, since some problem of the pool has no more."]


def test_when_no_policy_can_run_the_reasons_are_the_error() -> None:
    with pytest.raises(
        ConfigError, match="can express none of the policies.*\n  parallel_probe:n=8: the pool has no answers forced"
    ):
        choose(POOL, Rules(), ["parallel_probe:n=8"])


def test_a_baseline_that_cannot_run_is_an_error() -> None:
    with pytest.raises(ConfigError, match="only 20; choose another `--baseline`"):
        choose(POOL, Rules(), ["asc_events:n=8"], baseline="self_consistency:n=64")


def test_a_name_that_nobody_has_is_an_error_that_names_similar_ones() -> None:
    with pytest.raises(ConfigError, match="did you mean asc_events"):
        choose(POOL, Rules(), ["asc_event:n=8"])


def test_the_same_policy_twice_is_one_row_and_so_is_the_baseline() -> None:
    choice = choose(POOL, Rules(), ["asc_events:n=8", "asc_events:n=8", "self_consistency:n=20"])
    assert choice.specs == ["self_consistency:n=20", "asc_events:n=8"]


def test_the_default_set_begins_with_the_recommended_policy() -> None:
    specs = default_specs(random_pool(traces=64), Rules())
    assert specs[0] == RECOMMENDED
    assert {"short_m", "asc_events", "staged", "first_finish", "esc"} <= {spec.partition(":")[0] for spec in specs}


@pytest.mark.parametrize("traces", [2, 3, 8, 14, 16, 17])
def test_the_default_set_fits_pools_of_any_depth(traces: int) -> None:
    choice = choose(random_pool(traces=traces), Rules(), [])
    assert len(choice.specs) > 4 and not choice.skipped


def test_what_a_pool_holds_more_brings_more_policies() -> None:
    traces = [replace(t, probes=["7"] * 9, reward=0.5) for t in POOL.problems[0].traces]
    rich = Pool("rich", [replace(POOL.problems[0], traces=traces)], probe_every=100)
    assert set(default_specs(rich, Rules())) - set(default_specs(POOL, Rules())) == {
        "parallel_probe:n=20,tokens_every=100",
        "best_of:n=16",
    }


def test_a_pool_with_one_trace_a_problem_has_nothing_to_vote_on() -> None:
    with pytest.raises(ConfigError, match="has 1 trace of the main arm, and voting takes several: sample more"):
        choose(random_pool(traces=1), Rules(), [])


def test_traces_of_other_arms_are_none_of_the_main_one() -> None:
    with pytest.raises(ConfigError, match="has no trace of the main arm"):
        choose(Pool("arms", [problem("p", trace(3, arm="fast"))]), Rules(), ["self_consistency:n=1"])
