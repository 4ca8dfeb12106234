"""Training curves: what runs reported is what is drawn, averaged only as far as all runs of a label have come."""

from __future__ import annotations

import json
import math
import re
import sys
import xml.etree.ElementTree as xml
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestra.training.curves.picture import COLOURS, Line, Panel, Point, even_ticks, log_ticks, picture
from orchestra.training.curves.run import curves, main

from orchestra.errors import ConfigError


def step(number: int, **values: Any) -> dict[str, Any]:
    return {"step": number, "reward": 0.5, "accuracy": 0.5, "work": 100.0, "sampled_tokens": 1000} | values


def written(folder: Path, lines: Sequence[dict[str, Any]]) -> str:
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(folder)


def points(found: Any, key: str, label: str, what: str = "training") -> list[tuple[float, float]]:
    return [(point["x"], point["y"]) for point in found.numbers()["curves"][key][label][what]]


def test_a_run_is_drawn_at_the_steps_that_it_reported(tmp_path: Path) -> None:
    run = written(tmp_path / "fork", [step(1, reward=0.25), step(2, reward=0.75)])
    assert points(curves([run]), "reward", "fork") == [(1, 0.25), (2, 0.75)]


def test_evaluations_are_dots_and_no_part_of_the_line(tmp_path: Path) -> None:
    lines = [{"step": 0, "evaluation": {"accuracy": 0.9, "problems": 5}}, step(1), {"step": 1, "evaluation": {"accuracy": 1.0}}]
    found = curves([written(tmp_path / "fork", lines)])
    assert points(found, "accuracy", "fork") == [(1, 0.5)]
    assert points(found, "accuracy", "fork", "held_out") == [(0, 0.9), (1, 1.0)]


def test_held_out_splits_have_a_panel_of_their_own_and_no_mean(tmp_path: Path) -> None:
    found = {split: {"accuracy": share, "problems": 5} for split, share in (("names", 0.9), ("deeper", 0.5))}
    lines = [step(1), {"step": 1, "evaluation": {"accuracy": 0.7, "splits": found}}]
    drawn = curves([written(tmp_path / "planner", lines)])
    assert points(drawn, "accuracy", "planner", "held_out") == []
    assert points(drawn, "accuracy/splits", "planner names", "held_out") == [(1, 0.9)]
    assert points(drawn, "accuracy/splits", "planner deeper", "held_out") == [(1, 0.5)]
    assert ">names<" in drawn.svg() and ">deeper<" in drawn.svg()


def test_a_panel_of_splits_that_nobody_measured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="work/splits"):
        curves([written(tmp_path / "fork", [step(1)])], panels=["work/splits"])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.booleans())
def test_names_beside_lines_never_touch(found: list[float], percent: bool) -> None:
    lines = [Line(label=0, name=f"s{n}", dots=[Point(1, y, y, y)]) for n, y in enumerate(found)]
    drawn = xml.fromstring(picture([Panel(title="x", lines=lines, percent=percent)], ["a"], across="steps", caption=""))
    names = [text for text in drawn.iter("{http://www.w3.org/2000/svg}text") if re.fullmatch(r"s\d", text.text or "")]
    heights = sorted(float(text.attrib["y"]) for text in names)
    assert len(names) == len(found) and all(after - before >= 12.8 for before, after in pairwise(heights))


def test_tokens_across_are_those_sampled_up_to_the_step(tmp_path: Path) -> None:
    lines = [step(1, sampled_tokens=100), step(2, sampled_tokens=40), {"step": 2, "evaluation": {"accuracy": 1.0}}]
    found = curves([written(tmp_path / "fork", lines)], over="tokens")
    assert points(found, "reward", "fork") == [(100, 0.5), (140, 0.5)]
    assert points(found, "accuracy", "fork", "held_out") == [(140, 1.0)]


