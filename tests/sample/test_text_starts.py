"""How traces of a `TextSource` begin: from a prefix of another trace, and from what others wrote."""

from __future__ import annotations

import asyncio

import pytest

from orchestra.engine.virtual import run_virtual
from orchestra.errors import ConfigError
from orchestra.sample.decisions import Branch, Revise
from tests.chat.byte_model import END
from tests.sample.text_traces import BYTES, engine_that_says, ids, source_on, trace_of


class TestBranch:
    def test_it_goes_on_from_the_exact_tokens_and_its_text_holds_them(self) -> None:
        origin_ids = [*ids("Let x = 1.\n\nThen 2."), END]
        engine = engine_that_says(origin_ids, "\\boxed{7}")
        source, origin = source_on(engine, max_tokens=50), trace_of()
        run_virtual(source.run(origin))
        branch = trace_of(1, start=Branch(0, 5), shown=[origin])
        assert run_virtual(source.run(branch)).answer == "7"
        (first, _), (second, completion) = engine.log
        assert list(second.prompt) == [*first.prompt, *origin_ids[:5]]
        assert second.sampling.max_tokens == 45
        assert branch.text == BYTES.decode(origin_ids[:5]) + "\\boxed{7}"
        assert branch.usage.sampled == len(completion.token_ids)
        assert source.words(branch, 0) == BYTES.decode(origin_ids[:5])

    def test_of_a_branch_it_inherits_all(self) -> None:
        engine = engine_that_says("abcdef", "ghi", "jkl")
        source, origin = source_on(engine), trace_of()
        run_virtual(source.run(origin))
        branch = trace_of(1, start=Branch(0, 2), shown=[origin])
        run_virtual(source.run(branch))
        twig = trace_of(2, start=Branch(1, 100), shown=[branch])
        run_virtual(source.run(twig))
        assert twig.text == "ab" + "ghi" + "jkl"
        assert END not in engine.log[2][0].prompt[-5:]

    def test_of_a_trace_that_runs_unwatched_is_refused(self) -> None:
        source = source_on(engine_that_says("abc" * 50, seconds_per_token=1.0))
        origin = trace_of()

        async def main() -> None:
            async with asyncio.TaskGroup() as group:
                run = group.create_task(source.run(origin))
                await asyncio.sleep(3)
                with pytest.raises(ConfigError, match="trace 0 is running unwatched and cannot be branched"):
                    await source.run(trace_of(1, start=Branch(0, 1), shown=[origin]))
                run.cancel()

        run_virtual(main())


class TestRevise:
    def test_it_is_shown_what_was_said_without_the_thinking(self, monkeypatch: pytest.MonkeyPatch) -> None:
        engine = engine_that_says("<think>a secret</think>It is \\boxed{7}.", "\\boxed{8}")
        source, first = source_on(engine), trace_of()
        run_virtual(source.run(first))
        monkeypatch.setattr(
            "orchestra.sample.text_source.render",
            lambda name, **v: f"{name} {v['problem']} {[(a.text, a.answer) for a in v['attempts']]}",
        )
        ending = run_virtual(source.run(trace_of(1, start=Revise((0,), "refine"), shown=[first])))
        assert ending.answer == "8"
        prompt = BYTES.decode(list(engine.log[1][0].prompt))
        assert "refine What is 3 + 4? [('It is \\\\boxed{7}.', '7')]" in prompt

    def test_who_only_condenses_others_gives_no_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("orchestra.sample.text_source.render", lambda name, **_: name)
        source = source_on(engine_that_says("They say \\boxed{7}."))
        assert run_virtual(source.run(trace_of(start=Revise((), "distill")))).answer is None

    @pytest.mark.parametrize("purpose", ["nowhere", "../join", "a/b"])
    def test_a_purpose_without_a_prompt_is_refused(self, purpose: str) -> None:
        with pytest.raises(ConfigError, match="there is no prompt"):
            run_virtual(source_on(engine_that_says()).run(trace_of(start=Revise((), purpose))))
