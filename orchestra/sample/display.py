"""What a person sees of a sample: a live view while it runs, and the account when it is over."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from .account import Account
from .decisions import Abort, Launch, Stop
from .events import Failed, Finished
from .outcome import Outcome, Turn
from .policy import Decider, Standing
from .tally import Tally

_WIDTH = 28


class LiveSample:
    """The votes as they come in. On a terminal they are redrawn; elsewhere nothing is written until the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._tally = Tally()
        self._decider: Decider | None = None
        self._launched = self._ended = self._lost = self._aborted = self._mute = 0
        self._live = Live(console=console, refresh_per_second=8, transient=True, get_renderable=self.frame)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.stop()

    def observe(self, turn: Turn, decider: Decider) -> None:
        self._decider = decider
        match turn.event:
            case Finished(answer=answer):
                self._ended += 1
                if answer is None:
                    self._mute += 1
                else:
                    self._tally.add(answer)
            case Failed():
                self._lost += 1
        for decision in turn.decisions:
            match decision:
                case Launch(count=count):
                    self._launched += count
                case Abort(traces=traces):
                    self._aborted += len(traces)
                case Stop():
                    self._aborted = self._launched - self._ended - self._lost

    def frame(self) -> Table:
        """All of it, as it is now."""
        running = self._launched - self._ended - self._lost - self._aborted
        view = Table.grid(padding=(0, 1))
        view.add_row(
            Text(
                f"{time.monotonic() - self._began:5.1f} s · {self._launched} launched · {running} running · {self._ended} ended"
                + (f" · {self._lost} lost" if self._lost else ""),
                "dim",
            )
        )
        view.add_row(vote_bars(self._tally, self._mute))
        if self._decider is not None and (now := moment_line(self._decider.standing())):
            view.add_row(Text(now, "dim"))
        return view


def moment_line(standing: Standing) -> str:
    """The answer of the moment in one line: "now 42 · posterior 0.91 · one more vote gains at most 0.03"."""
    if standing.answer is None:
        return ""
    parts = [f"now {_short(standing.answer).plain}"]
    if standing.posterior is not None:
        parts.append(f"posterior {standing.posterior:.2f}")
    if standing.gain is not None:
        parts.append(f"one more vote gains at most {standing.gain:.2f}")
    return " · ".join(parts)


def vote_bars(tally: Tally, mute: int, *, most: int = 6) -> Table:
    """A bar for each of the `most` leading answers."""
    bars = Table.grid(padding=(0, 1))
    total = tally.total + mute or 1
    for answer, mass in sorted(tally.mass.items(), key=lambda vote: -vote[1])[:most]:
        bars.add_row(_short(answer), Text("█" * max(1, round(_WIDTH * mass / total)), "green"), Text(f"{mass:g}"))
    if mute:
        bars.add_row(Text("no answer", "dim"), Text("█" * max(1, round(_WIDTH * mute / total)), "dim"), Text(str(mute)))
    return bars


def account_line(outcome: Outcome) -> str:
    """Tokens and time in one line: "work 12,034 (kept 8,120, aborted 3,914) · span 2,100 · 4.1 s · 14 traces, 9 ended"."""
    account = outcome.account
    parts = [(name, getattr(account, name)) for name in ("kept", "aborted", "probe", "judge", "summary")]
    kinds = ", ".join(f"{name} {count:,}" for name, count in parts if count)
    overshoot = f", up to {account.overshoot:,} after aborts" if account.overshoot else ""
    read = f" · judges read {account.judge_read:,}" if account.judge_read else ""
    return (
        f"work {account.work:,} ({kinds or 'nothing sampled'}{overshoot}) · span {account.span:,}{read} · {account.seconds:.1f} s · "
        f"{account.launched} traces, {account.finished} ended{_lost(account)}"
    )


def _lost(account: Account) -> str:
    return f", {account.failed} lost" if account.failed else ""


def _short(answer: str) -> Text:
    text = Text(answer, "bold")
    text.truncate(40, overflow="ellipsis")
    return text
