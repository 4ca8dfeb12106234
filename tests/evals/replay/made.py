"""Small pools with known answers."""

from __future__ import annotations

from random import Random

from orchestra.sample.pool import Pool, PooledProblem, Recorded

RIGHT = "7"


def trace(tokens: int, answer: str | None = RIGHT, **fields: object) -> Recorded:
    return Recorded(tokens=tokens, answer=answer, correct=answer == RIGHT, **fields)  # type: ignore[arg-type]


def problem(name: str, *traces: Recorded, group: str = "made") -> PooledProblem:
    return PooledProblem(id=name, text="", gold=RIGHT, traces=traces, group=group)


def random_pool(problems: int = 4, traces: int = 20, *, seed: int = 0, groups: int = 1, name: str = "made") -> Pool:
    """Problems of different difficulty, in which short traces are right more often."""
    random = Random(seed)

    def one(difficulty: float) -> Recorded:
        tokens = random.randint(10, 200)
        right = random.random() > difficulty * tokens / 150
        return trace(tokens, RIGHT if right else random.choice(["1", "2", None]))

    return Pool(
        name,
        [problem(f"{name}-{p}", *(one(random.random()) for _ in range(traces)), group=f"set{p % groups}") for p in range(problems)],
    )
