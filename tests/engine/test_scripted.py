import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.engine import Completion, Request, Sampling, Scores
from orchestra.engine.scripted import Script, ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.errors import EngineError


def hundreds(prompt: Sequence[int]) -> list[int]:
    return list(range(100 * prompt[-1]))


def request(*prompt: int, max_tokens: int = 1000, stop: tuple[int, ...] = ()) -> Request:
    return Request(prompt=prompt, sampling=Sampling(max_tokens=max_tokens, stop_token_ids=stop))


def complete(engine: ScriptedEngine, *requests: Request) -> list[Completion]:
    """One after the other."""

    async def main() -> list[Completion]:
        return [await engine.generate(request) for request in requests]

    return run_virtual(main())


def test_children_finish_after_their_own_tokens_and_the_join_after_the_longest() -> None:
    engine = ScriptedEngine(hundreds, seconds_per_token=1.0)

    async def main() -> tuple[list[float], float]:
        children = await asyncio.gather(*(engine.generate(request(n)) for n in (1, 2, 3)))
        return [child.timings.finished for child in children], engine.now()

    assert run_virtual(main()) == ([100, 200, 300], 300)


def test_scores_are_those_of_the_most_probable_candidates_of_the_script() -> None:
    script = Script(token_ids=[5, 6, 7], top_logprobs=[[-3.0, -0.1, -4.0], [-0.5], [-1.0, -2.0]])
    asked = Request(prompt=[1], sampling=Sampling(max_tokens=2, top_logprobs=2))
    (done,) = complete(ScriptedEngine(lambda _: script), asked)
    expected = Scores(2)
    expected.add([-0.1, -3.0])
    expected.add([-0.5])
    assert done.scores == expected


def test_a_script_without_candidates_is_certain_and_one_that_nobody_asks_has_no_scores() -> None:
    engine = ScriptedEngine(hundreds)
    asked = Request(prompt=[1], sampling=Sampling(max_tokens=2, top_logprobs=20))
    certain, unasked = complete(engine, asked, request(1))
    assert certain.scores and unasked.scores is None
    assert (list(certain.scores.entropy), list(certain.scores.mass)) == ([0.0, 0.0], [1.0, 1.0])


@pytest.mark.parametrize("rows", [[[-1.0]], [[-1.0], []]], ids=["too few", "empty"])
def test_rows_of_candidates_must_match_the_tokens(rows: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="one row, not empty, for each of the 2 `token_ids`"):
        Script(token_ids=[1, 2], top_logprobs=rows)


@pytest.mark.parametrize("watched", [False, True])
def test_cancelled_child_keeps_the_tokens_whose_time_had_come(watched: bool) -> None:
    engine = ScriptedEngine(hundreds, seconds_per_token=1.0)
    aborted: list[Completion] = []
    child = Request(
        prompt=[3],
        sampling=Sampling(max_tokens=1000),
        on_tokens=(lambda _: None) if watched else None,
        on_abort=aborted.append,
    )

    async def main() -> int:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(200):
                await engine.generate(child)
        return await engine.running()

    assert run_virtual(main()) == 0
    [completion] = aborted
    assert completion.token_ids == list(range(200))
    assert (completion.finish, completion.timings.finished) == ("abort", 200)
    assert engine.log == [(child, completion)]


def test_token_that_is_due_when_its_request_is_cancelled_has_come() -> None:
    engine = ScriptedEngine(hundreds, seconds_per_token=0.1)
    seen: list[int] = []
    aborted: list[Completion] = []

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):  # as floats, less than 3 times 0.1
                await engine.generate(
                    Request(prompt=[1], sampling=Sampling(max_tokens=9), on_tokens=seen.extend, on_abort=aborted.append)
                )

    run_virtual(main())
    assert seen == aborted[0].token_ids == [0, 1, 2]


def test_child_cancelled_during_prefill_has_sampled_nothing() -> None:
    engine = ScriptedEngine(hundreds, seconds_per_token=1.0, seconds_per_prefill_token=10.0)
    aborted: list[Completion] = []

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(15):
                await engine.generate(Request(prompt=[0, 1], sampling=Sampling(max_tokens=5), on_abort=aborted.append))

    run_virtual(main())
    assert aborted[0].token_ids == []
    assert aborted[0].timings.first_token is None


def test_deltas_come_at_the_time_of_each_token() -> None:
    engine = ScriptedEngine(hundreds, seconds_per_token=0.5)
    seen: list[tuple[float, list[int]]] = []

    async def main() -> None:
        await engine.generate(
            Request(prompt=[1], sampling=Sampling(max_tokens=3), on_tokens=lambda ids: seen.append((engine.now(), list(ids))))
        )

    run_virtual(main())
    assert seen == [(0.5, [0]), (1.0, [1]), (1.5, [2])]


def test_prefill_delays_the_first_token_by_the_uncached_prompt_only() -> None:
    engine = ScriptedEngine(hundreds, seconds_per_token=1.0, seconds_per_prefill_token=0.25, cache_block=4)
    first, again = complete(engine, request(*range(8), 1), request(*range(8), 1))
    assert first.timings.first_token == 9 * 0.25 + 1
    assert again.timings.first_token == first.timings.finished + 1 * 0.25 + 1


def test_first_requested_stop_id_ends_the_completion_and_stays_in_it() -> None:
    engine = ScriptedEngine(lambda _: [1, 2, 3, 4, 3])
    [completion] = complete(engine, request(0, stop=(4, 3)))
    assert (completion.token_ids, completion.finish, completion.stop_token) == ([1, 2, 3], "stop", 3)


