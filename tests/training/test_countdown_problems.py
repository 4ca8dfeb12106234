"""Problems that take large numbers."""

import random
from itertools import islice

import pytest
from orchestra.training.countdown_problems import large_problems, problems_of
from orchestra.training.grpo.countdown import problems_of_step

from orchestra.countdown.problem import Problem, Split
from orchestra.countdown.solver import reachable, solutions


def takes_large(problem: Problem) -> bool:
    return all(any(operation.result > 99 for operation in path) for path in solutions(problem.numbers, problem.target))


@pytest.mark.parametrize("split", ["train", "validation"])
def test_every_solution_passes_a_large_number_and_there_is_one(split: Split) -> None:
    found = list(islice(large_problems(split, random.Random(5)), 60))
    assert all(problem.solvable and takes_large(problem) and problem.split == split for problem in found)
    far = sum(problem.target not in reachable(problem.numbers, largest=500) for problem in found)
    assert 10 < far < 60


def test_a_mixture_has_the_share_that_was_asked_for_and_leaves_the_others_as_they_were() -> None:
    plain = list(islice(problems_of("train", random.Random(6)), 300))
    mixed = list(islice(problems_of("train", random.Random(6), 0.5), 300))
    assert 0.4 < sum(p.solvable and takes_large(p) for p in mixed) / 300 < 0.75
    assert sum(p.solvable and takes_large(p) for p in plain) / 300 < 0.3
    assert plain == list(islice(problems_of("train", random.Random(6), 0.0), 300))


def test_a_step_of_training_has_the_share_of_them_that_was_asked_for() -> None:
    problems = problems_of_step(10, seed=1, step=2, size=4, hard=0.3)
    assert len(problems) == 10 and all(map(takes_large, problems[:3]))
    assert problems[3:] == problems_of_step(7, seed=1, step=2, size=4)
    assert (
        problems == problems_of_step(10, seed=1, step=2, size=4, hard=0.3) != problems_of_step(10, seed=1, step=3, size=4, hard=0.3)
    )
