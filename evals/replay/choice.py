"""Which policies a replay compares: those asked for, or a default set, as far as the pool can express them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from orchestra.errors import ConfigError
from orchestra.sample.named import RECOMMENDED, read_policy
from orchestra.sample.policy import Policy
from orchestra.sample.pool import Pool
from orchestra.sample.replay import Rules, lacking

from .results import Skipped

_BASELINE_TRACES = 64
_FEW = 16


@dataclass(frozen=True, slots=True)
class Choice:
    """What can be replayed; the baseline is the first."""

    specs: list[str]
    policies: list[Policy]
    skipped: list[Skipped]
    notes: list[str]


def choose(pool: Pool, rules: Rules, specs: Sequence[str], *, baseline: str | None = None) -> Choice:
    """Those of `specs` that the pool can express, and why the others are skipped. Without `specs` it is the default set.

    Without a `baseline` it is plain self-consistency with 64 traces, or with all that there are. Raises `ConfigError` for a policy that
    nobody knows, for a baseline that cannot run, and when nothing beside it can.
    """
    if not pool.depth or (pool.depth == 1 and not specs):
        raise ConfigError(
            f"some problem of {pool.name} has {pool.depth or 'no'} trace of the main arm, and voting takes several: sample more "
            "(`orchestra eval … --epochs N`), or leave that problem out"
        )
    notes = []
    if baseline is None:
        traces = min(_BASELINE_TRACES, pool.depth)
        baseline = f"self_consistency:n={traces}"
        if traces < _BASELINE_TRACES:
            notes.append(f"The baseline has {traces} trace{'s' if traces > 1 else ''}, since some problem of the pool has no more.")
    first = read_policy(baseline)
    if why := obstacle(first, pool, rules):
        raise ConfigError(f"the baseline {baseline} cannot run on {pool.name}: {why}; choose another `--baseline`")
    choice = Choice([baseline], [first], [], notes)
    for spec in dict.fromkeys(specs or default_specs(pool, rules)):
        policy = read_policy(spec)
        if why := obstacle(policy, pool, rules):
            choice.skipped.append(Skipped(policy=spec, reason=why))
        elif spec != baseline:
            choice.specs.append(spec)
            choice.policies.append(policy)
    if choice.skipped and len(choice.specs) == 1 and baseline not in specs:
        reasons = "\n  ".join(f"{skipped.policy}: {skipped.reason}" for skipped in choice.skipped)
        raise ConfigError(
            f"the pool {pool.name} can express none of the policies; run them live, or record what they need\n  {reasons}"
        )
    return choice


def default_specs(pool: Pool, rules: Rules) -> list[str]:
    """One or two settings of each kind of policy that the pool can express, scaled down to the traces that it has."""
    return [spec for spec in dict.fromkeys(_candidates(pool)) if not obstacle(read_policy(spec), pool, rules)]


def _candidates(pool: Pool) -> Iterator[str]:
    depth = pool.depth
    few, many = min(_FEW, depth), min(_BASELINE_TRACES, depth)
    recommended = read_policy(RECOMMENDED).most
    yield RECOMMENDED if recommended <= depth else f"adaptive:n={depth},m={ceil(0.64 * depth)},weight=length"
    yield f"self_consistency:n={few}"
    yield f"self_consistency:n={few},weight=length"
    yield f"asc_events:n={few}"
    yield f"asc_events:n={many}"
    yield f"short_m:n={few},m={ceil(few / 2)}"
    yield f"first_finish:n={few}"
    first = ceil(few / 3)
    yield f"staged:{first},{max(1, few - first)}@{ceil(few / 2)}"
    yield f"self_consistency:n={few},weight=entropy"
    yield f"self_consistency:n={few},weight=tail"
    yield f"adaptive_consistency:n={many}"
    yield f"esc:n={many},window={min(many, max(2, many // 8))}"
    yield f"parallel_probe:n={many},tokens_every={pool.probe_every or 500}"
    yield f"deep_conf:n={few}"
    yield f"best_of:n={few}"


def obstacle(policy: Policy, pool: Pool, rules: Rules) -> str | None:
    """Why the pool cannot express `policy`; None when it can."""
    if missing := lacking(policy.needs, pool, rules):
        return f"the pool has no {', no '.join(missing)}"
    if policy.most > pool.depth:
        return f"it may launch {policy.most} traces, and some problem of the pool has only {pool.depth}"
    return None
