"""What users get wrong, for every program of training: it ends with one line that names the value and the next step, and nothing is lost."""

from __future__ import annotations

import gzip
import importlib
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("transformers", reason="training needs transformers")

from judge_pool import telling_pool
from orchestra.training.packing import Demonstration, pack
from orchestra.training.planner import data as planner_data
from orchestra.training.sft import run as sft

from orchestra.sample.pool_file import write_pool

SHAPE = ["--hidden", "64", "--layers", "1"]
SHORT = ["--batch-tokens", "256", "--steps", "2", "--log-every", "1", "--warmup", "1"]
WITH_TRL = all(find_spec(name) for name in ("trl", "datasets", "accelerate"))
NOWHERE = "http://127.0.0.1:9/v1"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Good files of every kind, and bad ones that were made of them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("world")
    for name in ("empty", "rows", "foreign", "cut", "shapeless"):
        (root / name).mkdir()
    demos = [Demonstration((1, 3, 10 + i), tuple(range(20 + i, 40 + i))) for i in range(24)]
    pack(demos, width=64).save(root / "rows" / "rows-0000.npz")
    pack([Demonstration((1, 3), (9_000, 9_001))] * 24, width=64).save(root / "foreign" / "rows-0000.npz")
    whole = (root / "rows" / "rows-0000.npz").read_bytes()
    (root / "cut" / "rows-0000.npz").write_bytes(whole[: len(whole) // 2])
    with (root / "shapeless" / "rows-0000.npz").open("wb") as file:
        np.savez(file, token_ids=np.zeros(3, np.uint16), document=np.zeros((2, 3), np.uint16), trained=np.ones(3, np.bool_))
    few = ["--samples", "60", "--shard-size", "60", "--workers", "1", "--tokenizer-samples", "200", "--vocabulary", "700"]
    planner_data.main(["--out", str(root / "tasks"), *few])
    sft.train(sft.parse(["--data", str(root / "rows"), "--out", str(root / "policy"), *SHAPE, *SHORT]))
    sft.train(sft.parse(["--data", str(root / "tasks"), "--out", str(root / "planner"), *SHAPE, *SHORT, "--batch-tokens", "512"]))
    shutil.copytree(root / "policy", root / "torn")
    weights = root / "torn" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-500])
    shutil.copytree(root / "policy", root / "nameless")
    (root / "nameless" / "countdown.json").unlink()
    write_pool(telling_pool(12), root / "pool.jsonl")
    (root / "none.jsonl").write_text("")
    (root / "torn.jsonl.gz").write_bytes(gzip.compress((root / "pool.jsonl").read_bytes())[:200])
    (root / "file").write_text("no folder")
    (root / "noted").mkdir()
    (root / "noted" / "arguments.json").write_text(json.dumps({"seed": 7}))
    yield root
    torch.set_num_threads(threads)


@dataclass(frozen=True)
class Case:
    module: str
    arguments: str
    """`@` stands for the world's folder."""
    says: str
    """Parts of the line, separated by " … "."""


SFT = f"sft --out @/new {' '.join(SHAPE + SHORT)} "
FROM = f"sft --out @/new {' '.join(SHORT)} --data @/rows "
SELF = "self_training --out @/new --method serial --engine transformers --problems 1 --samples 1 "
JUDGE = "judge --out @/new --lengths 6 --hidden 64 --layers 1 --steps 1 --pool "
GRPO = "grpo --out @/new --method serial --engine transformers --steps 1 --group 2 --problems-per-step 1 --model "
ASYNC = "async_grpo --out @/new --steps 1 --model "
DATA = "planner.data --workers 1 --samples 1 --out "
MAKE = "formats.__main__ make --format apr --problems 1 --workers 1 --out "

