"""What policy tests share: events written out and what is decided on each, and games in which hypothesis says how everything ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st

from orchestra.sample.again import decide_again
from orchestra.sample.decisions import Branch, Decision, Judge, Launch, Probe, Revise, Wake
from orchestra.sample.events import Begun, Event, Failed, Finished, Judged, Progress, Step
from orchestra.sample.outcome import Outcome
from orchestra.sample.policy import Policy
from orchestra.sample.run import Run
from orchestra.sample.scores import TraceScores

BEGUN = Begun(0.0)


def ended(
    trace: int, answer: str | None, tokens: int = 10, *, entropy: float | None = None, steps: Sequence[Step] = ()
) -> Finished:
    return Finished(float(trace + 1), trace, answer, tokens, scores=scored(entropy), steps=steps)


def lost(trace: int) -> Failed:
    return Failed(float(trace + 1), trace, "the server has gone")


def judged(question: str, *scores: tuple[int | tuple[int, ...], float | None]) -> Judged:
    return Judged(0.0, question, {(group,) if isinstance(group, int) else group: score for group, score in scores})


def scored(entropy: float | None) -> TraceScores | None:
    if entropy is None:
        return None
    return TraceScores(confidence=1, entropy=entropy, tail=1, lowest=1, bottom=1, certainty=1)


def follow(policy: Policy, *turns: tuple[Event, list[Decision]]) -> None:
    """A fresh decider answers each event with these decisions."""
    decider = policy.decider()
    for number, (event, decisions) in enumerate(turns):
        assert list(decider.on(event)) == decisions, f"turn {number}: {event}"


def decisions(policy: Policy, *events: Event) -> list[Decision]:
    """What is decided on the last of these events."""
    decider = policy.decider()
    last: list[Decision] = []
    for event in events:
        last = list(decider.on(event))
    return last


@dataclass
class Table:
    """A stage that keeps what was asked for until the game lets it happen. It refuses to show what has not ended."""

    running: list[int] = field(default_factory=list)
    judges: list[Judge] = field(default_factory=list)
    finished: dict[int, int] = field(default_factory=dict)
    """Tokens by trace."""
    run: Run = field(init=False)

    def launch(self, first: int, launch: Launch) -> None:
        match launch.start:
            case Branch(trace=trace, tokens=tokens):
                assert 0 < tokens <= self.finished[trace]
            case Revise(traces=traces):
                assert set(traces) <= self.finished.keys()
        self.running += range(first, first + launch.count)

    def abort(self, trace: int) -> None:
        self.running.remove(trace)

    def probe(self, probe: Probe) -> None:
        raise AssertionError(probe)

    def judge(self, judge: Judge) -> None:
        assert judge.groups
        self.run.pending += 1
        self.judges.append(judge)

    def wake(self, wake: Wake) -> None:
        raise AssertionError(wake)


def play(policy: Policy, data: st.DataObject, *, silent: bool = False) -> Outcome:
    """A whole run in which traces and judges come to their ends in an order and with results that `data` draws: it stops, launches no more than it
    may, decides the same again, and says why. `silent`: no trace states an answer."""
    table = Table()
    run = table.run = Run(policy, table, log=True)
    run.post(BEGUN)
    needs = policy.needs
    for _ in range(20 * policy.most + 20):
        if run.stop is not None:
            break
        moves = [("end", trace) for trace in table.running] + [("judge", number) for number in range(len(table.judges))]
        if needs.tokens_every:
            moves += [("progress", trace) for trace in table.running]
        kind, number = data.draw(st.sampled_from(moves))
        if kind == "judge":
            judge = table.judges.pop(number)
            run.pending -= 1
            score = st.none() | st.floats(0, 10)
            run.post(Judged(1.0, judge.question, {group: data.draw(score) for group in judge.groups}))
        elif kind == "progress":
            run.post(Progress(1.0, {number: needs.tokens_every}))
        else:
            table.running.remove(number)
            run.post(_end(number, table, data, silent=silent, scores=needs.scores, steps=needs.steps))
    assert run.stop is not None, "it never stops"
    outcome = run.outcome()
    assert outcome.account.launched <= policy.most
    assert decide_again(policy, outcome.turns) is None
    assert outcome.why
    answers = {event.answer for turn in outcome.turns if isinstance(event := turn.event, Finished)}
    assert outcome.answer is None or outcome.answer in answers
    return outcome


def _end(trace: int, table: Table, data: st.DataObject, *, silent: bool, scores: bool, steps: bool) -> Finished | Failed:
    if data.draw(st.integers(0, 4)) == 4:
        return lost(trace)
    tokens = table.finished[trace] = data.draw(st.integers(1, 50))
    answer = None if silent else data.draw(st.sampled_from([None, "1", "2", "3"]))
    entropy = data.draw(st.none() | st.floats(0, 5)) if scores else None
    starts = data.draw(st.lists(st.integers(0, tokens), max_size=4, unique=True)) if steps else []
    return ended(trace, answer, tokens, entropy=entropy, steps=[Step(start, data.draw(st.floats(1, 20))) for start in starts])
