"""New weights for the engine that samples: copied to one in this process, or streamed to a vLLM server by TRL.

Both are TRL 1.16's `WeightTransferProtocol`, whose methods the trainer calls in its own thread after each step, and once before the first.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Protocol

import torch

from orchestra.engine import Engine
from orchestra.errors import EngineError, OrchestraError

from ..grpo.policy import Sampler
from .progress import Progress
from .worker import Worker

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Weights = Iterator[tuple[str, torch.Tensor]]


class WeightTransfer(Protocol):
    """What the trainer calls, in this order; the first before the first of the others, the last at the end."""

    def init_weight_transfer(self) -> None: ...

    def pause(self) -> None: ...

    def send_weights(self, iterator: Weights) -> None: ...

    def resume(self) -> None: ...

    def destroy(self) -> None: ...


class LocalPolicy:
    """The sampler's copy of the policy in this process: an engine of `transformers` decodes with it, vLLM reads what is saved of it.

    It is none of the trainer's, whose weights change while requests run, and whose attention is for packed rows alone.
    """

    def __init__(self, model: PreTrainedModel, open_sampler: Callable[[], AbstractAsyncContextManager[Sampler]]) -> None:
        self._parameters = dict(model.named_parameters())
        self._open_sampler = open_sampler
        self._sampler: Sampler | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Engine]:
        async with self._open_sampler() as self._sampler:
            yield self._sampler.engine

    def copy(self, weights: Weights) -> None:
        """No request may be running."""
        with torch.no_grad():
            for name, tensor in weights:
                self._parameters[name].copy_(tensor)

    async def sync(self) -> None:
        """The engine samples with the copy as it is now."""
        assert self._sampler is not None, "the engine has not been opened"
        await self._sampler.sync()


class LocalTransfer:
    """For an engine in this process. Requests that run are awaited, those that follow wait until the weights are there."""

    def __init__(self, worker: Worker, policy: LocalPolicy) -> None:
        self._worker, self._policy = worker, policy

    def init_weight_transfer(self) -> None:
        pass

    def pause(self) -> None:
        self._worker.pause()

    def send_weights(self, iterator: Weights) -> None:
        self._policy.copy(iterator)
        self._worker.call(self._policy.sync)

    def resume(self) -> None:
        self._worker.resume()

    def destroy(self) -> None:
        pass


class Announced:
    """A transfer whose methods are phases of the run, so that one that hangs is seen."""

    def __init__(self, transfer: WeightTransfer, progress: Progress) -> None:
        self._transfer, self._progress = transfer, progress

    def init_weight_transfer(self) -> None:
        self._progress.doing("weights: connecting trainer and engine")
        self._transfer.init_weight_transfer()

    def pause(self) -> None:
        self._progress.doing("weights: pausing the engine")
        self._transfer.pause()

    def send_weights(self, iterator: Weights) -> None:
        self._progress.doing("weights: sending")
        self._transfer.send_weights(iterator)

    def resume(self) -> None:
        self._progress.doing("weights: resuming the engine")
        self._transfer.resume()

    def destroy(self) -> None:
        self._transfer.destroy()


class ServerTransfer:
    """For a vLLM server, by TRL's NCCL client, with errors that say what to do. The server finishes running requests with the new weights."""

    def __init__(self, client: WeightTransfer, url: str) -> None:
        self._client, self._url = client, url

    def init_weight_transfer(self) -> None:
        with self._attributed("set up"):
            self._client.init_weight_transfer()

    def pause(self) -> None:
        with self._attributed("pause"):
            self._client.pause()

    def send_weights(self, iterator: Weights) -> None:
        with self._attributed("send"):
            self._client.send_weights(iterator)

    def resume(self) -> None:
        with self._attributed("resume"):
            self._client.resume()

    def destroy(self) -> None:
        self._client.destroy()

    @contextmanager
    def _attributed(self, what: str) -> Iterator[None]:
        try:
            yield
        except OrchestraError:
            raise
        except Exception as error:  # TRL's client raises plain exceptions, and those of its HTTP library and of NCCL
            raise EngineError(
                f"the weight transfer to {self._url} failed ({what}): {type(error).__name__}: {error}. Is the server still running? It must have"
                ' been started with VLLM_SERVER_DEV_MODE=1 and --weight-transfer-config \'{"backend":"nccl"}\', on another GPU than the trainer\'s'
            ) from error
