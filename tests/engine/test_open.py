"""From a name to an engine: what vLLM is given, and what the others refuse."""

from __future__ import annotations

from typing import Any

import pytest
from tiny_model import TinyModel

from orchestra.engine.open import open_engine
from orchestra.errors import ConfigError


@pytest.mark.parametrize("spec", ["transformers", "scripted", "http://localhost:8000/v1"])
def test_a_share_of_the_gpu_is_for_vllm_in_this_process_alone(spec: str) -> None:
    with pytest.raises(ConfigError, match=f"--gpu-memory is for vLLM in this process, not for {spec}"):
        open_engine(spec, model="model", answer=list, gpu_memory=0.5)


@pytest.mark.anyio
async def test_vllm_starts_with_the_share_that_was_asked_for(tiny: TinyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    started = dict[str, Any]()

    def start(model: str, **settings: Any) -> Any:
        started.update(settings)
        raise ConfigError("seen")

    monkeypatch.setattr("orchestra.engine.vllm.start", start)
    with pytest.raises(ConfigError, match="seen"):
        async with open_engine("vllm", model=tiny.folder, gpu_memory=0.3):
            pass
    assert started["gpu_memory"] == 0.3
