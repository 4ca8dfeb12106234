"""What to do about a run that broke off: the same failure, with advice and with what is saved."""

from __future__ import annotations

from orchestra.errors import ConfigError, EngineError, OrchestraError

from ..memory import first_line, ran_out

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


def _advice(failure: EngineError) -> str:
    if "out of memory" in str(failure):
        return "Lower --max-requests, --slots or --row-tokens, which the same run may change"
    if diverged(failure):
        return "The policy has diverged: lower --lr"
    return "The same command goes on from the last checkpoint, with a new engine"
