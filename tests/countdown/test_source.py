"""Countdown traces as sampling policies see them, on scripted engines."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from orchestra.countdown import notation, player
from orchestra.countdown.attempt import Setup
from orchestra.countdown.problem import Problem
from orchestra.countdown.source import CountdownSource, check_needs, problem_text, spelled
from orchestra.engine.scores import Scores
from orchestra.engine.scripted import Script, ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.errors import ConfigError, EngineError
from orchestra.sample.decisions import Branch, Revise
from orchestra.sample.live import run_live
from orchestra.sample.policies.adaptive import first_finish, self_consistency
from orchestra.sample.policies.best_of import BestOf
from orchestra.sample.policies.muse import Muse
from orchestra.sample.policies.probing import ParallelProbe
from orchestra.sample.source import Ending, LiveTrace
from orchestra.thread import ledger

PROBLEM = Problem((11, 7, 5, 3), 24)
SERIAL = Setup(method="serial", beam=24, window=2000)
FORK = Setup(method="fork", window=400)


def trace_of(**fields: object) -> LiveTrace:
    return LiveTrace(id=0, session="", **fields)  # type: ignore[arg-type]


def run(trace: LiveTrace, setup: Setup = SERIAL, engine: ScriptedEngine | None = None) -> tuple[CountdownSource, Ending]:
    source = CountdownSource(engine or ScriptedEngine(player.answer), PROBLEM, setup)
    return source, run_virtual(source.run(trace))


def says(words: str) -> ScriptedEngine:
    return ScriptedEngine(lambda prompt: [notation.ID[word] for word in words.split()])


@pytest.mark.parametrize("setup", [SERIAL, FORK])
def test_a_trace_votes_with_the_key_of_its_solution_and_answers_with_an_expression(setup: Setup) -> None:
    trace = trace_of()
    source, ending = run(trace, setup)
    assert ending.answer == "(11-5)*(7-3)"
    assert trace.answer_text == source.attempt(trace).answer
    assert not ending.cut


@pytest.mark.parametrize("setup", [SERIAL, FORK])
def test_a_traces_usage_and_words_are_those_of_its_tree(setup: Setup) -> None:
    trace = trace_of()
    source, _ = run(trace, setup)
    assert trace.tree is not None
    account = ledger(trace.tree)
    assert (trace.usage.sampled, trace.usage.span, trace.usage.cached) == (account.work, account.span, account.cached)
    assert len(trace.text.split()) == account.work
    assert source.words(trace, 3) == " ".join(trace.text.split()[:3])


def test_a_wrong_claim_votes_with_its_own_words() -> None:
    trace = trace_of()
    _, ending = run(trace, engine=says("<goal> 11 + 5 = 6 7 - 3 = 4 6 * 4 = 24 <end>"))
    assert ending.answer == trace.answer_text == "11 + 5 = 6; 7 - 3 = 4; 6 * 4 = 24"


@pytest.mark.parametrize("words", ["<none> <end>", "<goal> 11 + <end>"])
def test_a_trace_that_claims_nothing_has_no_answer(words: str) -> None:
    assert run(trace_of(), engine=says(words))[1] == Ending(answer=None)


def test_a_trace_that_runs_out_of_tokens_is_cut() -> None:
    assert run(trace_of(), Setup(method="serial", window=30))[1] == Ending(answer=None, cut=True)


def test_an_aborted_trace_is_charged_for_what_it_has_sampled() -> None:
    trace = trace_of()

    async def main() -> None:
        source = CountdownSource(ScriptedEngine(player.answer, seconds_per_token=1.0), PROBLEM, SERIAL)
        async with asyncio.timeout(10.5):
            await source.run(trace)

    with pytest.raises(TimeoutError):
        run_virtual(main())
    assert trace.usage.sampled == trace.usage.span == len(trace.text.split()) == 10


def test_an_engine_failure_is_no_missing_answer() -> None:
    trace = trace_of()
    engine = ScriptedEngine(lambda prompt: Script(token_ids=[notation.NONE] * 3, error=EngineError("it is gone")))
    with pytest.raises(EngineError, match="it is gone"):
        run(trace, engine=engine)


@pytest.mark.parametrize("watched", [False, True])
def test_scores_and_steps_cover_every_token(watched: bool) -> None:
    seen: list[int] = []

    def on_tokens(count: int, scores: Scores | None) -> None:
        assert scores is not None and len(scores) == count
        seen.append(count)

    trace = trace_of(watched=watched, top_logprobs=20, on_tokens=on_tokens)
    _, ending = run(trace)
    assert trace.scores is not None and len(trace.scores) == trace.usage.sampled
    assert sum(seen) == (trace.usage.sampled if watched else 0)
    starts = [step.start for step in ending.steps]
    assert starts[0] == 0 and starts == sorted(set(starts)) and starts[-1] < trace.usage.sampled


def test_a_branch_goes_on_from_another_traces_words() -> None:
    origin = trace_of()
    run(origin)
    head = origin.text.split()[:20]
    prompts: list[Sequence[int]] = []

    def listen(prompt: Sequence[int]) -> list[int]:
        prompts.append(prompt)
        return [notation.NONE, notation.END]

    branch = trace_of(start=Branch(trace=0, tokens=20), shown=[origin])
    run(branch, engine=ScriptedEngine(listen))
    assert branch.text.split() == [*head, "<none>", "<end>"]
    assert spelled(prompts[0][-20:]).split() == head
    assert branch.usage.sampled == 2


def test_what_the_model_was_not_trained_for_is_refused_before_anything_starts() -> None:
    with pytest.raises(ConfigError, match="cannot be made to answer early"):
        check_needs(ParallelProbe(n=4).needs, SERIAL)
    with pytest.raises(ConfigError, match="only serial Countdown traces can be branched"):
        check_needs(Muse(budget=4, initial=2, aggregate="vote").needs, FORK)
    check_needs(Muse(budget=4, initial=2, aggregate="vote").needs, SERIAL)
    check_needs(BestOf(n=4).needs, FORK)


@pytest.mark.parametrize(
    ("fields", "setup", "message"),
    [
        ({"start": Revise(traces=(0,), purpose="refine"), "shown": [trace_of()]}, SERIAL, "cannot read other traces"),
        ({"start": Branch(trace=0, tokens=3), "shown": [trace_of()]}, FORK, "only serial"),
        ({"start": Branch(trace=0, tokens=3), "shown": [trace_of()]}, SERIAL, "none of Countdown"),
    ],
)
def test_what_a_trace_cannot_start_from_is_refused(fields: dict[str, object], setup: Setup, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run(trace_of(**fields), setup)


@pytest.mark.parametrize("setup", [SERIAL, FORK])
def test_the_critical_path_of_a_watched_trace_is_known_while_it_runs(setup: Setup) -> None:
    trace, seen = trace_of(watched=True), list[int]()
    trace.on_tokens = lambda count, scores: seen.append(trace.span or 0)
    run(trace, setup, ScriptedEngine(player.answer, seconds_per_token=1.0))
    assert seen == sorted(seen) and seen[-1] == trace.usage.span
    assert (trace.usage.span < trace.usage.sampled) == (setup is FORK)


def test_a_race_of_forked_traces_aborts_the_losers_with_all_their_threads() -> None:
    engine = ScriptedEngine(player.answer, seconds_per_token=1.0)

    async def main() -> tuple[str | None, list[LiveTrace], int]:
        traces: list[LiveTrace] = []
        outcome = await run_live(first_finish(3), CountdownSource(engine, PROBLEM, FORK), traces=traces)
        return outcome.answer, traces, await engine.running()

    answer, traces, running = run_virtual(main())
    assert answer == "(11-5)*(7-3)" and running == 0
    assert sum(trace.usage.sampled for trace in traces) == sum(len(completion.token_ids) for _, completion in engine.log)


def test_traces_of_one_problem_draw_from_seeds_of_their_own() -> None:
    engine = ScriptedEngine(player.answer)
    setup = Setup(method="serial", seed=3)
    run_virtual(run_live(self_consistency(4), CountdownSource(engine, PROBLEM, setup)))
    assert len({request.sampling.seed for request, _ in engine.log}) == 4


def test_a_problem_is_told_in_the_models_words() -> None:
    assert problem_text(PROBLEM) == "<target> 24 <numbers> 11 7 5 3"
