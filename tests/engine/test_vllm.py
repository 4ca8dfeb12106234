"""What is special about vLLM in process: how it starts, waits, dies and is left."""

from __future__ import annotations

import asyncio
import itertools
import json
import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tiny_model import TinyModel

from orchestra.engine.base import Completion, Request, Sampling
from orchestra.engine.scores import Scores
from orchestra.engine.vllm import VllmEngine
from orchestra.errors import ConfigError, EngineError

pytest.importorskip("vllm", reason="needs vLLM")
pytestmark = pytest.mark.anyio


def ask(*prompt: int, max_tokens: int = 20, priority: int = 0) -> Request:
    return Request(prompt=prompt, sampling=Sampling(max_tokens=max_tokens), priority=priority)


async def enter(engine: VllmEngine) -> None:
    async with engine:
        pass


async def test_a_missing_folder_is_named() -> None:
    with pytest.raises(ConfigError, match="no model folder '/no/such/model'"):
        await enter(VllmEngine("/no/such/model"))


async def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"'{tmp_path}' is not a whole model: config.json is missing"):
        await enter(VllmEngine(tmp_path))


async def test_a_truncated_weights_file_is_named(tiny: TinyModel, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny.folder, tmp_path / "model")
    weights = folder / "model.safetensors"
    os.truncate(weights, weights.stat().st_size // 2)
    with pytest.raises(
        ConfigError, match=f"'{folder}' is not a whole model: model.safetensors is .* bytes long.*download it again"
    ):
        await enter(VllmEngine(folder))


async def test_a_folder_without_weights_is_named(tiny: TinyModel, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny.folder, tmp_path / "model")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match=f"'{folder}' is not a whole model: there are no weights"):
        await enter(VllmEngine(folder))


async def test_a_missing_shard_is_named(tiny: TinyModel, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny.folder, tmp_path / "model")
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ConfigError, match=f"'{folder}' is not a whole model: model-2.safetensors is missing"):
        await enter(VllmEngine(folder))


async def test_a_missing_package_is_named_with_the_command_that_installs_it(
    tiny: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ConfigError, match=r"pip install 'orchestra\[vllm\]'"):
        await enter(VllmEngine(tiny.folder))


