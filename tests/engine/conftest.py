"""A tiny random model, and every engine on it. Those of vLLM start once for the whole session; all live on its one event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest
from real_server import SERVER_FLAGS, START_TIMEOUT_S, serve
from tiny_model import TinyModel, Words

from orchestra.engine.base import Engine, Request
from orchestra.engine.chat import ChatEngine
from orchestra.engine.http import HttpEngine
from orchestra.engine.scripted import ScriptedEngine

TRANSFORMERS, SCRIPTED = "transformers", "scripted"
VLLM, HTTP, CHUNKS, CHAT = (pytest.param(name, marks=pytest.mark.vllm) for name in ("vllm", "http", "chunks", "chat"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("vllm"):  # any of them may be the one that starts it
            item.add_marker(pytest.mark.timeout(START_TIMEOUT_S))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """For hundreds of small steps: on a busy machine, threads that wait for one another take a hundred times as long as one."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    return TinyModel.save(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
async def server(tiny: TinyModel) -> AsyncIterator[str]:
    """The address of a vLLM server process."""
    pytest.importorskip("vllm")
    async with serve(tiny.folder, "tiny", *SERVER_FLAGS) as url:
        yield url


@pytest.fixture(scope="session")
async def vllm_engine(tiny: TinyModel) -> AsyncIterator[Engine]:
    pytest.importorskip("vllm")
    from orchestra.engine.vllm import VllmEngine

    async with VllmEngine(tiny.folder, dtype="float32", max_num_seqs=64) as engine:
        yield engine


@pytest.fixture(scope="session")
async def http_engine(server: str) -> AsyncIterator[Engine]:
    async with HttpEngine(server) as engine:
        yield engine


class Chunks(HttpEngine):
    """As from a server with `--stream-interval 7`, which vLLM also takes from a request; to start a second server would take a minute."""

    def _body(self, request: Request) -> dict[str, Any]:
        return {**super()._body(request), "stream_interval": 7}


@pytest.fixture(scope="session")
async def chunks_engine(server: str) -> AsyncIterator[Engine]:
    async with Chunks(server) as engine:
        yield engine


@pytest.fixture(scope="session")
async def chat_engine(server: str) -> AsyncIterator[Engine]:
    async with ChatEngine(server, "tiny", Words()) as engine:
        yield engine


@pytest.fixture(scope="module")
async def transformers_engine(tiny: TinyModel) -> AsyncIterator[Engine]:
    from orchestra.engine.transformers import TransformersEngine

    async with TransformersEngine(tiny.folder, dtype="float32", max_batch=16) as engine:
        yield engine


@pytest.fixture(scope="module")
async def scripted_engine() -> AsyncIterator[Engine]:
    def answer(prompt: Sequence[int]) -> list[int]:
        return [(prompt[-1] + 7 * i) % 62 + 2 for i in range(500)]

    async with ScriptedEngine(answer, seconds_per_token=0.001) as engine:
        yield engine


@pytest.fixture(params=[SCRIPTED, TRANSFORMERS, VLLM, HTTP, CHUNKS, CHAT], scope="module")
def engine(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(f"{request.param}_engine")


@pytest.fixture(params=[TRANSFORMERS, VLLM, HTTP, CHAT], scope="module")
def model_engine(request: pytest.FixtureRequest) -> Any:
    """Those that run the tiny model."""
    return request.getfixturevalue(f"{request.param}_engine")


@pytest.fixture(params=[TRANSFORMERS, VLLM, HTTP], scope="module")
def exact_engine(request: pytest.FixtureRequest) -> Any:
    """Those of them that know the model's tokens, not only its text."""
    return request.getfixturevalue(f"{request.param}_engine")


@pytest.fixture(params=[SCRIPTED, TRANSFORMERS, VLLM, HTTP, CHUNKS], scope="module")
def scoring_engine(request: pytest.FixtureRequest) -> Any:
    """Those that say how sure the model was."""
    return request.getfixturevalue(f"{request.param}_engine")


@pytest.fixture(params=[SCRIPTED, VLLM, HTTP], scope="module")
def caching_engine(request: pytest.FixtureRequest) -> Any:
    """Those with a prefix cache."""
    return request.getfixturevalue(f"{request.param}_engine")
