"""A run as inspect's log, read back with inspect itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from orchestra.evals.exports.inspect_log import write_inspect
from orchestra.evals.method import Kept
from orchestra.evals.run import Run

from orchestra.errors import ConfigError

from ..pages.made import forked_tree, row, write_run

BEGAN = 1.7e9


def made(folder: Path) -> Run:
    rows = [
        row("a", epoch=0, work=510, cached=10, prefilled=20),
        row("a", epoch=1, correct=False, answer="12", flaw="not 41"),
        row("b", epoch=0, error="the server has gone"),
        row("c", epoch=0, gold=["x", "y"]),
    ]
    kept = [("a", 0, Kept(text="so 41", tree=forked_tree())), ("c", 0, Kept(text="x or y", plan={"nodes": [{"id": "1"}]}))]
    return write_run(folder / "run", rows, kept)


def read(folder: Path) -> Any:
    log = pytest.importorskip("inspect_ai.log")
    run = made(folder)
    write_inspect(run, run.rows, folder / "out.eval", began=BEGAN)
    assert [path.name for path in folder.glob("*.eval")] == ["out.eval"]
    return log.read_eval_log(str(folder / "out.eval"))


def test_samples_carry_epochs_scores_and_errors(tmp_path: Path) -> None:
    log = read(tmp_path)
    assert (log.status, log.eval.task, log.eval.solver, log.eval.config.epochs) == ("success", "toy", "fork", 2)
    samples = {(sample.id, sample.epoch): sample for sample in log.samples}
    assert set(samples) == {("a", 1), ("a", 2), ("b", 1), ("c", 1)}
    good, wrong, lost = samples["a", 1], samples["a", 2], samples["b", 1]
    assert (good.scores["correct"].value, good.scores["correct"].answer, good.output.completion) == ("C", "41", "so 41")
    assert (wrong.scores["correct"].value, wrong.scores["correct"].explanation) == ("I", "not 41")
    assert lost.scores is None and lost.error.message == "the server has gone"
    assert good.target == "41" and samples["c", 1].target == ["x", "y"]
    assert good.metadata["span"] == 40 and samples["c", 1].metadata["plan"] == {"nodes": [{"id": "1"}]}
    (usage,) = good.model_usage.values()
    assert (usage.input_tokens, usage.output_tokens, usage.input_tokens_cache_read) == (30, 510, 10)


def test_accuracy_leaves_errors_out_and_its_error_is_over_problems(tmp_path: Path) -> None:
    log = read(tmp_path)
    (score,) = log.results.scores
    assert score.metrics["accuracy"].value == pytest.approx(0.75)  # a: 1 of 2, c: 1 of 1
    assert score.metrics["stderr"].value == pytest.approx(0.25)
    assert (score.scored_samples, score.unscored_samples, log.results.completed_samples) == (3, 1, 3)


def test_threads_are_spans_with_their_requests_inside(tmp_path: Path) -> None:
    (sample,) = (sample for sample in read(tmp_path).samples if (sample.id, sample.epoch) == ("a", 1))
    begins = {event.id: event for event in sample.events if event.event == "span_begin"}
    ends = {event.id: event for event in sample.events if event.event == "span_end"}
    tree = forked_tree()
    assert [event.name for event in begins.values()] == ["solvers", *(f"thread {thread.id}" for thread in tree.threads)]
    assert begins.keys() == ends.keys()
    assert {id: (event.type, event.parent_id) for id, event in begins.items()} == {
        "solvers": ("solvers", None), "0": ("solver", "solvers"), "0.0": ("agent", "0"), "0.1": ("agent", "0"), "0.2": ("agent", "0"),
    }  # fmt: skip
    requests = [event for event in sample.events if event.event == "model"]
    assert sum(event.output.usage.output_tokens for event in requests) == tree.ledger.work
    for event in requests:
        assert begins[event.span_id].timestamp <= event.timestamp <= event.completed <= ends[event.span_id].timestamp
    assert [event.error for event in requests].count("aborted") == 1
    order = [event.id if event.event != "model" else None for event in sample.events]
    for id in begins:
        first, last = (index for index, each in enumerate(order) if each == id)
        assert all(
            first < index < last for index, event in enumerate(sample.events) if event.event == "model" and event.span_id == id
        )


def test_inspect_draws_its_own_timeline_of_the_threads(tmp_path: Path) -> None:
    event = pytest.importorskip("inspect_ai.event")
    (sample,) = (sample for sample in read(tmp_path).samples if (sample.id, sample.epoch) == ("a", 1))
    drawn = event.timeline_build(sample.events).render()
    assert "thread 0.0" in drawn and "thread 0.2" in drawn


def test_another_ending_is_refused_because_inspect_would_not_find_the_file(tmp_path: Path) -> None:
    pytest.importorskip("inspect_ai.log")
    run = made(tmp_path)
    with pytest.raises(ConfigError, match=r"NAME\.eval, got --out .*out\.json"):
        write_inspect(run, run.rows, tmp_path / "out.json", began=BEGAN)


def test_without_inspect_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "inspect_ai", None)
    monkeypatch.setitem(sys.modules, "inspect_ai.log", None)
    run = made(tmp_path)
    with pytest.raises(ConfigError, match=r"pip install 'orchestra\[inspect\]'"):
        write_inspect(run, run.rows, tmp_path / "out.eval", began=BEGAN)
