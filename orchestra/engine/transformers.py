"""Hugging Face `transformers` in this process, for platforms that vLLM has no build for: the one file that loads its models.

Requests decode together in continuous batches (`decoder.py`), one step at a time in a thread of the engine's own. There is no prefix
cache, and a model must have full attention in every layer (Llama, Qwen, Phi and their like).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from ..errors import ConfigError, EngineError
from ..model_files import check_model
from .base import MOST_TOP_LOGPROBS, Capabilities, Completion, Finish, Request, Sampling
from .constraint import refuse_constraint
from .pending import Limits, Pending

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from .decoder import Decoder

_LONG = 4096
"""Tokens of a request that memory is kept for, where the context is longer."""
DType = Literal["auto", "float32", "bfloat16", "float16"]


class TransformersEngine:
    """A model of `transformers`, loaded by `async with`. Up to `max_batch` requests decode together, first come, first served.

    Decoding ends at the requested stop ids and at the model's own end tokens (those of its generation_config.json or config.json).
    A cancelled request leaves at once with what it had sampled; the step that was under way finishes without it. A log-probability
    is that of the distribution drawn from, after temperature and top-p; a greedy token's is that under temperature 1.

    Args:
        model_path: folder with `config.json` and weights.
        dtype: of weights and activations; "auto" is the one they are stored in.
        max_batch: most requests that are decoded together. On CUDA, thousands of a small model gain by it; the memory for the most there have
            been at once, and for their lengths, is kept until the engine is left.
        device: such as "cuda:1"; by default CUDA, MPS or CPU, whichever is there first.
    """

    def __init__(self, model_path: str | Path, *, dtype: DType = "auto", max_batch: int = 32, device: str | None = None) -> None:
        self._model_path = Path(model_path)
        self._dtype = dtype
        self._max_batch = max_batch
        self._device = device
        self._shared: PreTrainedModel | None = None
        self._limits: Limits | None = None
        """None while the engine is not running."""

    @classmethod
    def of(cls, model: PreTrainedModel, *, max_batch: int = 32) -> Self:
        """An engine that shares the weights of a model in memory: whoever changes them, while no request runs, changes what it samples with.

        They are to be changed in place. The model must have been loaded with `attn_implementation="sdpa"` or "eager".
        """
        engine = cls(model.name_or_path or type(model).__name__, max_batch=max_batch)
        engine._shared = model
        return engine

    @property
    def name(self) -> str:
        return f"transformers {version('transformers')}"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            token_exact=True,
            logprobs=True,
            cached_tokens=False,
            top_logprobs=MOST_TOP_LOGPROBS,
            context=self._started().context,
        )

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def generate(self, request: Request) -> Completion:
        limits = self._started()
        limits.check(request)
        refuse_constraint(self, request)
        row = limits.pending(request, self.now())
        self._rows[row] = None
        self._wake.set()
        finish: Finish = "abort"
        try:
            while row.finish is None:
                await row.changed.wait()
                row.changed.clear()
                row.show()
                if row.error is not None:
                    raise row.error
            finish = row.finish
        except asyncio.CancelledError:
            row.show()
            raise
        finally:
            self._rows.pop(row, None)
            completion = row.completion(finish, self.now())
            if finish == "abort" and request.on_abort is not None:
                request.on_abort(completion)
        return completion

    async def running(self) -> int:
        self._started()
        return len(self._rows)

    async def __aenter__(self) -> Self:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="TransformersEngine")
        load = asyncio.get_running_loop().run_in_executor(self._thread, self._load)
        try:
            decoder, self._limits = await load
        finally:
            if self._limits is None:
                self._thread.shutdown(wait=False)
        self._rows: dict[Pending, None] = {}
        """Requests that wait or decode, in the order of their submission."""
        self._wake = asyncio.Event()
        self._driver = asyncio.create_task(self._drive(decoder), name="TransformersEngine")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._limits = None
        self._wake.set()
        try:
            await self._driver
        finally:
            self._thread.shutdown()

    async def _drive(self, decoder: Decoder) -> None:
        from .drawing import LogitsError

        loop = asyncio.get_running_loop()
        try:
            while self._limits is not None:
                rows: list[Pending] = list(islice(self._rows, self._max_batch))
                if not rows:
                    self._wake.clear()
                    await self._wake.wait()
                    continue
                try:
                    drawn = await loop.run_in_executor(self._thread, decoder.step, rows)
                # RuntimeError is torch's: out of memory, or an operation that this device lacks.
                except (LogitsError, RuntimeError) as error:
                    self._fail(rows, f"the model failed with {len(rows)} requests in the batch: {error}", error)
                    continue
                waiting, now = self._rows, self.now()
                if drawn.top_logprobs is not None:
                    for row, top_logprobs in zip(rows, drawn.top_logprobs, strict=True):
                        if row in waiting and row.scores is not None and top_logprobs is not None:
                            row.scores.add(top_logprobs)
                for row, token, logprob in zip(rows, drawn.tokens, drawn.logprobs, strict=True):
                    if row in waiting and row.take(token, logprob, now):
                        del waiting[row]
        finally:
            self._limits = None
            self._fail(list(self._rows), "the engine stopped before the request was finished")

    def _load(self) -> tuple[Decoder, Limits]:
        decoder, limits = _decoder(self._shared or _load(self._model_path, self._dtype, self._device), self._model_path)
        if (most := decoder.most_rows(min(limits.context or _LONG, _LONG))) is not None:
            self._max_batch = min(self._max_batch, most)
        return decoder, limits

    def _fail(self, rows: list[Pending], message: str, cause: Exception | None = None) -> None:
        for row in rows:
            self._rows.pop(row, None)
            row.error = EngineError(message)
            row.error.__cause__ = cause
            row.changed.set()

    def _started(self) -> Limits:
        if self._limits is None:
            raise ConfigError("this engine is not running: use it inside `async with TransformersEngine(…) as engine:`")
        return self._limits


def _load(path: Path, dtype: DType, device: str | None) -> PreTrainedModel:
    # Read when torch is imported. By default its threads spin while they wait for each other; where other programs use the cores too,
    # that made 24 requests on 2 cores 9 times slower (41 against 359 tokens a second) and gained nothing where they were idle.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        import torch
        from safetensors import SafetensorError
        from transformers import AutoModelForCausalLM, PreTrainedModel
    except ImportError as error:
        raise ConfigError(f"transformers cannot be imported ({error}): `pip install 'orchestra[transformers]'`") from error
    if problems := check_model(path, tokenizer=False):
        raise ConfigError(
            f"no whole model in {str(path)!r} ({'; '.join(problems)}): get one with `hf download NAME --local-dir {path}`"
        )
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        with _without_progress_bar():
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                path, dtype=dtype, attn_implementation="sdpa", local_files_only=True, output_loading_info=True
            )
        model, report = loaded
        model.to(device)
    except (OSError, ValueError, SafetensorError, RuntimeError, AssertionError) as error:  # the last: torch without that device
        raise ConfigError(f"cannot load the model in {str(path)!r} on {device!r}: {error}") from error
    if missing := report["missing_keys"]:
        raise ConfigError(
            f"the weights in {str(path)!r} lack {len(missing)} tensors, {min(missing)!r} among them: copy the folder again"
        )
    assert isinstance(model, PreTrainedModel)
    return model


def _decoder(model: PreTrainedModel, path: Path) -> tuple[Decoder, Limits]:
    from .decoder import Decoder
    from .drawing import LogitsError

    limits = _limits(model, path)
    decoder = Decoder(model)
    probe = Request(prompt=[0, 0], sampling=Sampling(max_tokens=1))
    try:
        decoder.step([limits.pending(probe, 0.0)])
    except LogitsError as error:
        raise ConfigError(f"the model of {path} does not decode: {error}") from error
    except (AttributeError, TypeError, RuntimeError) as error:
        raise ConfigError(f"{type(model).__name__} does not decode in batches ({error}): run this model with vLLM") from error
    return decoder, limits


def _limits(model: PreTrainedModel, path: Path) -> Limits:
    config = model.config.get_text_config()
    # A layer that sees only a window says so in `layer_types`, or, in older model code, for all layers by `sliding_window`.
    kinds = set(
        getattr(config, "layer_types", None) or ["sliding" if getattr(config, "sliding_window", None) else "full_attention"]
    )
    if kinds != {"full_attention"}:
        raise ConfigError(f"{str(path)!r} has layers of kind {sorted(kinds)}, not only full attention: run this model with vLLM")
    end = model.generation_config.eos_token_id if model.generation_config is not None else None
    if end is None:
        end = config.eos_token_id
    return Limits(
        vocabulary=config.vocab_size,
        context=getattr(config, "max_position_embeddings", None),
        end_tokens=frozenset([end] if isinstance(end, int) else end or []),
    )


@contextmanager
def _without_progress_bar() -> Iterator[None]:
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
