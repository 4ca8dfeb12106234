"""What inspect_ai makes of fixed scores; `fixtures/inspect_statistics.json` holds its answers, so that tests need no inspect_ai.

python -m tests.evals.statistics.inspect_reference     # where inspect_ai is installed: writes the fixture anew
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Any

FIXTURE = Path(__file__).parent.parent / "fixtures" / "inspect_statistics.json"
SIZES = {
    "one try": [1] * 40,
    "four tries": [4] * 30,
    "sixteen tries": [16] * 12,
    "all right": [1] * 10,
    "two problems": [3] * 2,
    "uneven": [1, 6, 2, 4, 4, 3, 5, 2, 6, 1, 1, 3],
}
"""Tries at each problem."""
KS = (1, 2, 3, 8)


def tries_of(name: str) -> list[list[int]]:
    """By problem, 1 for right."""
    random = Random(name)
    chances = [1.0 if name == "all right" else random.random() for _ in SIZES[name]]
    return [[int(random.random() < chance) for _ in range(tries)] for tries, chance in zip(SIZES[name], chances, strict=True)]


def reference(tries: Sequence[Sequence[int]]) -> dict[str, Any]:
    """inspect_ai's metrics over all tries, clustered by problem, and over problems after its reducers."""
    from inspect_ai.scorer import SampleScore, Score, accuracy, ci, ci_wilson, mean, mean_score, pass_at, stderr

    def sample(value: Any, cluster: int) -> SampleScore:
        return SampleScore(score=Score(value=value), sample_metadata={"problem": cluster})

    rows = [sample(value, number) for number, values in enumerate(tries) for value in values]
    reduced = [sample(mean_score()([Score(value=value) for value in values]).value, n) for n, values in enumerate(tries)]
    passes = {
        str(k): [pass_at(k)([Score(value=value) for value in values]).value for values in tries]
        for k in KS
        if k <= min(map(len, tries))
    }
    return {
        "accuracy": accuracy()(rows),
        "mean of reduced": mean()(reduced),
        "stderr of reduced": float(stderr()(reduced)),
        "clustered stderr": float(stderr(cluster="problem")(rows)),
        "clustered t interval": ci(cluster="problem")(rows),
        "t interval of reduced": ci()(reduced),
        "bootstrap interval": ci(method="bootstrap", num_samples=20_000, cluster="problem")(rows),
        "wilson": ci_wilson()(rows) if max(map(len, tries)) == 1 else None,
        "pass_at": passes,
    }


def write() -> None:
    cases: Mapping[str, Any] = {name: {"tries": tries_of(name), "inspect": reference(tries_of(name))} for name in SIZES}
    FIXTURE.write_text(json.dumps({"inspect_ai": version("inspect_ai"), "cases": cases}) + "\n")


if __name__ == "__main__":
    write()
