"""From what a user types (`--engine`, `--model`) to an engine that is ready to be entered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from ..errors import ConfigError
from .base import Engine

ENGINES = ("auto", "vllm", "transformers", "scripted")


def choose() -> str:
    """The best installed engine that runs a model in this process."""
    if find_spec("vllm"):
        return "vllm"
    if find_spec("torch") and find_spec("transformers"):
        return "transformers"
    raise ConfigError(
        "no engine is installed: run `make demo` in the repository, or `pip install 'orchestra[transformers]'`; with a GPU"
        " `pip install 'orchestra[vllm]'`; or give a server with `--engine http://HOST:PORT/v1`"
    )


def open_engine(
    spec: str,
    *,
    model: Callable[[], Path],
    answer: Callable[[Sequence[int]], Sequence[int]],
    max_requests: int = 256,
    context: int | None = None,
) -> Engine:
    """The engine that `spec` names: "auto", "vllm", "transformers", "scripted", or the URL of a server.

    `model` finds the model folder, only for engines that need one; `answer` plays for the scripted engine. Nothing is started before
    the engine is entered. Raises `ConfigError` for an unknown name or a missing package.
    """
    if spec.startswith(("http://", "https://")):
        from .http import HttpEngine

        return HttpEngine(spec)
    match choose() if spec == "auto" else spec:
        case "vllm":
            from .vllm import VllmEngine

            return VllmEngine(model(), max_num_seqs=max_requests, context=context)
        case "transformers":
            from .transformers import TransformersEngine

            return TransformersEngine(model(), max_batch=min(max_requests, 64))
        case "scripted":
            from .scripted import ScriptedEngine

            return ScriptedEngine(answer)
    raise ConfigError(f"unknown engine {spec!r}: use one of {', '.join(ENGINES)}, or the URL of a server (http://HOST:PORT/v1)")
