"""The model and the real engine of the chat tests, for sampling on them."""

from __future__ import annotations

from tests.chat.conftest import anyio_backend, model, vllm_engine

__all__ = ["anyio_backend", "model", "vllm_engine"]