def test_seeds_of_one_label_are_averaged_with_their_range(tmp_path: Path) -> None:
    runs = [written(tmp_path / f"fork-seed{seed}", [step(1, reward=float(seed))]) for seed in range(3)]
    (drawn,) = curves(runs).numbers()["curves"]["reward"]["fork"]["training"]
    assert drawn == {"x": 1, "y": 1.0, "low": 0.0, "high": 2.0}


def test_a_mean_ends_where_the_shortest_run_does(tmp_path: Path) -> None:
    long = written(tmp_path / "a", [step(1, reward=0.0), step(2, reward=0.0), step(3, reward=0.0)])
    short = written(tmp_path / "b", [step(1, reward=1.0), step(2, reward=1.0)])
    assert points(curves([f"x={long}", f"x={short}"]), "reward", "x") == [(1, 0.5), (2, 0.5)]


def test_a_step_that_learned_nothing_leaves_no_hole(tmp_path: Path) -> None:
    run = written(tmp_path / "fork", [step(1, entropy=0.5), step(2), step(3, entropy=0.25, sampler_kl=math.nan)])
    found = curves([run])
    assert points(found, "entropy", "fork") == [(1, 0.5), (3, 0.25)]
    assert "sampler_kl" not in found.numbers()["curves"]


def test_smoothing_averages_neighbours(tmp_path: Path) -> None:
    run = written(tmp_path / "fork", [step(n, reward=float(n % 2)) for n in range(1, 6)])
    middle = points(curves([run], smooth=3), "reward", "fork")[2]
    assert middle == (3, pytest.approx(1 / 3))


def test_supervised_runs_show_loss_over_tokens(tmp_path: Path) -> None:
    lines = [{"step": 10, "tokens": 500, "loss": 2.0}, {"step": 20, "tokens": 900, "loss": 1.0, "validation_loss": 1.5}]
    found = curves([written(tmp_path / "sft", lines)], over="tokens")
    assert points(found, "loss", "sft") == [(500, 2.0), (900, 1.0)]
    assert points(found, "loss", "sft", "held_out") == [(900, 1.5)]


def test_a_finished_supervised_run_is_read_from_its_facts(tmp_path: Path) -> None:
    (tmp_path / "training.json").write_text(json.dumps({"curve": [{"step": 1, "tokens": 5, "loss": 2.0}]}))
    assert points(curves([f"sft={tmp_path}"]), "loss", "sft") == [(1, 2.0)]


def test_any_reported_number_can_be_a_panel(tmp_path: Path) -> None:
    run = written(tmp_path / "fork", [step(1, **{"reward/correct": 0.125})])
    assert list(curves([run], panels=["reward/correct"]).numbers()["curves"]) == ["reward/correct"]


def test_a_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    run = written(tmp_path / "fork", [step(1)])
    with (tmp_path / "fork" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 2, "rew')
    assert points(curves([run]), "reward", "fork") == [(1, 0.5)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no whole line yet"),
        ('{"step": 1', "no whole line yet"),
        ('{"step": 1, "reward"\n{"step": 2}\n', "line 1 is no JSON"),
        ('{"reward": 1}\n', "line 1 reports no step"),
        ("[1]\n", "line 1 reports no step"),
        ('{"step": 1, "held_out": {}}\n', "neither grpo nor sft"),
        ('{"step": 0, "evaluation": {"accuracy": 1}}\n', "no training step yet"),
        ('{"step": 1, "reward": 1}\n{"step": 1, "tokens": 5, "loss": 1}\n', "must not share"),
    ],
)
def test_a_file_that_is_no_run_is_refused_with_its_reason(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "metrics.jsonl").write_text(text)
    with pytest.raises(ConfigError, match=said):
        curves([str(tmp_path)])


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no training run at .*nowhere"):
        curves([str(tmp_path / "nowhere")])


