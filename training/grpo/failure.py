"""What to do about a run that broke off, or that learned nothing: the failure, with advice and with what is saved."""

from __future__ import annotations

import json
from pathlib import Path

from orchestra.errors import ConfigError, EngineError, OrchestraError

from ..memory import first_line, ran_out
from ..run_folder import METRICS

_NO_NUMBERS = "no numbers"


def diverged(cause: BaseException) -> bool:
    """Whether an engine failed because the policy is no longer made of numbers: then it is none to go on from."""
    return isinstance(cause, EngineError) and _NO_NUMBERS in str(cause)


def advised(cause: BaseException, *, saved: int) -> OrchestraError | None:
    """The error to raise in its place, after `saved` steps; None for one that there is no advice for."""
    whole = f"everything up to step {saved} is saved" if saved else "there is no checkpoint yet"
    if isinstance(cause, RuntimeError) and ran_out(cause):
        return ConfigError(f"memory ran out: lower --slots, --row-tokens or --gpu-memory; {whole} ({first_line(cause)})")
    if isinstance(cause, EngineError):
        return EngineError(f"{cause}. {_advice(cause)}; {whole}", status=cause.status)
    return cause if isinstance(cause, OrchestraError) else None


def unchanged(out: Path) -> str | None:
    """What to say of the run at `out` if none of its steps changed the weights, from its metrics; None if one did."""
    path = out / METRICS
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    updates = [line["updates"] for line in map(json.loads, lines) if "updates" in line]
    if not updates or any(updates):
        return None
    return (
        "no step changed the weights: all groups were silent (silent_share 1.0); raise --temperature, start from a model that explores, add"
        " a price to --reward, or take harder problems with --hard"
    )


def _advice(failure: EngineError) -> str:
    if "out of memory" in str(failure):
        return "Lower --max-requests, --slots or --row-tokens, which the same run may change"
    if diverged(failure):
        return "The policy has diverged: lower --lr"
    return "The same command goes on from the last checkpoint, with a new engine"
