"""Rows of a planner are audited from the rows alone: what another split, another word or another wording smuggles in is found."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestra.training.packing import Demonstration, pack
from orchestra.training.planner import audit, data
from orchestra.training.planner.grammar import SPLITS, Split
from orchestra.training.planner.names import is_held_out, namer
from orchestra.training.planner.task import PlanningTask, tasks
from orchestra.training.planner.tokenizer import Encoder
from orchestra.training.rollout import Unit


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer") / "tokenizer"
    data.make_tokenizer(folder, samples=200, vocabulary=700)
    return folder


def unit(tokenizer: Path, task: PlanningTask) -> Unit:
    one = Encoder(tokenizer).demonstration(task)
    return Unit(one.prompt, one.target, (), "?")


def simple() -> PlanningTask:
    return next(task for task in tasks("train", 0) if task.skeleton == "subtract(lookup(s,s),lookup(s,s))")


@pytest.mark.parametrize("split", SPLITS)
def test_generated_tasks_have_no_flaws_in_their_own_split_and_leak_into_the_training_split(tokenizer: Path, split: Split) -> None:
    # Those that reckon with numbers alone name nothing, and are the same in all splits.
    units = [unit(tokenizer, task) for task in islice(tasks(split, 3), 40) if task.facts]
    assert not [flaw for one in units for flaw in audit.Auditor(tokenizer, split).flaws(one)]
    other = audit.Auditor(tokenizer, "names" if split == "train" else "train")
    assert all(map(other.flaws, units))


def test_a_plan_that_is_no_plan_of_its_task_is_a_flaw(tokenizer: Path) -> None:
    auditor, task = audit.Auditor(tokenizer, "train"), simple()
    name = task.facts[0][0]
    good = unit(tokenizer, task)
    cut = replace(good, sampled=good.sampled[:-1])
    strange = replace(good, prompt=good.prompt[1:])
    for one, flaw in (
        (unit(tokenizer, replace(task, plan=task.plan.replace(name, "Nobody"))), "'Nobody', which the task does not name"),
        (unit(tokenizer, replace(task, plan=task.plan.replace("lookup", "look"))), "look"),
        (unit(tokenizer, replace(task, plan=task.plan + "\n1. lookup(")), task.task),
        (unit(tokenizer, replace(task, plan="")), task.task),
        (cut, "does not end where its row does"),
        (strange, "not what inference sends"),
    ):
        assert flaw in " ".join(auditor.flaws(one))
    assert not auditor.flaws(good)


@given(st.randoms(use_true_random=False), st.booleans())
def test_every_made_up_word_of_a_name_belongs_to_its_split(rng: object, held_out: bool) -> None:
    name = namer(rng, held_out=held_out)()  # type: ignore[arg-type]
    assert {is_held_out(word) for word in audit.made_up(name)} <= {held_out}


def test_the_program_ends_with_the_flaws_of_each_shard(tmp_path: Path, tokenizer: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--samples", "12", "--shard-size", "12", "--workers", "1"]
    data.main(["--out", str(tmp_path), "--tokenizer", str(tokenizer), *few])
    assert audit.main([str(tmp_path), "--workers", "1"]) == 0
    assert "rows-0000.npz: 12 tasks" in capsys.readouterr().out
    assert audit.main([str(tmp_path), "--workers", "1", "--every", "5"]) == 0
    assert "rows-0000.npz: 3 tasks" in capsys.readouterr().out
    leaking = next(tasks("names", 0))
    demonstration = Encoder(tokenizer).demonstration(leaking)
    pack([Demonstration(demonstration.prompt, demonstration.target)], width=data.WIDTH).save(tmp_path / "rows-0001.npz")
    assert audit.main([str(tmp_path), "--workers", "1"]) == 1
    assert "is a word that is held out" in capsys.readouterr().out