def test_weights_are_no_metrics(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(bytes(range(256)))
    with pytest.raises(ConfigError, match="is no text"):
        curves([str(tmp_path / "model.safetensors")])


def test_runs_of_different_kinds_are_not_drawn_together(tmp_path: Path) -> None:
    rl = written(tmp_path / "rl", [step(1)])
    sft = written(tmp_path / "sft", [{"step": 1, "tokens": 5, "loss": 1.0}])
    with pytest.raises(ConfigError, match="draw them apart"):
        curves([rl, sft])


def test_a_run_is_not_averaged_with_itself(tmp_path: Path) -> None:
    run = written(tmp_path / "fork", [step(1)])
    with pytest.raises(ConfigError, match="named twice"):
        curves([run, f"fork={run}/metrics.jsonl"])


def test_an_unknown_panel_is_answered_with_those_there_are(tmp_path: Path) -> None:
    run = written(tmp_path / "fork", [step(1)])
    with pytest.raises(ConfigError, match="no run reports 'rewards'; these do: accuracy, reward"):
        curves([run], panels=["rewards"])


def test_more_labels_than_colours_are_refused(tmp_path: Path) -> None:
    runs = [f"{n}={written(tmp_path / str(n), [step(1)])}" for n in range(len(COLOURS) + 1)]
    with pytest.raises(ConfigError, match="can be told apart"):
        curves(runs)


def test_the_command_writes_a_picture_and_its_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = written(tmp_path / "fork", [step(1), step(2)])
    monkeypatch.setattr(
        sys, "argv", ["curves", run, "--out", str(tmp_path / "c.svg"), "--json", str(tmp_path / "c.json"), "--title", "A <b> & c"]
    )
    main()
    shown = [text.text for text in xml.parse(tmp_path / "c.svg").iter("{http://www.w3.org/2000/svg}text")]
    assert {"A <b> & c", "reward", "accuracy, %", "work a problem", "fork", "steps"} <= set(shown)
    assert json.loads((tmp_path / "c.json").read_text())["runs"] == {"fork": [f"{run}/metrics.jsonl"]}


def test_the_command_says_what_is_wrong_without_a_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["curves", str(tmp_path / "nowhere"), "--out", str(tmp_path / "c.svg")])
    with pytest.raises(SystemExit, match="no training run at"):
        main()


values = st.floats(-1e12, 1e12, allow_subnormal=False)


@given(
    st.lists(st.tuples(st.integers(0, 10**9), values, st.floats(0, 1e6)), min_size=1, max_size=20),
    st.booleans(),
    st.booleans(),
    st.text(max_size=20),
)
def test_any_numbers_and_names_make_a_readable_file_inside_its_frame(
    found: list[tuple[int, float, float]], percent: bool, may_be_log: bool, name: str
) -> None:
    line = Line(label=0, points=[Point(x, y, y - around, y + around) for x, y, around in found])
    panel = Panel(title=name, lines=[line], percent=percent, may_be_log=may_be_log)
    drawn = picture([panel], [name], across="steps", caption=name, title=name)
    assert "nan" not in drawn.lower().replace(name.lower(), "") and "inf" not in re.sub(r">[^<]*<", "><", drawn)
    for path in xml.fromstring(drawn).iter("{http://www.w3.org/2000/svg}path"):
        for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path.attrib["d"]):
            assert 0 <= float(x) <= 900 and -1 <= float(y) <= 300


@given(values, st.floats(1e-6, 1e12))
def test_even_ticks_lie_inside_and_are_few(low: float, width: float) -> None:
    high = low + width
    if high - low > abs(low) * 1e-6:
        ticks = even_ticks(low, high, most=5)
        assert 1 <= len(ticks) <= 6
        assert all(low - width * 1e-6 <= tick <= high + width * 1e-6 for tick in ticks)


@given(st.floats(1e-9, 1e6), st.floats(20, 1e9))
def test_log_ticks_lie_inside(low: float, ratio: float) -> None:
    ticks = log_ticks(low, low * ratio)
    assert ticks and all(low * (1 - 1e-9) <= tick <= low * ratio * (1 + 1e-9) for tick in ticks)