async def test_a_script_without_main_guard_is_told_so(tiny: TinyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    # So it is in the child process that imports the script again.
    monkeypatch.setattr(multiprocessing.current_process(), "_inheriting", True, raising=False)
    with pytest.raises(ConfigError, match='`if __name__ == "__main__":`'):
        await enter(VllmEngine(tiny.folder))


async def test_an_engine_process_that_dies_at_the_start_names_the_knobs_of_memory(
    tiny: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Any) -> None:
        raise RuntimeError("Engine core initialization failed")

    monkeypatch.setattr("vllm.v1.engine.async_llm.AsyncLLM.from_engine_args", fail)
    with pytest.raises(EngineError, match="`context` or `max_num_seqs`.*--gpu-memory.*VLLM_CPU_KVCACHE_SPACE"):
        await enter(VllmEngine(tiny.folder))


async def test_an_engine_that_was_not_entered_says_so() -> None:
    with pytest.raises(ConfigError, match="async with VllmEngine"):
        await VllmEngine("/no/such/model").generate(ask(7))


class SlowToAbort:
    """In place of `AsyncLLM`: telling the engine process of an abort takes its time."""

    def __init__(self) -> None:
        model = SimpleNamespace(max_model_len=100, get_vocab_size=lambda: 64)
        self.vllm_config = SimpleNamespace(model_config=model)
        self.aborting, self.deliver = asyncio.Event(), asyncio.Event()
        self.log = list[str]()

    async def add_request(self, request_id: str, prompt: Any, params: Any, **_: Any) -> Any:
        self.params = params
        self.outputs = asyncio.Queue[Any]()
        return SimpleNamespace(get=self.outputs.get, get_nowait=lambda: None if self.outputs.empty() else self.outputs.get_nowait())

    async def abort(self, request_ids: str | set[str]) -> None:
        if isinstance(request_ids, str):
            part = SimpleNamespace(token_ids=[3, 4, 5], logprobs=None, finish_reason="abort")
            self.outputs.put_nowait(SimpleNamespace(outputs=[part], num_cached_tokens=0))
            self.aborting.set()
            await self.deliver.wait()
            self.log.append("delivered")

    def shutdown(self) -> None:
        self.log.append("shut down")


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> SlowToAbort:
    llm = SlowToAbort()
    monkeypatch.setattr(VllmEngine, "_start", lambda _: llm)
    return llm


@pytest.mark.parametrize("chosen", [None, "fork"])
async def test_the_engine_process_is_spawned_unless_the_user_chose_otherwise(
    tiny: TinyModel, slow: SlowToAbort, monkeypatch: pytest.MonkeyPatch, chosen: str | None
) -> None:
    variable, seen = "VLLM_WORKER_MULTIPROC_METHOD", list[str | None]()

    def start(_: VllmEngine) -> SlowToAbort:
        seen.append(os.environ.get(variable))
        return slow

    monkeypatch.setattr(VllmEngine, "_start", start)
    monkeypatch.delenv(variable, raising=False)
    if chosen:
        monkeypatch.setenv(variable, chosen)
    await enter(VllmEngine(tiny.folder))
    assert seen == [chosen or "spawn"]
    assert os.environ.get(variable) == chosen


async def test_a_temperature_that_vllm_refuses_is_never_sent(tiny: TinyModel, slow: SlowToAbort) -> None:
    hot = Request(prompt=[7], sampling=Sampling(max_tokens=9, temperature=2.5))
    async with VllmEngine(tiny.folder) as engine:
        with pytest.raises(ConfigError, match=r"temperatures of 2 at most, got 2\.5"):
            await engine.generate(hot)
    assert not hasattr(slow, "params")


async def start(engine: VllmEngine, aborted: list[Completion]) -> asyncio.Task[Completion]:
    request = Request(prompt=[7], sampling=Sampling(max_tokens=9), on_abort=aborted.append)
    task = asyncio.create_task(engine.generate(request))
    await asyncio.sleep(0)
    return task


@pytest.mark.parametrize("turns", [0, 1, 2, 5])
async def test_a_second_cancellation_loses_neither_the_tokens_nor_the_abort(tiny: TinyModel, slow: SlowToAbort, turns: int) -> None:
    aborted = list[Completion]()
    async with VllmEngine(tiny.folder) as engine:
        task = await start(engine, aborted)
        for _ in range(3):
            task.cancel()
            for _ in range(turns):
                await asyncio.sleep(0)
        await slow.aborting.wait()
        assert not task.done()
        slow.deliver.set()
        await asyncio.wait([task])
        assert task.cancelled()
        assert [completion.token_ids for completion in aborted] == [[3, 4, 5]]
        assert slow.log == ["delivered"]


async def test_leaving_waits_for_aborts_that_are_on_their_way(tiny: TinyModel, slow: SlowToAbort) -> None:
    engine = VllmEngine(tiny.folder)
    async with engine:
        task = await start(engine, [])
        task.cancel()
        await slow.aborting.wait()
        asyncio.get_running_loop().call_later(0.01, slow.deliver.set)
    await asyncio.wait([task])
    assert slow.log == ["delivered", "shut down"]


async def test_candidates_are_counted_right_where_outputs_were_merged_or_the_vocabulary_is_small(
    tiny: TinyModel, slow: SlowToAbort
) -> None:
    from vllm.logprobs import FlatLogprobs, Logprob

    slow.vllm_config.model_config.get_vocab_size = lambda: 3
    flat = FlatLogprobs()
    flat.append_fast([1, 0, 1, 2], [-2.0, -0.5, -2.0, -3.0], itertools.chain([2], [1, 2, 3]), [None] * 4)
    flat.append({1: Logprob(-2.0), 0: Logprob(-0.5), 2: Logprob(-3.0)})  # as vLLM merges outputs that nobody has fetched in time
    async with VllmEngine(tiny.folder) as engine:
        task = asyncio.create_task(engine.generate(Request(prompt=[2], sampling=Sampling(max_tokens=9, top_logprobs=5))))
        await asyncio.sleep(0)
        assert slow.params.logprobs == 3
        part = SimpleNamespace(token_ids=[1, 1], logprobs=flat, finish_reason="length")
        slow.outputs.put_nowait(SimpleNamespace(outputs=[part], num_cached_tokens=0))
        done = await task
    scores = Scores(5)
    scores.add([-0.5, -2.0, -3.0])
    scores.add([-2.0, -0.5, -3.0])
    assert (done.scores, done.logprobs) == (scores, [-2.0, -2.0])


@pytest.mark.vllm
async def test_leaving_ends_what_is_under_way(tiny: TinyModel) -> None:
    aborted, started = list[Completion](), asyncio.Event()
    sampling = Sampling(max_tokens=400)
    request = Request(prompt=[7], sampling=sampling, on_tokens=lambda _: started.set(), on_abort=aborted.append)
    async with VllmEngine(tiny.folder, dtype="float32") as engine:
        task = asyncio.create_task(engine.generate(request))
        await started.wait()
    with pytest.raises(EngineError, match="was the engine left"):
        await task
    assert len(aborted) == 1
    assert aborted[0].token_ids


@pytest.fixture(scope="module")
async def small(tiny: TinyModel) -> AsyncIterator[VllmEngine]:
    """It decodes one request at a time."""
    async with VllmEngine(tiny.folder, dtype="float32", max_num_seqs=1, context=64) as engine:
        yield engine


@pytest.mark.vllm
async def test_the_context_can_be_cut(small: VllmEngine) -> None:
    assert small.capabilities.context == 64
    assert len((await small.generate(ask(7, 8, max_tokens=100))).token_ids) == 62


@pytest.mark.vllm
async def test_a_foreign_token_id_is_refused_and_does_no_harm(small: VllmEngine) -> None:
    with pytest.raises(EngineError, match="ids from 7 to 64, but the model has 64"):
        await small.generate(ask(7, 64))
    assert len((await small.generate(ask(7))).token_ids) == 20


@pytest.mark.vllm
async def test_of_waiting_requests_the_one_with_the_lowest_priority_number_is_next(small: VllmEngine) -> None:
    order = list[int]()

    async def run(priority: int) -> None:
        await small.generate(ask(7, 8, priority, priority=priority))
        order.append(priority)

    async with asyncio.TaskGroup() as tasks:
        for priority in (1, 9, 5, 3):
            tasks.create_task(run(priority))
    assert order[1:] == sorted(order[1:])  # whichever came first was not waiting


@pytest.mark.vllm
async def test_the_death_of_the_engine_process_ends_its_requests(small: VllmEngine) -> None:
    aborted = list[Completion]()
    # The newest is ours: the session's engine was started before.
    newest = max(multiprocessing.active_children(), key=lambda child: child.pid or 0).pid
    assert newest

    def kill(_: Sequence[int]) -> None:  # at the first token, from inside the stream: a moment later it might have ended
        with suppress(ProcessLookupError):
            os.kill(newest, signal.SIGKILL)

    request = Request(prompt=[7], sampling=Sampling(max_tokens=60), on_tokens=kill, on_abort=aborted.append)
    with pytest.raises(EngineError, match="process died.*start a new one"):
        await small.generate(request)
    assert len(aborted) == 1
    with pytest.raises(EngineError, match="process died"):
        await small.generate(ask(7))
