"""Names of one task: a table of facts never takes two of them for one."""

from __future__ import annotations

import random

import pytest
from orchestra.training.planner import names

from orchestra.tools.facts.table import key_of


def test_names_that_a_table_takes_for_one_are_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(["Aona", "Aona", "aona", "Aona", "Berg"])
    monkeypatch.setattr(names, "word", lambda rng, *, held_out: next(drawn))
    monkeypatch.setattr(names, "_STYLES", {"article": lambda rng, new: f"the {new()}", "plain": lambda rng, new: new()})
    name = names.namer(random.Random(0), held_out=False)
    first, second = name(), name()
    assert key_of(first) == "aona" and key_of(second) == "berg"
