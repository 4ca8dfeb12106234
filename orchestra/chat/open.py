"""From what a user types (`--model URL`, a folder, a recording) to a chat model that is ready to be entered."""

from __future__ import annotations

import os
from pathlib import Path

from ..engine.connection import KEY_VARIABLE
from ..engine.open import ENGINES, choose, open_engine, refuse_gpu_memory
from ..errors import ConfigError
from .base import ChatModel
from .engine_chat import EngineChat
from .http_chat import HttpChat
from .recorded import RecordedChat

RECORDED = "recorded:"


def open_chat(
    spec: str = "auto",
    *,
    model: str | Path | None = None,
    record: str | Path | None = None,
    pace: float = 0.0,
    silence_s: float | None = None,
    max_requests: int = 256,
    gpu_memory: float | None = None,
) -> ChatModel:
    """The chat model that `spec` names. Enter it to start it.

    open_chat("http://localhost:8000/v1")                       # an OpenAI-compatible endpoint, with its only model
    open_chat("https://api.example.com/v1", model="small")      # its key comes from the environment variable ORCHESTRA_API_KEY
    open_chat("vllm", model="models/qwen3-8b")                  # or "transformers", or "auto": the folder's model in this process
    open_chat("recorded:run.jsonl")                             # replies that were recorded, at `pace` (1: as they came, 0: at once)
    open_chat("http://localhost:8000/v1", record="run.jsonl")   # records what it is asked, and replays what is recorded already

    `silence_s` is the longest wait for an endpoint's next piece; `max_requests` is how many an engine in this process decodes together,
    `gpu_memory` the share of the GPU's memory that vLLM takes in it. Raises `ConfigError` for an unknown name, a wrong address, a missing
    model, package or recording, and a share for what is not vLLM in this process.
    """
    chat = _open(spec, model, pace, silence_s, max_requests, gpu_memory)
    return chat if record is None else RecordedChat(record, chat, pace=pace)


def _open(
    spec: str, model: str | Path | None, pace: float, silence_s: float | None, max_requests: int, gpu_memory: float | None
) -> ChatModel:
    if spec.startswith(("http://", "https://", RECORDED)):
        refuse_gpu_memory(spec, gpu_memory)
    if spec.startswith(("http://", "https://")):
        key = os.environ.get(KEY_VARIABLE)
        return HttpChat(spec, None if model is None else str(model), api_key=key, silence_s=silence_s)
    if spec.startswith(RECORDED):
        return RecordedChat(spec.removeprefix(RECORDED), pace=pace)
    kinds = [kind for kind in ENGINES if kind != "scripted"]
    if spec not in kinds:
        raise ConfigError(
            f"unknown chat model {spec!r}: use one of {', '.join(kinds)} with the folder of a model, the URL of an endpoint"
            f" (http://HOST:PORT/v1), or {RECORDED}FILE (a scripted one is made in Python: `ScriptedChat(answer)`)"
        )
    kind = choose() if spec == "auto" else spec
    if model is None:
        raise ConfigError(
            f"{kind} needs a model: give its folder as `model` (--model-name DIR, or --model DIR of `orchestra eval`)"
        )
    folder = Path(model)
    if not folder.is_dir():
        raise ConfigError(
            f"there is no model folder {str(model)!r}: give the folder that holds config.json and tokenizer.json (`hf download NAME"
            " --local-dir FOLDER` makes one)"
        )
    engine = open_engine(kind, model=folder, max_requests=max_requests, constraints=kind == "vllm", gpu_memory=gpu_memory)
    return EngineChat(engine, folder)
