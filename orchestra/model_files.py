"""Model folders: where those that ship with the repository are, and whether one is complete, found out without torch: every file that an engine
reads is there, and no weights are cut short."""

from __future__ import annotations

import json
import os
from pathlib import Path

from .errors import ConfigError


def shipped_folder(name: str, *, variable: str, flag: str) -> Path:
    """`models/name` of the source checkout that this package runs from, or what the environment variable says.

    Raises `ConfigError` that names `flag` where there is no such folder, as with an installed package.
    """
    if named := os.environ.get(variable):
        return Path(named)
    folder = Path(__file__).resolve().parents[1] / "models" / name
    if not folder.is_dir():
        raise ConfigError(
            f"the model {name} ships with the source repository, not with the installed package: clone the repository and give"
            f" `{flag} PATH/models/{name}` (or set {variable})"
        )
    return folder


def check_model(folder: Path, *, tokenizer: bool = True) -> list[str]:
    """What is wrong with a model folder, in words; empty when an engine can load it. Engines need no `tokenizer`.

    Weights in the older format (pytorch_model*.bin) are not looked into.
    """
    if not folder.is_dir():
        return [f"there is no folder {folder}"]
    problems = []
    for name in ("config.json", "tokenizer.json") if tokenizer else ("config.json",):
        try:
            json.loads((folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            problems.append(f"{name} is missing")
        except OSError as error:
            problems.append(f"{name} cannot be read: {error.strerror}")
        except ValueError:
            problems.append(f"{name} is not JSON: {_hint(folder / name)}")
    try:
        shards = _shards(folder)
    except (ValueError, KeyError, TypeError, AttributeError):
        return [*problems, f"model.safetensors.index.json is damaged: {_hint(folder / 'model.safetensors.index.json')}"]
    if not shards and not any(folder.glob("pytorch_model*.bin")):
        problems.append("there are no weights (*.safetensors)")
    return problems + [f"{shard.name} {problem}" for shard in shards if (problem := check_safetensors(shard))]


def _shards(folder: Path) -> list[Path]:
    """The files with weights: those that the index names, present or not, or else all there are."""
    index = folder / "model.safetensors.index.json"
    if index.exists():
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        return [folder / name for name in sorted(names)]
    return sorted(folder.glob("*.safetensors"))


def check_safetensors(path: Path) -> str | None:
    """What is wrong with a safetensors file, if anything. Its header says where its last tensor ends, and so how long the file must be."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            size = path.stat().st_size
            if length > size:
                return f"is not a safetensors file or is cut off in its header: {_hint(path)}"
            header = json.loads(file.read(length))
        end = max((tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"), default=0)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return f"is not a safetensors file: {_hint(path)}"
    expected = 8 + length + end
    return None if size == expected else f"is {size:,} bytes long, its header says {expected:,}: {_hint(path)}"


def _hint(path: Path) -> str:
    with path.open("rb") as file:
        if file.read(40).startswith(b"version https://git-lfs"):
            return "it is a Git LFS pointer, run `git lfs pull`"
    return "copy or download it again"
