"""New weights for a running engine: what a training loop does after each step."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from ..errors import ConfigError, EngineError
from ..model_files import check_model
from .base import Engine


@runtime_checkable
class Updatable(Protocol):
    """An engine that declares `Capabilities.weight_updates`."""

    async def update_weights(self, folder: Path) -> None:
        """As the function of that name, which checks first."""
        ...


async def update_weights(engine: Engine, folder: Path) -> None:
    """Sample with the weights in `folder` from now on: a model of the same shape and names. What prefix caches held of the old ones is gone.

    Raises `ConfigError` for an engine that cannot, or a folder without a whole model, and `EngineError` while requests are running: what they
    sample would be of two models.
    """
    if not engine.capabilities.weight_updates or not isinstance(engine, Updatable):
        raise ConfigError(
            f"the weights of {engine.name} cannot be changed while it runs: use vLLM in this process on a GPU, or"
            " `TransformersEngine.of(model)`, which shares the weights of a model in memory"
        )
    if problems := check_model(folder, tokenizer=False):
        raise ConfigError(f"{str(folder)!r} is not a whole model: {'; '.join(problems)}")
    if running := await engine.running():
        raise EngineError(f"{running} requests are still running: await or cancel them before the weights change")
    await engine.update_weights(folder)
