"""Problems in words on any chat model: serial traces, sampling policies over them, and plans with tools."""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from orchestra.answers import Equivalence
from orchestra.chat import ChatModel, EngineChat, HttpChat, open_chat
from orchestra.engine.connection import KEY_VARIABLE
from orchestra.engine.open import choose, open_engine, refuse_gpu_memory
from orchestra.errors import ConfigError
from orchestra.sample import Policy, read_policy
from orchestra.tools import Tool, load_tools

from ..benchmark import Benchmark
from ..problem import Problem
from ..suite.prompts import asked
from . import planning
from .asking import Asking, Decoding, decoder
from .pool_chat import PoolChat
from .sampled import MakeSource, Reading, Sampled
from .ways import POOL, RECORDED, Caps, Running, Way, bound, capped, caps_from, policy_from

_MOST_REQUESTS = 1024
_LARGE = 1 << 30
"""Bytes of a weights' file from which on only pieces of it are hashed."""
_PIECES, _PIECE = 256, 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the command line asks for."""

    benchmark: Benchmark
    method: str
    spec: str | None
    policy: Policy
    caps: Caps
    decoding: Decoding
    tools: tuple[Tool, ...]

    @property
    def label(self) -> str:
        if self.spec is None:
            return self.method
        return self.spec if self.method == "serial" else f"{self.spec} of plans"


def worded_way(args: argparse.Namespace, benchmark: Benchmark) -> Way:
    """Raises `ConfigError` for settings that cannot work and for a model that is not there."""
    method = args.method or "serial"
    if method in ("fork", "weave"):
        raise ConfigError(
            f"`--method {method}` is for Countdown's own model, in its tokens: leave out --chat, --tokenizer and recorded traces"
        )
    planned = method == "plan"
    caps, policy = caps_from(args), policy_from(args)
    if planned and caps.span is not None:
        raise ConfigError("a plan has no limit on its span: give --budget tokens=N or seconds=S")
    if args.tools and not planned:
        raise ConfigError("--tools are for `--method plan`")
    if args.join != "all":
        raise ConfigError("--join is for `--method fork` and `--method weave`")
    for option, given in (("--beam", args.beam is not None), ("--scouts", args.scouts)):
        if given:
            raise ConfigError(f"{option} is for Countdown's own model")
    one = read_policy("self_consistency:n=1")
    decoding = _decoding(args, caps, plans=(policy or one).most if planned else 0, alone=policy is None)
    # The agent keeps to a budget by itself.
    within = (policy or one) if planned else capped(policy, caps) if policy else capped(one, Caps(seconds=caps.seconds))
    wanted = _Asked(
        benchmark=benchmark,
        method=method,
        spec=args.policy,
        policy=within,
        caps=caps,
        decoding=decoding,
        tools=tuple(tool for spec in args.tools for tool in load_tools(spec)),
    )
    kind = choose() if args.engine == "auto" else args.engine
    chat = _chat(args, kind, max_requests=min(_MOST_REQUESTS, args.concurrency * within.most), top_p=decoding.top_p)
    folder = Path(args.model) if kind in ("vllm", "transformers") and args.model else None
    settings: dict[str, Any] = {
        **asdict(decoding),
        "policy": args.policy,
        **caps.as_settings(),
        **({"tools": list(args.tools)} if planned else {}),
        "prompt": _fingerprint_of_prompt(benchmark),
        "engine": kind,
        "model": folder.name if folder is not None else args.model,
        "weights": weights_of(folder) if folder is not None else None,
    }
    return Way(
        label=wanted.label,
        settings=settings,
        most_tokens=caps.tokens if planned else bound(within.most * decoding.max_tokens, policy, caps),
        check=lambda problems: _check(benchmark, problems),
        run=lambda answers: _running(wanted, chat, answers),
    )


def _decoding(args: argparse.Namespace, caps: Caps, *, plans: int, alone: bool) -> Decoding:
    """`plans`: at most, of a try; 0 where traces are no plans."""
    if args.temperature is not None and args.temperature < 0:
        raise ConfigError(f"`temperature` must not be negative, got {args.temperature}")
    if not 0 < args.top_p <= 1:
        raise ConfigError(f"`--top-p` must be in (0, 1], got {args.top_p}")
    most = args.max_tokens or (2_048 if plans else 16_384)
    if plans and caps.tokens is not None:
        most = max(1, min(most, caps.tokens // plans // 2))  # a reply is paid for in advance: planner and joiner must both fit
    elif alone and not plans:
        # One trace: its length is its work and its span.
        most = min([most, *(limit for limit in (caps.tokens, caps.span) if limit is not None)])
    return Decoding(
        max_tokens=most,
        temperature=(0.0 if plans else 0.6) if args.temperature is None else args.temperature,
        top_p=args.top_p,
        seed=args.seed,
    )


def _check(benchmark: Benchmark, problems: tuple[Problem, ...]) -> None:
    asked(benchmark, problems[0])  # the prompt is there, and knows what the problems hold


def _chat(args: argparse.Namespace, kind: str, *, max_requests: int, top_p: float) -> ChatModel:
    if kind != "vllm":
        refuse_gpu_memory(kind, args.gpu_memory)
    if kind.startswith(("http://", "https://")):
        if args.tokenizer:
            return EngineChat(open_engine(kind, model=args.model), args.tokenizer)
        return HttpChat(kind, args.model, api_key=os.environ.get(KEY_VARIABLE), fields={"top_p": top_p})
    if args.tokenizer:
        raise ConfigError("--tokenizer is for a server's URL: a model in this process brings its own")
    if kind == "scripted":
        raise ConfigError("the scripted engine plays Countdown only: give a model with `--engine`, such as a server's URL")
    if kind.startswith(POOL):
        return PoolChat.read(Path(kind.removeprefix(POOL)))
    if kind.startswith(RECORDED):
        return open_chat(kind)
    return open_chat(kind, model=args.model, max_requests=max_requests, gpu_memory=args.gpu_memory)


@asynccontextmanager
async def _running(wanted: _Asked, chat: ChatModel, answers: Equivalence) -> AsyncGenerator[Running]:
    async with chat:
        source, reading = _source(wanted, chat, answers)
        facts: dict[str, Any] = {"name": chat.name}
        if isinstance(chat, EngineChat):
            facts |= asdict(chat.engine.capabilities)
        method = Sampled(wanted.label, wanted.policy, source, reading=reading, model=chat, seconds=wanted.caps.seconds)
        yield Running(method=method, engine=chat.name, facts=facts)


def _source(wanted: _Asked, chat: ChatModel, answers: Equivalence) -> tuple[MakeSource, Reading]:
    decoding = wanted.decoding
    if wanted.method == "plan":
        source = planning.Planning(
            benchmark=wanted.benchmark,
            chat=chat,
            answers=answers,
            tools=wanted.tools,
            max_tokens=decoding.max_tokens,
            temperature=decoding.temperature,
            seed=decoding.seed,
            # The budget is of a try: its plans share it.
            tokens=None if wanted.caps.tokens is None else max(1, wanted.caps.tokens // wanted.policy.most),
            seconds=wanted.caps.seconds,
        )
        return source, planning.READING
    return Asking(benchmark=wanted.benchmark, chat=chat, answers=answers, decoding=decoding), Reading(decode=decoder(chat))


def _fingerprint_of_prompt(benchmark: Benchmark) -> str | None:
    """Short hash of what models are asked with: another prompt is another experiment."""
    file = files("orchestra.prompts").joinpath(f"eval_{benchmark.prompt}.j2")
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12] if file.is_file() else None


def weights_of(folder: Path) -> str:
    """Short hash of a model's weights. Of large files pieces are read, all over the file: enough to tell models apart."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        size = path.stat().st_size
        with path.open("rb") as file:
            if size < _LARGE:
                digest.update(file.read())
                continue
            digest.update(f"{size}".encode())
            for number in range(_PIECES):
                file.seek(size * number // _PIECES)
                digest.update(file.read(_PIECE))
    return digest.hexdigest()[:12]
