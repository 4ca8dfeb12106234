"""Terms that switch between rewards by the training step: `early() * first + late() * then`."""

from __future__ import annotations

from orchestra.errors import ConfigError

from .reward import Read, Setting, term


@term
def early(*, window: int = 10, steps: int = 8) -> Read:
    """1 in the first `steps` of each `window` training steps, else 0.

    The defaults are Parallel-R1's (arXiv 2509.07980, W = 10): `(global_step - 1) % 10 < 8` in
    `verl/verl/utils/reward_score/math_dapo_acc_parallel_interved.py`.
    """
    _check(window, steps)
    return lambda _, setting: float(_is_early(setting, window, steps))


@term
def late(*, window: int = 10, steps: int = 8) -> Read:
    """1 in the steps of each `window` after the first `steps`, else 0: 1 - `early`."""
    _check(window, steps)
    return lambda _, setting: float(not _is_early(setting, window, steps))


def _is_early(setting: Setting, window: int, steps: int) -> bool:
    return (setting.step - 1) % window < steps


def _check(window: int, steps: int) -> None:
    if not 0 <= steps <= window or window < 1:
        raise ConfigError(f"of a window of {window} training steps (`window`) the first {steps} (`steps`) cannot be meant")