def test_stop_id_as_the_last_allowed_token_is_a_stop() -> None:
    [completion] = complete(ScriptedEngine(lambda _: [1, 2, 3]), request(0, max_tokens=2, stop=(2,)))
    assert (completion.token_ids, completion.finish, completion.stop_token) == ([1, 2], "stop", 2)


def test_max_tokens_cuts_before_a_later_stop_id() -> None:
    [completion] = complete(ScriptedEngine(lambda _: [1, 2, 3]), request(0, max_tokens=2, stop=(3,)))
    assert (completion.token_ids, completion.finish, completion.stop_token) == ([1, 2], "length", None)


def test_script_that_runs_out_stops_without_a_stop_token() -> None:
    [completion] = complete(ScriptedEngine(lambda _: [1, 2]), request(0, stop=(9,)))
    assert (completion.token_ids, completion.finish, completion.stop_token) == ([1, 2], "stop", None)


def test_logprobs_are_zero_unless_the_script_gives_them() -> None:
    plain = complete(ScriptedEngine(lambda _: [1, 2, 3]), request(0, max_tokens=2))
    given_ = complete(ScriptedEngine(lambda _: Script(token_ids=[1, 2, 3], logprobs=[-1, -2, -3])), request(0, max_tokens=2))
    assert [plain[0].logprobs, given_[0].logprobs] == [[0.0, 0.0], [-1, -2]]


def test_answer_sees_the_exact_prompt_ids() -> None:
    seen: list[Sequence[int]] = []

    def answer(prompt: Sequence[int]) -> list[int]:
        seen.append(prompt)
        return [1]

    complete(ScriptedEngine(answer), request(4, 5, 6))
    assert seen == [(4, 5, 6)]


def test_refused_request_raises_and_leaves_others_alone() -> None:
    outage = EngineError("no route to host", status=503)
    engine = ScriptedEngine(hundreds, seconds_per_token=1.0, failures=lambda r: outage if r.session == "unlucky" else None)

    async def main() -> tuple[Completion | BaseException, ...]:
        unlucky = Request(prompt=[2], sampling=Sampling(max_tokens=1000), session="unlucky")
        return await asyncio.gather(engine.generate(request(1)), engine.generate(unlucky), return_exceptions=True)

    completion, error = run_virtual(main())
    assert error is outage
    assert [entry[1] for entry in engine.log] == [completion]


def test_failure_in_mid_stream_reports_what_had_been_sampled() -> None:
    engine = ScriptedEngine(lambda _: Script(token_ids=[1, 2], error=EngineError("connection dropped")), seconds_per_token=1.0)
    aborted: list[Completion] = []
    with pytest.raises(EngineError, match="connection dropped"):
        complete(engine, Request(prompt=[0], sampling=Sampling(max_tokens=9), on_abort=aborted.append))
    assert (aborted[0].token_ids, aborted[0].finish, aborted[0].timings.finished) == ([1, 2], "abort", 2)


def test_log_holds_finished_and_cancelled_requests_in_the_order_of_their_ends() -> None:
    engine = ScriptedEngine(hundreds, seconds_per_token=1.0)
    cancelled, finished = request(3), request(2)

    async def main() -> int:
        async with asyncio.TaskGroup() as group:
            group.create_task(engine.generate(finished))
            child = group.create_task(engine.generate(cancelled))
            await asyncio.sleep(150)
            running = await engine.running()
            child.cancel()
        return running

    assert run_virtual(main()) == 2
    assert [(entry is cancelled, completion.finish, len(completion.token_ids)) for entry, completion in engine.log] == [
        (True, "abort", 150),
        (False, "stop", 200),
    ]


@given(num_tokens=st.integers(1, 70), block=st.integers(1, 20))
def test_repeated_prompt_is_cached_up_to_the_last_full_block_before_its_last_token(num_tokens: int, block: int) -> None:
    prompt = request(*range(num_tokens))
    first, again = complete(ScriptedEngine(lambda _: [1], cache_block=block), prompt, prompt)
    assert (first.cached_tokens, again.cached_tokens) == (0, (num_tokens - 1) // block * block)


@given(num_prompt=st.integers(1, 40), num_sampled=st.integers(1, 40), block=st.integers(1, 20))
def test_fork_finds_all_full_blocks_that_its_parent_computed(num_prompt: int, num_sampled: int, block: int) -> None:
    prompt, sampled = [1] * num_prompt, [2] * num_sampled
    engine = ScriptedEngine(lambda _: sampled, cache_block=block)
    _, child = complete(engine, request(*prompt), request(*prompt, *sampled, 3))
    assert child.cached_tokens == (num_prompt + num_sampled - 1) // block * block


def test_prompt_that_differs_in_its_first_token_finds_nothing() -> None:
    _, other = complete(ScriptedEngine(lambda _: [1], cache_block=2), request(1, 2, 3, 4, 5), request(9, 2, 3, 4, 5))
    assert other.cached_tokens == 0


def test_siblings_that_start_together_share_the_first_ones_prefill() -> None:
    engine = ScriptedEngine(lambda _: [1], cache_block=4)

    async def main() -> list[int | None]:
        children = await asyncio.gather(*(engine.generate(request(*range(8), header)) for header in (50, 51, 52)))
        return [child.cached_tokens for child in children]

    assert run_virtual(main()) == [0, 8, 8]