CASES = [
    Case(*line.split(" ", 1), says)
    for line, says in {
        # Data.
        SFT + "--data @/nowhere": "@/nowhere holds no .npz shards … make them with",
        SFT + "--data @/empty": "@/empty holds no .npz shards … make them with",
        SFT + "--data @/cut": "@/cut/rows-0000.npz is damaged … run the program that made it again",
        SFT + "--data @/shapeless": "@/shapeless are … make them again",
        SFT + "--data @/foreign": "@/foreign holds token 9001, the tokenizer has … made with another",
        SFT + "--data @/rows @/tasks": "@/rows have another tokenizer than that of @/tasks … train on rows of one of them",
        SFT + "--data @/rows:1 @/rows": "@/rows has no weight and others have … leave all weights out",
        SFT + "--data @/rows:x": "a weight is a number or FIRST-LAST, got 'x'",
        SFT + "--data @/rows --validation @/empty": "@/empty holds no .npz shards",
        SFT + "--data @/rows --batch-tokens 99999": "rows, fewer than a batch of 1562: make more, or lower --batch-tokens",
        SFT + "--data @/rows --accumulate 3": "cannot be split into 3 equal parts: give --batch-tokens a multiple of 192",
        # Models.
        FROM + "--init @/nowhere": "@/nowhere is no whole model: there is no folder",
        FROM + "--init @/torn": "@/torn is no whole model: model.safetensors … copy",
        FROM + "--init @/planner": "@/planner has another tokenizer than the rows … another --init",
        FROM + "--init @/policy --hidden 64": "--hidden is for a model from scratch: leave it out",
        # Values.
        SFT + "--data @/rows --lr nan": "--lr: must be above 0, got nan",
        SFT + "--data @/rows --log-every 0": "--log-every: must be at least 1, got 0",
        SFT + "--data @/rows --hidden 100": "--hidden: must be at least 64 and a multiple of 64, got 100",
        SFT + "--data @/rows --stepps 3": "unrecognized arguments: --stepps 3",
        SFT.replace("@/new", "@/file") + "--data @/rows": "@/file cannot be made a folder … give another --out",
        # Folders of other runs.
        SFT.replace("@/new", "@/planner") + "--data @/rows": "@/planner is of a run with --",
        SFT.replace("@/new", "@/policy") + "--data @/rows --lr 1": "is of a run with --lr 0.0015, not 1.0 … or another --out",
        # Self-training.
        SELF + "--model @/nowhere": "@/nowhere/tokenizer.json cannot be read: a tokenizer's folder holds",
        SELF + "--model @/nameless": "@/nameless has neither countdown.json nor planner.json: give a model",
        SELF + "--model @/torn": "model.safetensors … copy",
        SELF + "--model @/policy --split wider": "Countdown's splits are train, validation, test, got 'wider'",
        SELF + "--model @/policy --temperature -1": "--temperature: must be at least 0, got -1",
        SELF + "--model @/policy --problems 0": "--problems: must be at least 1, got 0",
        SELF + f"--model @/policy --engine {NOWHERE}": f"{NOWHERE[:20]} … ",
        SELF.replace("@/new", "@/noted") + "--model @/policy": "@/noted is of a run with … or another --out",
        # Judges.
        JUDGE + "@/nowhere": "@/nowhere",
        JUDGE + "@/none.jsonl": "@/none.jsonl … ",
        JUDGE + "@/torn.jsonl.gz": "@/torn.jsonl.gz … ",
        JUDGE + "@/pool.jsonl --init @/torn": "@/torn is no whole model: model.safetensors",
        JUDGE + "@/pool.jsonl --lengths 9000": "no question at all … other `--lengths`",
        JUDGE + "@/pool.jsonl --batch 0": "--batch: must be at least 1, got 0",
        JUDGE.replace("@/new", "@/policy") + "@/pool.jsonl": "@/policy is of a run with --",
        # Reinforcement learning.
        GRPO + "@/nowhere": "@/nowhere … ",
        GRPO + "@/torn": "@/torn … model.safetensors",
        GRPO + "@/nameless": "@/nameless … ",
        GRPO + "@/policy --reward luck": "luck … ",
        GRPO + "@/policy --temperature 0": "--temperature must be positive, got 0",
        GRPO + "@/policy --window 9999": "--window 9999 is more than the … tokens of @/policy",
        GRPO + "@/policy --steps many": "--steps: … 'many'",
        ASYNC + "@/torn": "@/torn … model.safetensors" if WITH_TRL else "is not installed (works: … Run: pip install",
        # Makers and checkers of data.
        DATA + "@/new --split deeper": "rows of deeper need the tokenizer of the training data: give its folder as --tokenizer",
        DATA + "@/new --vocabulary 70000": "--vocabulary is at most 65536 … got 70000",
        DATA + "@/new --tokenizer @/empty": "@/empty has no tokenizer.json: give the folder",
        DATA + "@/file": "@/file cannot be made a folder … give another --out",
        DATA + "@/tasks": "@/tasks is of a run with --samples 60, not 1 … or another --out",
        MAKE + "@/new --problems -1": "--problems: must be at least 1, got -1",
        MAKE + "@/file": "@/file cannot be made a folder … give another --out",
        "formats.__main__ check @/cut/rows-0000.npz": "@/cut/rows-0000.npz holds no packed rows … make it again",
        "formats.__main__ check @/nowhere.jsonl": "@/nowhere.jsonl",
        "planner.audit @/nowhere": "@/nowhere … ",
        "planner.audit @/rows": "@/rows holds no rows of a planner: check Countdown's with",
        "planner.audit @/tasks --split deeper": "@/tasks/rows-0000.npz: 60 tasks … flaws … is none of the split 'deeper'",
        "curves @/empty --out @/new.svg": "no training run at @/empty … give",
    }.items()
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.module} {case.arguments}")
def test_bad_input_ends_with_a_line_that_helps_and_loses_nothing(
    case: Case, world: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(world)
    status, said = ended(case.module, case.arguments.replace("@", str(world)).split(), monkeypatch, capsys)
    assert status not in (0, None), said
    place = 0
    for part in case.says.replace("@", str(world)).split(" … "):
        assert part in said[place:], f"{part!r} is not in {said[-1000:]!r}"
        place = said.index(part, place) + len(part)
    after = contents(world)
    assert {name: after.get(name) for name in before} == before, "files were changed or removed"
    shutil.rmtree(world / "new", ignore_errors=True)


def ended(
    module: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[Any, str]:
    """Status and all that was said. Whatever is no `SystemExit` would be a traceback, and fails the test."""
    monkeypatch.setattr(sys, "argv", [module, *arguments])
    name = f"orchestra.training.{module}"
    spec = find_spec(name)
    assert spec is not None
    try:
        status = importlib.import_module(f"{name}.run" if spec.submodule_search_locations else name).main()
    except SystemExit as stop:
        status = stop.code
    captured = capsys.readouterr()
    text = status if isinstance(status, str) else ""
    assert len(text.splitlines()) <= 1, f"more than a line: {text}"
    return status, f"{captured.out}{captured.err}{text}"


def contents(root: Path) -> dict[str, str]:
    """Of every file that may not change."""
    return {
        str(path.relative_to(root)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.relative_to(root).parts[0] != "new"
    }
