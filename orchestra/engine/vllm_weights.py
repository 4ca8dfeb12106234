"""New weights for a running vLLM: read from a folder by its workers, in place, so that compiled graphs stay valid."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import EngineError

if TYPE_CHECKING:
    from vllm.v1.engine.async_llm import AsyncLLM


def can_reload() -> bool:
    """False on a CPU: there vLLM computes with prepacked copies of the weights, and reports success without refreshing them."""
    from vllm.platforms import current_platform

    return not current_platform.is_cpu()


async def reload(llm: AsyncLLM, folder: Path) -> None:
    """No request may be running. Raises `EngineError` where a worker fails, or the old prefixes stay cached."""
    try:
        await llm.collective_rpc("reload_weights", kwargs={"weights_path": str(folder)})
    except Exception as error:  # whatever a worker raised comes back as a plain Exception
        raise EngineError(f"vLLM could not load the weights in {str(folder)!r}, and may hold half of them: {error}") from error
    # Else a fork's children would continue from keys and values of the old weights.
    if not await llm.reset_prefix_cache():
        raise EngineError("vLLM kept its prefix cache after new weights: was a request running?")
