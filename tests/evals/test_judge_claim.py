"""DeepPrune's claim on a pool whose answers are known beforehand."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="judges need torch")
pytest.importorskip("transformers", reason="judges need transformers")

from orchestra.evals.benchmarks import judge_claim
from orchestra.evals.pair_scores import oracle_scores, pair_scores, shuffled
from orchestra.evals.pruning import Terms, prunings
from orchestra.training.judge import run as training

from orchestra.errors import ConfigError
from orchestra.sample.pool import Pool, PooledProblem, Recorded
from orchestra.sample.pool_file import write_pool


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Models this small are slower on several threads, far slower where other processes want the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def telling_pool(problems: int = 24, traces: int = 6, *, right: float = 0.6) -> Pool:
    """Traces of 40 tokens of which every word is the answer."""
    rng = random.Random(0)

    def trace(answer: str) -> Recorded:
        return Recorded(tokens=40, answer=answer, correct=answer == "yes", text=f"{answer} " * 10)

    return Pool(
        "telling",
        [
            PooledProblem(
                id=f"p{number}",
                text="is it?",
                gold="yes",
                traces=[trace("yes" if rng.random() < right else "no") for _ in range(traces)],
            )
            for number in range(problems)
        ],
    )


def test_pruning_by_an_oracle_keeps_the_majority_and_saves_what_it_aborts() -> None:
    pool = telling_pool(8)
    oracle = oracle_scores(pool.problems, [10])
    terms = Terms(n=5, resamples=20, read_price=1.0)
    trained, other, best = prunings(
        pool, {"trained": oracle, "shuffled": shuffled(oracle, seed=0), "oracle": oracle}, [10], [0.5], [0], terms
    )
    assert best.to_all[0] == trained.to_all[0] == 0.0 and trained.tau == best.tau == 0.5
    # Of five traces all but the founders of one or two clusters end at 10 of 40 tokens.
    assert trained.sampled == pytest.approx(200 - 30 * trained.pruned) and 3 <= trained.pruned <= 4
    assert trained.saved == pytest.approx(1 - trained.sampled / 200)
    assert other.pruned == pytest.approx(trained.pruned, abs=0.15)
    assert trained.to_shuffled is not None and trained.to_shuffled[0] >= 0.0
    assert (best.to_shuffled, other.to_shuffled) == (None, None)
    assert trained.at_equal_tokens[0] > 0.0


def test_what_a_judge_reads_is_charged_at_its_price() -> None:
    pool = telling_pool(6)
    agreed = oracle_scores(pool.problems, [10]).said
    dear = pair_scores(
        pool.problems, [10], lambda problem, pairs, tokens: [(agreed[problem.id, 10][pair][0], 1000) for pair in pairs]
    )
    by_price = {
        price: prunings(pool, {"trained": dear}, [10], [0.5], [0], Terms(n=5, resamples=10, read_price=price))[0]
        for price in (0.0, 1.0)
    }
    free, full = by_price[0.0], by_price[1.0]
    assert free.judge_read == full.judge_read >= 4000  # each but the first trace is compared with one at least
    assert free.with_read == free.at_equal_tokens and free.with_read_out_of_reach == 0
    assert full.with_read_out_of_reach == 6 and full.with_read[0] < free.with_read[0]


def test_two_folds_of_judges_are_tested_on_every_problem_once_and_beat_chance(tmp_path: Path) -> None:
    pool = telling_pool()
    write_pool(pool, tmp_path / "pool.jsonl.gz")
    common = ["--pool", "unused", "--lengths", "10", "--hidden", "64", "--layers", "1", "--max-length", "128", "--held-out", "0.5"]
    for fold in "01":
        extra = ["--fold", fold, "--out", str(tmp_path / fold), "--steps", "80", "--batch", "32", "--lr", "2e-3"]
        training.train(training.parse([*common, *extra]), pool)
    args = judge_claim.parse(
        [
            *("--pool", str(tmp_path / "pool.jsonl.gz"), "--judge", str(tmp_path / "0"), str(tmp_path / "1"), "--n", "4"),
            *("--resamples", "5", "--tau", "0.5", "--out", str(tmp_path / "claim.json")),
        ]
    )
    said: list[str] = []
    found = judge_claim.measure(args, said.append)
    assert found["problems"] == len(pool.problems) and said
    areas = found["areas"]["10"]
    assert areas["trained"]["within"] > 0.9 and areas["similar"]["within"] > 0.9
    assert areas["trained"]["within_problems"] == areas["similar"]["within_problems"] > 12
    rows = {(row["judge"], row["largest"]): row for row in found["prunings"]}
    assert len(rows) == 8 and rows["trained", 0]["judge_read"] > 0 == rows["similar", 0]["judge_read"]
    assert rows["trained", 0]["pruned"] == pytest.approx(rows["shuffled", 0]["pruned"], abs=0.2)
    assert json.loads(json.dumps(found))["prunings"][0]["to_all"] == list(found["prunings"][0]["to_all"])
    lines = judge_claim.table(found).splitlines()
    assert [line.split()[0] for line in lines if "[" in line] == [name for name, _ in rows]

    other = replace(pool, problems=[replace(problem, traces=problem.traces[:3]) for problem in pool.problems])
    write_pool(other, tmp_path / "pool.jsonl.gz")
    with pytest.raises(ConfigError, match="only 3 traces: lower --n 4"):
        judge_claim.measure(args)
    (tmp_path / "1" / "training.json").write_text("{}")
    with pytest.raises(ConfigError, match="train the judge again"):
        judge_claim.measure(args)
