"""From command-line arguments to a search set-up and an engine that can run it."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..engine import Engine
from ..engine.open import choose, open_engine
from ..errors import ConfigError
from . import player
from .attempt import Setup
from .model import read_card, shipped_model
from .problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The engine that a command runs on, and the model behind it."""

    engine: Engine
    kind: str
    """ "vllm", "transformers", "scripted", or the server's URL."""
    model: Path | None
    """None where the model is not ours to see: scripted, or a server."""
    served: str | None = None
    """The model that a server was asked for."""

    def check(self, problems: Iterable[Problem]) -> None:
        """Raises `ConfigError` for problems that the model was never trained on."""
        if self.model is None:
            return
        card = read_card(self.model)
        if strange := {len(problem.numbers) for problem in problems} - set(card.sizes):
            known = " or ".join(map(str, card.sizes))
            raise ConfigError(f"{self.model.name} was trained on problems of {known} numbers, got one of {min(strange)}")

    def check_setup(self, setup: Setup) -> None:
        """Raises `ConfigError` for a search that the model was never shown."""
        if self.model is not None:
            read_card(self.model).check(self.model, setup)

    @property
    def model_name(self) -> str | None:
        """Its folder's name, or what the server was asked for; None for a server's only model and for the scripted player."""
        return self.model.name if self.model else self.served

    @property
    def fingerprint(self) -> str | None:
        """Short hash of the weights, so that two models of one name are not taken for each other."""
        if self.model is None:
            return None
        digest = hashlib.sha256()
        for path in sorted(self.model.glob("*.safetensors")):
            digest.update(path.read_bytes())
        return digest.hexdigest()[:12]


def host_from(args: argparse.Namespace, *, max_requests: int, gpu_memory: float | None = None, window: int | None = None) -> Host:
    """Read `--engine` and `--model`. `window` is for the scripted player: what a thread's context may hold. Nothing is started yet.

    Raises `ConfigError` as `open_engine` does.
    """
    kind: str = choose() if args.engine == "auto" else args.engine
    folder: Path | None = None
    if kind in ("vllm", "transformers"):
        folder = args.model or shipped_model()
        read_card(folder)
    answer = partial(player.answer, window=window)
    engine = open_engine(kind, model=folder or args.model, answer=answer, max_requests=max_requests, gpu_memory=gpu_memory)
    return Host(engine=engine, kind=kind, model=folder, served=str(args.model) if args.model and folder is None else None)


def setup_from(args: argparse.Namespace) -> Setup:
    """Read the search options."""
    return Setup(
        method=args.method,
        join=args.join,
        beam=args.beam,
        child_beam=args.child_beam,
        depth=args.depth,
        window=args.window,
        temperature=args.temperature,
        seed=args.sampling_seed,
        scouts=args.scouts,
        scout_temperature=args.scout_temperature,
        tree_tokens=args.tree_tokens,
        seconds=args.seconds,
    )
