"""The model shipped with the repository: where it is; and of any Countdown model what it was trained for."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

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
        method = setup.method
        if method not in self.methods:
            raise ConfigError(f"{folder} knows {' and '.join(self.methods)}, not {method}: {_TRAINED[method]}")
        if setup.free and method not in self.free:
            raise ConfigError(
                f"{folder} was not shown how to choose a width in `--method {method}`: give `--beam` and `--child-beam` from 1 on, or a model"
                " whose rows have free widths (`python -m orchestra.training.countdown_demos --help`)"
            )


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
        value = json.loads((folder / CARD).read_text())
        if "methods" not in value:  # cards of the first models, which knew these
            value["methods"] = ModelCard().methods
        methods, free = _methods(value["methods"]), _methods(value.get("free", ()))
        if not methods:
            raise ValueError(f"no known method among {value['methods']!r}")
        card = ModelCard(notation=value["notation"], sizes=tuple(value["sizes"]), methods=methods, free=free)
    except FileNotFoundError as error:
        raise ConfigError(
            f"{folder} is no Countdown model (it has no {CARD}): train one with `python -m orchestra.training.sft`, or leave `--model` out"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{folder / CARD} is damaged: {error}") from error
    if card.notation != ModelCard().notation:
        raise ConfigError(
            f"{folder} was trained on notation {card.notation}, this version of orchestra speaks {ModelCard().notation}"
        )
    return card


def _methods(names: Iterable[str]) -> tuple[Method, ...]:
    """Without those that only a later version of orchestra knows."""
    known = set(names)
    return tuple(method for method in METHODS if method in known)


def shipped_model() -> Path:
    """The model folder of the source checkout that this package runs from, or `ORCHESTRA_MODEL`."""
    return shipped_folder(SHIPPED, variable="ORCHESTRA_MODEL", flag="--model")
