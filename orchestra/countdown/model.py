"""The model shipped with the repository: where it is, and what it was trained for."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import ConfigError

CARD = "countdown.json"
SHIPPED = "countdown-6m"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What a folder's model knows of Countdown, in `countdown.json` beside its weights."""

    notation: int = 1
    """Version of `notation.VOCABULARY`; other versions read and write other tokens."""
    sizes: tuple[int, ...] = (3, 4)
    """How many numbers its training problems had."""

    def write(self, folder: Path) -> None:
        (folder / CARD).write_text(json.dumps(asdict(self)) + "\n")


def read_card(folder: Path) -> ModelCard:
    """Raises `ConfigError` unless `folder` holds a model that speaks this version of the notation."""
    if not folder.is_dir():
        raise ConfigError(f"there is no model folder {folder}: give one with `--model`")
    try:
        value = json.loads((folder / CARD).read_text())
        card = ModelCard(notation=value["notation"], sizes=tuple(value["sizes"]))
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


def shipped_model() -> Path:
    """The model folder of the source checkout that this package runs from, or `ORCHESTRA_MODEL`."""
    if named := os.environ.get("ORCHESTRA_MODEL"):
        return Path(named)
    folder = Path(__file__).resolve().parents[2] / "models" / SHIPPED
    if not folder.is_dir():
        raise ConfigError(
            f"the model {SHIPPED} ships with the source repository, not with the installed package: clone the repository and give"
            f" `--model PATH/models/{SHIPPED}` (or set ORCHESTRA_MODEL)"
        )
    return folder
