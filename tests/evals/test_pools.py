"""Sampling a pool on the flawless scripted player: what is kept, what is resumed, what is put together, what is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from orchestra.evals import pools
from orchestra.evals.pools import main, pieces

from orchestra.countdown.source import CountdownSource
from orchestra.engine import Completion, Request
from orchestra.engine.scripted import ScriptedEngine
from orchestra.errors import EngineError
from orchestra.sample.policies.adaptive import asc_events, self_consistency
from orchestra.sample.policies.best_of import BestOf
from orchestra.sample.policies.deepconf import DeepConf
from orchestra.sample.pool import Pool
from orchestra.sample.pool_file import read_pool
from orchestra.sample.replay import Rules, lacking, replay

SHIPPED = Path(__file__).parents[1] / "data" / "countdown-pool.jsonl.gz"


def sample(out: Path, *options: str, problems: int = 5, traces: int = 3) -> int:
    command = ["--engine", "scripted", "--out", str(out), "--problems", str(problems), "--traces", str(traces)]
    return main([*command, *options])


@pytest.mark.parametrize("method", [["serial"], ["fork"], ["fork", "--join", "first"], ["weave"]])
def test_a_pool_holds_every_trace_of_every_problem(tmp_path: Path, method: list[str]) -> None:
    out = tmp_path / "pool.jsonl.gz"
    assert sample(out, "--method", *method, "--window", "3072", "--beam", "24") == 0
    pool = read_pool(out)
    assert [len(problem.traces) for problem in pool.problems] == [3] * 5
    traces = [trace for problem in pool.problems for trace in problem.traces]
    assert all(trace.correct == (trace.answer is not None) for trace in traces)
    assert any(trace.correct for trace in traces)
    assert all((trace.span is None) == (method == ["serial"]) for trace in traces)
    assert all(trace.span is None or 0 < trace.span < trace.tokens for trace in traces)
    assert not list(tmp_path.glob("*.part"))


def test_what_replays_need_is_kept_where_it_is_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "pool.jsonl.gz"
    assert sample(out, "--top-logprobs", "20", "--steps", "--texts", "--token-ids") == 0
    pool = read_pool(out)
    assert pool.stride == 16
    for trace in (trace for problem in pool.problems for trace in problem.traces):
        assert trace.token_ids is not None and trace.text is not None and trace.confidence is not None
        assert len(trace.token_ids) == len(trace.text.split()) == trace.tokens
        assert len(trace.confidence) == -(-trace.tokens // 16)
        assert trace.scores is not None and trace.steps


def test_a_piece_is_the_mean_of_its_tokens_and_the_last_may_be_short() -> None:
    assert pieces([1.0, 3.0, 5.0, 7.0, 4.0], 2) == [2.0, 6.0, 4.0]
    assert pieces([], 2) == []


def test_shards_make_the_pool_that_one_process_samples(tmp_path: Path) -> None:
    able = ("--window", "400", "--beam", "24")
    assert sample(tmp_path / "whole.jsonl.gz", *able) == 0
    shards = [tmp_path / f"shard-{index}.jsonl.gz" for index in range(2)]
    for index, shard in enumerate(shards):
        assert sample(shard, "--shard", f"{index}/2", *able) == 0
    assert main(["--out", str(tmp_path / "merged.jsonl.gz"), "--merge", *map(str, shards)]) == 0

    def by_id(pool: Pool) -> dict[str, Any]:
        return {problem.id: problem for problem in pool.problems}

    assert by_id(read_pool(tmp_path / "merged.jsonl.gz")) == by_id(read_pool(tmp_path / "whole.jsonl.gz"))


def test_a_run_that_an_engine_failure_ends_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, asked = tmp_path / "pool.jsonl.gz", 0
    generate = ScriptedEngine.generate

    async def failing(self: ScriptedEngine, request: Request) -> Completion:
        nonlocal asked
        asked += 1
        if asked == 8:
            raise EngineError("the engine has died")
        return await generate(self, request)

    monkeypatch.setattr(ScriptedEngine, "generate", failing)
    assert sample(out, "--at-once", "1") == 1
    assert not out.exists()
    part = tmp_path / "pool.jsonl.gz.part"
    kept = part.read_text().splitlines()[1:]
    assert len(kept) == 2
    part.write_text(part.read_text() + '{"id": "torn when the machine')
    assert sample(out, "--at-once", "1") == 0
    assert asked == 9 + 9  # all three traces of the third problem were asked for again
    assert len(read_pool(out).problems) == 5
    before = asked
    assert sample(out, problems=6) == 0
    assert asked == before + 3  # a longer list goes on from a finished pool


def test_an_interrupt_keeps_what_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded: list[str] = []
    record = pools.record

    async def interrupted(source: CountdownSource, **options: Any) -> Any:
        if len(recorded) == 2:
            raise KeyboardInterrupt
        recorded.append(source.problem.key)
        return await record(source, **options)

    monkeypatch.setattr(pools, "record", interrupted)
    out = tmp_path / "pool.jsonl.gz"
    assert sample(out, "--at-once", "1") == 130
    assert "the same command goes on" in " ".join(capsys.readouterr().err.split())
    kept = (tmp_path / "pool.jsonl.gz.part").read_text().splitlines()[1:]
    assert [json.loads(line)["id"] for line in kept] == recorded


@pytest.mark.parametrize("options", [["--temperature", "1"], ["--method", "fork"], ["--top-logprobs", "20"]])
def test_a_pool_that_was_sampled_otherwise_is_not_gone_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    out = tmp_path / "pool.jsonl.gz"
    assert sample(out) == 0
    before = out.read_bytes()
    assert sample(out, *options) == 1
    assert "holds another pool" in capsys.readouterr().err
    assert out.read_bytes() == before


def test_pools_that_do_not_belong_together_are_not_merged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = tmp_path / "one.jsonl.gz", tmp_path / "other.jsonl.gz"
    assert sample(one) == sample(other, "--temperature", "1") == 0
    assert main(["--out", str(tmp_path / "out.jsonl.gz"), "--merge", str(one), str(other)]) == 1
    assert "was not sampled like" in " ".join(capsys.readouterr().err.split())
    assert main(["--out", str(tmp_path / "out.jsonl.gz"), "--merge", str(one), str(one)]) == 1
    assert "the same problem is in two" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--gpu-memory", "0.1"], "--gpu-memory is for vLLM"),
        (["--shard", "4/5", "--problems", "2"], "holds no problem"),
        (["--temperature", "-1"], "`temperature` must not be negative"),
    ],
)
def test_bad_settings_are_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert sample(tmp_path / "pool.jsonl.gz", *options) == 1
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_shard_is_written_as_index_and_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        sample(tmp_path / "pool.jsonl.gz", "--shard", "4/4")
    assert "a shard is INDEX/COUNT such as 0/4, got '4/4'" in capsys.readouterr().err


def test_the_shipped_pool_can_express_what_countdown_can() -> None:
    pool = read_pool(SHIPPED)
    assert (len(pool.problems), pool.depth, pool.stride) == (20, 16, 16)
    assert len(gzip.decompress(SHIPPED.read_bytes()).splitlines()) == 21
    for policy in (
        self_consistency(16),
        asc_events(16),
        BestOf(n=16, choose="vote"),
        DeepConf(n=16, first=4, window=32, stride=16),
    ):
        if not policy.needs.judges:
            assert lacking(policy.needs, pool, Rules()) == []
            for problem in pool.problems:
                outcome = replay(policy, pool, problem, range(16))
                assert outcome.account.work <= sum(trace.tokens for trace in problem.traces)
