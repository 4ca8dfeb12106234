"""What a try has taken, from the accounts of run trees and of sampling policies."""

from __future__ import annotations

from collections.abc import Sequence

from orchestra.sample.outcome import Outcome
from orchestra.sample.source import LiveTrace
from orchestra.thread import Ledger, RunTree, ledger

from ..method import Costs


def costs_of_tree(tree: RunTree, account: Ledger, *, explored: int | None = None) -> Costs:
    """Of one run tree and its ledger."""
    return Costs(
        work=account.work,
        span=account.span,
        wasted=account.wasted,
        unobserved=account.unobserved,
        injected=account.injected,
        cached=account.cached,
        prefilled=account.prefilled,
        context=widest(tree),
        requests=account.requests,
        threads=tree.num_threads,
        refused=account.refused,
        cut=_cut(tree),
        explored=explored,
        engine_seconds=account.engine_seconds,
        wall_seconds=account.wall_seconds,
    )


def costs_of_sample(outcome: Outcome, traces: Sequence[LiveTrace]) -> Costs:
    """Of a policy's run: its account, with what only the traces' own trees tell."""
    account = outcome.account
    ledgers = [ledger(trace.tree) for trace in traces if trace.tree is not None]
    contexts = [found for trace in traces if (found := _context(trace)) is not None]
    return Costs(
        work=account.work,
        span=account.span,
        # A "first" join cancels threads inside traces that end by themselves.
        wasted=account.wasted + sum(_wasted_inside(trace) for trace in traces if trace.tree is not None),
        unobserved=account.overshoot,
        injected=sum(one.injected for one in ledgers),
        cached=account.cached,
        prefilled=account.prefill,
        judged=account.judge_read,
        context=max(contexts, default=None),
        requests=sum(one.requests for one in ledgers) or account.launched,
        threads=sum(1 + one.children for one in ledgers) or account.launched,
        refused=sum(one.refused for one in ledgers),
        cut=sum(_cut(trace.tree) for trace in traces if trace.tree is not None),
        engine_seconds=sum(one.engine_seconds for one in ledgers),
        wall_seconds=account.seconds,
    )


def widest(tree: RunTree) -> int | None:
    """The most tokens that a context of the tree held; None when nothing was asked."""
    return max((len(context) + len(completion.token_ids) for context, completion in tree.requests()), default=None)


def _cut(tree: RunTree) -> int:
    """Threads below those that the run began with: of a race, a runner that had too few tokens is one that has lost."""
    return sum(thread.depth > tree.silent_root and thread.status == "cut" for thread in tree.threads)


def _context(trace: LiveTrace) -> int | None:
    if trace.tree is not None:
        return widest(trace.tree)
    usage = trace.usage
    return None if usage.prefill is None or usage.cached is None else usage.prefill + usage.cached + usage.sampled


def _wasted_inside(trace: LiveTrace) -> int:
    assert trace.tree is not None
    return ledger(trace.tree).wasted if trace.tree.root.status != "cancelled" else 0
