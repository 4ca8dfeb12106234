"""The model shipped with the repository: where it is; and of any Countdown model what it was trained for."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import ConfigError
from ..model_files import shipped_folder
from .attempt import METHODS, Method, Setup

CARD = "countdown.json"
SHIPPED = "countdown-6m"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What a folder's model knows of Countdown, in `countdown.json` beside its weights."""

    notation: int = 1
    """Version of `notation.VOCABULARY`; other versions read and write other tokens."""
    sizes: tuple[int, ...] = (3, 4)
    """How many numbers its training problems had."""
    methods: tuple[Method, ...] = ("serial", "fork")
    """It was shown how to search so."""
    free: tuple[Method, ...] = ()
    """Those of them in which it was shown how to choose a width itself (`notation.FREE`)."""

    def write(self, folder: Path) -> None:
        (folder / CARD).write_text(json.dumps(asdict(self)) + "\n")

    def check(self, folder: Path, setup: Setup) -> None:
        """Raises `ConfigError` for a search that the model of `folder` was never shown."""
        if setup.scouts and "serial" not in self.methods:
            raise ConfigError(
                f"{folder} knows {' and '.join(self.methods)}, and scouts search serially: leave `--scouts` out, or give the `--model` of one that does"
            )
        method = setup.method
        if method not in self.methods:
            raise ConfigError(f"{folder} knows {' and '.join(self.methods)}, not {method}: {_TRAINED[method]}")
        if setup.free and method not in self.free:
            raise ConfigError(
                f"{folder} was not shown how to choose a width in `--method {method}`: leave `--beam` and `--child-beam` out, or give them from 1 on, or a model"
                " whose rows have free widths: models/countdown-6m-nested, or your own (`python -m orchestra.training.countdown_demos --help`)"
            )
        if setup.scouts:
            self.check(folder, setup.scout)


_TRAINED: dict[Method, str] = {
    "serial": "give another `--method`, or the `--model` of one that was trained on serial rows (`python -m orchestra.training.countdown_demos`)",
    "fork": "give another `--method`, or the `--model` of one that was trained on forked rows (`python -m orchestra.training.countdown_demos`)",
    "weave": "give another `--method`, or the `--model` of one that was trained by `training/recipes/weave.sh`",
}


def read_card(folder: Path) -> ModelCard:
    """Raises `ConfigError` unless `folder` holds a model that speaks this version of the notation."""
    if not folder.is_dir():
        raise ConfigError(f"there is no model folder {folder}: give one with `--model`")
    try:
        text = (folder / CARD).read_text()
        version = _Version.model_validate_json(text).notation
        if version != ModelCard().notation:
            raise ConfigError(
                f"{folder} was trained on notation {version}, this version of orchestra speaks {ModelCard().notation}"
            )
        return _Written.model_validate_json(text).card()
    except FileNotFoundError as error:
        raise ConfigError(
            f"{folder} is no Countdown model (it has no {CARD}): train one with `python -m orchestra.training.sft`, or leave `--model` out"
        ) from error
    except ValueError as error:
        what = _mistakes(error) if isinstance(error, ValidationError) else str(error)
        raise ConfigError(f"{folder / CARD} is damaged: {what}; copy the model again, or mend the card") from error


class _Version(BaseModel):
    """What is read first: cards of another notation may say all else in another way."""

    model_config = ConfigDict(strict=True)

    notation: int


class _Written(_Version):
    """A card as it is written. Keys of later versions are ignored."""

    sizes: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]
    methods: list[str] = list(ModelCard().methods)  # cards of the first models have none
    free: list[str] = []

    def card(self) -> ModelCard:
        """Raises `ValueError` for methods that do not fit together."""
        methods, free = _methods(self.methods), _methods(self.free)
        if not methods:
            raise ValueError(f"no known method among {self.methods!r}")
        if strange := [method for method in free if method not in methods]:
            raise ValueError(f"`free` has {', '.join(strange)}, which `methods` {self.methods!r} lack")
        return ModelCard(notation=self.notation, sizes=tuple(self.sizes), methods=methods, free=free)


def _mistakes(error: ValidationError) -> str:
    """All of them as `sizes.0`: what is wrong, got '3'."""
    lines = []
    for mistake in error.errors(include_url=False):
        where = ".".join(map(str, mistake["loc"]))
        whole = not where or mistake["type"] == "missing"
        lines.append((f"`{where}`: " if where else "") + mistake["msg"] + ("" if whole else f", got {mistake['input']!r}"))
    return "; ".join(lines)


def _methods(names: Iterable[str]) -> tuple[Method, ...]:
    """Without those that only a later version of orchestra knows."""
    known = set(names)
    return tuple(method for method in METHODS if method in known)


def shipped_model() -> Path:
    """The model folder of the source checkout that this package runs from, or `ORCHESTRA_MODEL`."""
    return shipped_folder(SHIPPED, variable="ORCHESTRA_MODEL", flag="--model")
