"""From what a user types (`--engine`, `--model`) to an engine that is ready to be entered."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from ..errors import ConfigError
from .base import Engine

ENGINES = ("auto", "vllm", "transformers", "scripted")
CPU_BATCH = 64
"""Most requests that `transformers` decodes together on a CPU: more are little faster, and their keys and values take memory."""


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
    spec: str = "auto",
    *,
    model: str | Path | None = None,
    answer: Callable[[Sequence[int]], Sequence[int]] | None = None,
    max_requests: int = 256,
    constraints: bool = False,
    gpu_memory: float | None = None,
) -> Engine:
    """The engine that `spec` names: "auto", "vllm", "transformers", "scripted", or the URL of a server. Enter it to start it.

    A server that wants a key gets that of the environment variable ORCHESTRA_API_KEY.

    `model` is a folder or a name on the Hugging Face Hub, for engines that load one, and the model's name for a server that has several;
    `answer` plays for the scripted engine; `max_requests` is how many are decoded together, others wait; `constraints` prepares vLLM in
    this process for requests with a `Sampling.constraint` (a vLLM server always takes them, the others never); `gpu_memory` is the share
    of the GPU's memory that vLLM in this process takes. Raises `ConfigError` for an unknown name, a wrong address, a missing package, a
    missing model, or a share for another engine.
    """
    if spec.startswith(("http://", "https://")):
        refuse_gpu_memory(spec, gpu_memory)
        from .connection import KEY_VARIABLE
        from .http import HttpEngine

        return HttpEngine(spec, model=None if model is None else str(model), api_key=os.environ.get(KEY_VARIABLE))
    kind = choose() if spec == "auto" else spec
    if kind not in ENGINES:
        raise ConfigError(f"unknown engine {spec!r}: use one of {', '.join(ENGINES)}, or the URL of a server (http://HOST:PORT/v1)")
    if kind != "vllm":
        refuse_gpu_memory(kind, gpu_memory)
    if kind == "scripted":
        from .scripted import ScriptedEngine

        if answer is None:
            raise ConfigError("the scripted engine needs `answer`, a function from prompt ids to the ids to sample")
        return ScriptedEngine(answer)
    if model is None:
        raise ConfigError(f"the engine {kind} needs `model`, a folder or a name on the Hugging Face Hub")
    if kind == "vllm":
        from .vllm import VllmEngine

        return VllmEngine(model, max_num_seqs=max_requests, constraints=constraints, gpu_memory=gpu_memory)
    from .transformers import TransformersEngine

    return TransformersEngine(model, max_batch=max_requests if has_cuda() else min(max_requests, CPU_BATCH))


def has_cuda() -> bool:
    """Whether torch is installed and sees a GPU of its kind."""
    if find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


def refuse_gpu_memory(kind: str, gpu_memory: float | None) -> None:
    """For what is not vLLM in this process. Raises `ConfigError` when a share is given."""
    if gpu_memory is not None:
        raise ConfigError(f"--gpu-memory is for vLLM in this process, not for {kind}: leave it out, or use `--engine vllm`")
