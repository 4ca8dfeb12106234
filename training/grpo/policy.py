"""The policy as files and as an engine: loaded in fp32 to be trained, saved to be served, and sampled from with its newest weights.

On a CPU (and wherever `transformers` decodes) trainer and engine share one module, so there is nothing to synchronise. vLLM holds its own
copy, which is written to a folder and reloaded in place after each step.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from transformers import AutoModelForCausalLM

from orchestra.countdown.model import CARD, read_card
from orchestra.engine import Engine
from orchestra.engine.open import CPU_BATCH
from orchestra.engine.transformers import TransformersEngine
from orchestra.engine.weights import update_weights
from orchestra.errors import ConfigError
from orchestra.model_files import check_model

from ..attention import Attention
from ..sft.language import FILES, PLANNER_CARD, of_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Kind = Literal["auto", "vllm", "transformers"]
SAMPLER = "sampler"
"""Folder below a run's own that holds the weights which vLLM samples with."""
"""Most requests that a processor decodes together; what a GPU does is up to --max-requests."""


def domain_of(folder: Path) -> Literal["countdown", "planner"]:
    """What a model was trained for, which its card says. Raises `ConfigError` for one without a card, and for a tokenizer that is not its domain's."""
    domain: Literal["countdown", "planner"] = "planner" if (folder / PLANNER_CARD).exists() else "countdown"
    if domain == "countdown":
        read_card(folder)
    if (language := of_tokenizer(folder)).domain != domain:
        raise ConfigError(
            f"{folder} is a {domain} model with another tokenizer ({language.size} tokens): copy the folder again, or train one with"
            " `python -m orchestra.training.sft`"
        )
    return domain


def tokenizer_digest(folder: Path) -> str:
    """Tells tokenizers apart."""
    return hashlib.sha256((folder / FILES[0]).read_bytes()).hexdigest()[:16]


def load_policy(folder: Path, *, attention: Attention, device: torch.device) -> PreTrainedModel:
    """In fp32, without dropout. Raises `ConfigError` for what is no whole model of a domain that is known, with its tokenizer."""
    domain_of(folder)
    if problems := check_model(folder):
        raise ConfigError(f"{folder} is not a whole model: {'; '.join(problems)}")
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation=attention, local_files_only=True
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(f"transformers cannot load {folder}: {error}") from error
    loaded: PreTrainedModel = model.to(device).eval()
    if (size := of_tokenizer(folder).size) > loaded.config.vocab_size:
        raise ConfigError(
            f"the tokenizer of {folder} has {size} tokens, its model {loaded.config.vocab_size}: they are of two models, copy the folder again"
        )
    return loaded


def save_policy(model: PreTrainedModel, source: Path, folder: Path, dtype: torch.dtype = torch.bfloat16) -> None:
    """Weights in `dtype`, with the tokenizer and card of `source`: a folder that vLLM and `transformers` load.

    Each file is replaced as a whole, because an engine may still have the old one mapped.
    """
    unfinished = folder / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    rounded: Any = copy.deepcopy(model)
    rounded.to(dtype).save_pretrained(unfinished)
    for name in (*FILES, CARD, PLANNER_CARD):
        if (source / name).exists():
            shutil.copyfile(source / name, unfinished / name)
    for file in unfinished.iterdir():
        file.replace(folder / file.name)
    unfinished.rmdir()


@dataclass(frozen=True, slots=True)
class Sampler:
    """An engine that samples with the policy's weights as they were at the last `sync`, or as they are."""

    engine: Engine
    model: PreTrainedModel
    source: Path
    folder: Path | None
    """Where an engine with its own copy reads the weights; None when it shares them."""
    dtype: torch.dtype = torch.bfloat16

    @property
    def seeded(self) -> bool:
        """Whether requests should bring seeds. On vLLM, a generator for each costs more than it is worth."""
        return self.folder is None

    async def sync(self) -> None:
        """Raises `ConfigError` for an engine whose weights cannot be changed."""
        if self.folder is not None:
            await asyncio.to_thread(save_policy, self.model, self.source, self.folder, self.dtype)
            await update_weights(self.engine, self.folder)


@asynccontextmanager
async def open_sampler(
    model: PreTrainedModel,
    *,
    kind: Kind,
    source: Path,
    out: Path,
    max_requests: int,
    gpu_memory: float,
    dtype: torch.dtype = torch.bfloat16,
    seed: int = 0,
) -> AsyncIterator[Sampler]:
    """Start an engine on the policy. `auto` is vLLM where there is CUDA and vLLM. `seed` is for requests without one: a resumed run gives another,
    lest it draws the same again."""
    device = next(model.parameters()).device
    if kind == "auto":
        kind = "vllm" if device.type == "cuda" and find_spec("vllm") else "transformers"
    if kind == "transformers":
        if model.config._attn_implementation == "flex_attention":
            raise ConfigError(
                "the engine shares the model with the trainer and cannot decode with flex attention: use --attention sdpa"
            )
        max_batch = max_requests if device.type == "cuda" else min(max_requests, CPU_BATCH)
        async with TransformersEngine.of(model, max_batch=max_batch) as engine:
            yield Sampler(engine, model, source, None)
        return
    from orchestra.engine.vllm import VllmEngine

    folder = out / SAMPLER
    save_policy(model, source, folder, dtype)
    async with VllmEngine(
        folder,
        dtype=str(dtype).removeprefix("torch."),
        max_num_seqs=max_requests,
        seed=seed,
        gpu_memory=gpu_memory,
    ) as started:
        if not started.capabilities.weight_updates:
            raise ConfigError(f"{started.name} cannot take new weights here: use --engine transformers")
        yield Sampler(started, model, source, folder, dtype)
