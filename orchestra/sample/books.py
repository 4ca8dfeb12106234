"""Keeps the account of a live run: what its traces, probes and judges have taken."""

from __future__ import annotations

from .account import Account
from .decisions import Revise
from .prompts import WITHOUT_ANSWER
from .source import LiveTrace, Usage


class Books:
    """Writes into `account`; every token that was sampled is entered once."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def trace(self, trace: LiveTrace, *, ended: bool) -> None:
        """All that a trace has taken, with its lost probes, when it takes no more. `ended`: by itself, in time to be heard."""
        account, usage = self._account, trace.usage
        if not ended:
            account.aborted += usage.sampled
        elif isinstance(trace.start, Revise) and trace.start.purpose in WITHOUT_ANSWER:
            account.summary += usage.sampled
        else:
            account.kept += usage.sampled
        self._requests(usage)
        self.probe(trace.lost_probes)

    def probe(self, usage: Usage) -> None:
        self._account.probe += usage.sampled
        self._requests(usage)

    def judge(self, sampled: int, read: int) -> None:
        """Tokens, in vain or not."""
        self._account.judge += sampled
        self._account.judge_read += read

    def _requests(self, usage: Usage) -> None:
        account = self._account
        account.overshoot += usage.overshoot
        account.prefill = None if account.prefill is None or usage.prefill is None else account.prefill + usage.prefill
        account.cached = None if account.cached is None or usage.cached is None else account.cached + usage.cached
