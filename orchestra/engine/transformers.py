"""Hugging Face `transformers` in this process, for platforms that vLLM has no build for: the one file that loads its models.

Requests decode together in continuous batches (`decoder.py`), one step at a time in a thread of the engine's own. There is no prefix
cache, and models need full attention in all layers (Llama, Qwen, Phi and their like).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..errors import ConfigError, EngineError
from .base import Capabilities, Completion, Finish, Request, Timings

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from .decoder import Decoder


class TransformersEngine:
    """A model of `transformers` that decodes up to `max_batch` requests together; more wait, first come, first served.

    `async with` loads the model. Decoding ends at the requested stop ids and at the model's own end tokens (those of its
    generation_config.json or config.json). A cancelled request keeps what it had sampled; the step that is under way finishes without it.

    Args:
        model_path: folder with `config.json` and weights.
        dtype: of weights and activations: "auto" (as stored), "float32", "bfloat16", …
        max_batch: most requests that are decoded together.
        device: such as "cuda:1"; by default the first of CUDA, MPS and CPU that there is.
    """

    def __init__(self, model_path: str | Path, *, dtype: str = "auto", max_batch: int = 32, device: str | None = None) -> None:
        self._model_path = Path(model_path)
        self._dtype = dtype
        self._max_batch = max_batch
        self._device = device
        self._model: PreTrainedModel | None = None
        self._rows: dict[_Row, None] = {}
        """Requests that are waiting or being decoded, in the order of their submission."""
        self._wake = asyncio.Event()

    @property
    def name(self) -> str:
        return f"transformers {version('transformers')}"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(token_exact=True, logprobs=True, cached_tokens=False, context=self._limits().context)

    def now(self) -> float:
        return asyncio.get_running_loop().time()
