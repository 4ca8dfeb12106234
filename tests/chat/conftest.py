"""Byte-level tokenizers, a fake endpoint, and a random model on a real vLLM, which starts once for the whole session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from orchestra.engine import Engine
from tests.engine.fake_server import FakeServer, fake_server
from tests.engine.real_server import SERVER_FLAGS, START_TIMEOUT_S, serve

from .byte_model import byte_tokenizer, save_byte_model


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("vllm"):  # any of them may be the one that starts it
            item.add_marker(pytest.mark.timeout(START_TIMEOUT_S))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return byte_tokenizer()


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a byte-level model with random weights."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("byte_model")
    save_byte_model(folder)
    return folder


@pytest.fixture(scope="session")
async def server(model: Path) -> AsyncIterator[str]:
    """The address of a vLLM server process."""
    pytest.importorskip("vllm")
    flags = '--structured-outputs-config={"backend": "xgrammar", "disable_any_whitespace": true}'
    async with serve(model, "bytes", *SERVER_FLAGS, flags) as url:
        yield url


@pytest.fixture(scope="session")
async def vllm_engine(model: Path) -> AsyncIterator[Engine]:
    pytest.importorskip("vllm")
    from orchestra.engine.vllm import VllmEngine

    async with VllmEngine(model, dtype="float32", max_num_seqs=64, constraints=True) as engine:
        yield engine


@pytest.fixture
async def fake() -> AsyncIterator[FakeServer]:
    async with fake_server() as server:
        yield server
