"""Every recipe, as it is run on a GPU but tiny and on the CPU: it ends well, and what it leaves can be used."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("transformers", reason="training needs transformers")

from judge_pool import telling_pool

from orchestra import training
from orchestra.countdown.model import shipped_model
from orchestra.engine import Request, Sampling
from orchestra.engine.open import open_engine
from orchestra.model_files import check_model
from orchestra.sample.judges.classifier import Classifier
from orchestra.sample.pool_file import write_pool

FOLDER = Path(training.__file__).parent / "recipes"
RECIPES = sorted(path.stem for path in FOLDER.glob("*.sh"))
LEARNED = {"step", "loss", "seconds"}
ROLLED_OUT = {"step", "reward", "accuracy", "work", "span", "silent_share", "sampler_kl", "clip_share", "staleness", "grad_norm"}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is special about one."""

    command: tuple[str, ...] = ()
    sizes: Mapping[str, str] = field(default_factory=dict)
    """Smaller still than its own."""
    metrics: Mapping[str, set[str]] = field(default_factory=dict)
    """Keys that lines of a `metrics.jsonl` hold together, by the run's folder in the recipe's."""
    leaves: tuple[str, ...] = ()
    """Other files."""
    pool: bool = False
    """It begins with a recorded pool, which another recipe makes."""
    needs: tuple[str, ...] = ()
    """Packages that not every environment has."""


SPECIAL = {
    "planner_sft": Recipe(
        command=("all",),
        sizes={"TASKS": "300", "SHARD": "150", "TOKENIZER_TASKS": "200", "VALIDATION": "30", "HIDDEN": "64", "LAYERS": "1"}
        | {"BATCH": "2048", "HELD_OUT": "2", "LOG": "4", "SAVE": "5"},
        metrics={"out/planner-12m-seed0": LEARNED | {"gradient_norm", "tokens"}},
        leaves=("out/planner-12m-seed0/training.json", "out/held-out-seed0/summary.json", "out/data-statistics.json"),
    ),
    "grpo": Recipe(
        sizes={"MORE": "--beam 3 --child-beam 3"},
        metrics={"serial": ROLLED_OUT - {"sampler_kl", "clip_share", "grad_norm"}, "fork": ROLLED_OUT | {"children"}},
        leaves=("start/training.json", "serial/training.json", "fork/training.json"),
    ),
    "async_grpo": Recipe(needs=("trl", "datasets", "accelerate")),
    "sft_two_gpus": Recipe(metrics={run: LEARNED | {"tokens"} for run in ("1", "2")}, leaves=("two-gpus.json",)),
    "judge": Recipe(
        sizes={"LENGTHS": "6", "RESAMPLES": "3"},
        pool=True,
        metrics={f"{name}-{fold}": LEARNED for name in ("countdown", "scratch", "scorer") for fold in (0, 1)},
        leaves=("pool.jsonl.gz", "countdown.json", "scratch.json", "scorer.json"),
    ),
    "planner_grpo": Recipe(
        command=("all",),
        sizes={"TASKS": "300", "SHARD": "150", "TOKENIZER_TASKS": "200", "VALIDATION": "30", "HELD_OUT": "2"},
        metrics={"run": {"step", "reward", "accuracy", "work", "span"}},
        leaves=("run/training.json",),
    ),
    "weave": Recipe(command=("all",)),
    "pools": Recipe(command=("serial",), leaves=("out/countdown-serial.jsonl.gz",)),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_ends_well_on_the_cpu_and_leaves_what_it_promises(name: str, tmp_path: Path) -> None:
    script = FOLDER / f"{name}.sh"
    assert "TINY" in script.read_text(), f"{script.name} cannot be tried: let TINY=1 make it a minute's work on a CPU"
    recipe = SPECIAL.get(name, Recipe())
    for package in recipe.needs:
        pytest.importorskip(package, reason=f"{name} needs {package}")
    if recipe.pool:
        write_pool(telling_pool(24, 8), tmp_path / "pool.jsonl.gz")
    done = subprocess.run(
        ["bash", str(script), *recipe.command],
        env=environment(tmp_path, name) | recipe.sizes,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    said = "\n".join([done.stdout, *(path.read_text(errors="replace")[-2000:] for path in sorted(tmp_path.rglob("*.log")))])
    assert done.returncode == 0, said
    assert not re.search(r"\brc [1-9]|Traceback|failed:", said), said
    for left in recipe.leaves:
        assert (tmp_path / left).exists(), f"{name} leaves no {left}:\n{said}"
    for run, keys in recipe.metrics.items():
        lines = metrics(tmp_path / run)
        assert any(keys <= line.keys() for line in lines), f"no line of {run} has all of {sorted(keys)}, but {lines[-1:]}"
    for model in models(tmp_path):
        assert not check_model(model)
        assert_usable(model)


def environment(folder: Path, name: str) -> dict[str, str]:
    """That of a machine on which the recipe finds everything and knows nothing of earlier runs."""
    ours = {
        "TINY": "1",
        "PY": sys.executable,
        "OMP_NUM_THREADS": "1",
        "W": str(folder),
        "WORK": str(folder),
        "OUT": str(folder / "out"),
    }
    # Where a recipe trains its own start, MODEL is what it makes.
    start = {} if name.startswith("planner") or name == "weave" else {"MODEL": str(shipped_model())}
    kept = {key: value for key, value in os.environ.items() if key not in {"MODEL", "STEP", "ENGINE"}}
    return kept | ours | start | {"INIT": str(shipped_model()), "MATH": str(folder / "none")}


def metrics(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def models(folder: Path) -> Iterator[Path]:
    yield from (path.parent for path in sorted(folder.rglob("config.json")) if any(path.parent.glob("*.safetensors")))


def assert_usable(model: Path) -> None:
    """A judge opens as one, a policy answers."""
    if "SequenceClassification" in (model / "config.json").read_text():
        Classifier(model, device="cpu")
        return

    async def answer() -> int:
        async with open_engine("transformers", model=model, max_requests=1) as engine:
            done = await engine.generate(Request(prompt=[1, 3, 30], sampling=Sampling(max_tokens=4)))
            return len(done.token_ids)

    assert 1 <= asyncio.run(answer()) <= 4
