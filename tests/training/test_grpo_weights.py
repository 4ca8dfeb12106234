"""New weights reach an engine only when nothing runs, and old prefixes go with the old weights."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("safetensors", reason="model files are checked with it")
transformers = pytest.importorskip("transformers", reason="training needs transformers")

from orchestra.engine import Capabilities, Request, Sampling
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.engine.vllm_weights import reload
from orchestra.engine.weights import update_weights
from orchestra.errors import ConfigError, EngineError


class Updating(ScriptedEngine):
    """Takes any weights."""

    def __init__(self) -> None:
        super().__init__(lambda prompt: [1, 2, 3], seconds_per_token=1.0)
        self.taken: list[Path] = []

    @property
    def capabilities(self) -> Capabilities:
        return dataclasses.replace(super().capabilities, weight_updates=True)

    async def update_weights(self, folder: Path) -> None:
        self.taken.append(folder)


class Worker:
    """What of vLLM takes part in a reload."""

    def __init__(self, *, fails: bool = False, keeps: bool = False) -> None:
        self.calls: list[str] = []
        self._fails, self._keeps = fails, keeps

    async def collective_rpc(self, method: str, kwargs: dict[str, str]) -> None:
        self.calls.append(f"{method} {kwargs['weights_path']}")
        if self._fails:
            raise Exception("Call to collective_rpc method failed: no such file")  # noqa: TRY002  this is what vLLM raises

    async def reset_prefix_cache(self) -> bool:
        self.calls.append("reset")
        return not self._keeps


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sizes = {"vocab_size": 8, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes)).save_pretrained(tmp_path)
    return tmp_path


def test_an_idle_engine_takes_new_weights(folder: Path) -> None:
    engine = Updating()
    run_virtual(update_weights(engine, folder))
    assert engine.taken == [folder]


def test_weights_do_not_change_under_a_running_request(folder: Path) -> None:
    engine = Updating()

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(engine.generate(Request(prompt=[1], sampling=Sampling(max_tokens=5))))
            await asyncio.sleep(1)
            with pytest.raises(EngineError, match="1 requests are still running"):
                await update_weights(engine, folder)

    run_virtual(main())
    assert engine.taken == []


def test_a_damaged_folder_is_named_before_the_engine_sees_it(folder: Path) -> None:
    engine = Updating()
    (folder / "model.safetensors").write_bytes(b"short")
    with pytest.raises(ConfigError, match="is not a whole model"):
        run_virtual(update_weights(engine, folder))
    assert engine.taken == []


def test_vllm_forgets_prefixes_after_it_has_the_new_weights() -> None:
    worker: Any = Worker()
    asyncio.run(reload(worker, Path("policy")))
    assert worker.calls == ["reload_weights policy", "reset"]


@pytest.mark.parametrize(("worker", "message"), [(Worker(fails=True), "no such file"), (Worker(keeps=True), "prefix cache")])
def test_a_reload_that_is_not_whole_is_an_engine_error(worker: Any, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        asyncio.run(reload(worker, Path("policy")))
