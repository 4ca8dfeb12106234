"""Free demonstrations: widths and order are drawn, everything else is as a player would write it."""

from __future__ import annotations

import random
from collections import Counter
from itertools import islice
from pathlib import Path

from orchestra.training.countdown_demos import free_demonstrations, write_shard
from orchestra.training.countdown_problems import problems_of
from orchestra.training.exploring import Exploring
from orchestra.training.packing import load

from orchestra.countdown import notation, search
from orchestra.countdown.rules import verify

PROBLEMS = [p for p in islice(problems_of("train", random.Random(3)), 60) if p.solvable]


def test_widths_are_drawn_evenly_and_promising_moves_come_first_more_often() -> None:
    problem, rng = PROBLEMS[0], random.Random(0)
    best = search.calls(problem, beam=99)
    drawn = [search.calls(problem, beam=6, visits=Exploring(rng)) for _ in range(3_000)]
    widths = Counter(map(len, drawn))
    assert set(widths) == set(range(1, 7)) and max(widths.values()) < 1.3 * min(widths.values())
    assert all(len(set(calls)) == len(calls) and set(calls) <= set(best) for calls in drawn)
    first = Counter(calls[0] for calls in drawn)
    assert first[best[0]] > first[best[2]] > first[best[4]] > 0


def test_free_prompts_name_no_beam_and_what_they_find_is_right() -> None:
    rng = random.Random(1)
    for problem in PROBLEMS:
        for demonstration in free_demonstrations(problem, rng):
            head = demonstration.prompt[2 : demonstration.prompt.index(notation.TARGET)]
            assert set(notation.read_numbers(head) or ()) == {notation.FREE}
            path = notation.read_path(demonstration.target)
            if path is not None:
                assert verify(problem.numbers, problem.target, path) is None


def test_a_shard_mixes_free_and_told_prompts(tmp_path: Path) -> None:
    write_shard(tmp_path / "rows.npz", problems=60, seed=4, split="train", free=0.5)
    rows = load([tmp_path / "rows.npz"])
    free = notation.fork_prompt(PROBLEMS[0], beam=0, child_beam=0)[:4]
    told = notation.fork_prompt(PROBLEMS[0], beam=24, child_beam=12)[:2]
    text = rows.token_ids.tolist()
    assert any(tuple(row[i : i + 4]) == free for row in text for i in range(len(row) - 4))
    assert any(tuple(row[i : i + 2]) == told and tuple(row[i : i + 4]) != free for row in text for i in range(len(row) - 4))
