"""Records of runs, the page made of them, and the live view."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from orchestra.engine import Sampling
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.errors import ConfigError
from orchestra.thread import Event, Join, Limits, RunTree, Thread, run_tree
from orchestra.thread.ledger import span
from orchestra.trace.live import LiveThreads
from orchestra.trace.page import page, write_page
from orchestra.trace.record import TraceRecord, read_records, record, write_records
from orchestra.trace.timeline import lay_out

from ..thread.test_loop import CALLS, CHILDREN, PROMPT, with_results
from ..thread.toy import APR, CALL, CANCELLED, CHILD, END, GOAL, NONE, PARENT, WAIT, babbler, script

ANSWERS = {
    PROMPT: CALLS,
    **CHILDREN,
    with_results(NONE, GOAL, 41, CANCELLED): [GOAL, 41, END],
    with_results(NONE, GOAL, 41, NONE): [GOAL, 41, END],
}


def run(join: Join = "first", live: LiveThreads | None = None) -> RunTree:
    engine = ScriptedEngine(script(ANSWERS), seconds_per_token=1.0)
    observer = live.observe if live else None
    limits = Limits(window=1_000)
    return run_virtual(
        run_tree(engine, APR, PROMPT, sampling=Sampling(max_tokens=500), limits=limits, join=join, observer=observer)
    )


def nested(live: LiveThreads | None = None) -> RunTree:
    """The first child waits for a child of its own until its sibling's success cancels both."""
    words: dict[tuple[int, ...], list[int]] = {
        tuple(PROMPT): [CALL, 21, CALL, 22, WAIT],
        (CHILD, 21): [CALL, 31, WAIT],
        (CHILD, 31): [30] * 298 + [NONE, END],
        (CHILD, 22): [31] * 97 + [GOAL, 41, END],
        with_results(CANCELLED, GOAL, 41): [GOAL, 41, END],
    }
    engine = ScriptedEngine(script(words), seconds_per_token=1.0)
    limits, observer = Limits(window=1_000, max_depth=2), live.observe if live else None
    return run_virtual(
        run_tree(engine, APR, PROMPT, sampling=Sampling(max_tokens=500), limits=limits, join="first", observer=observer)
    )


def recorded(tree: RunTree, *, decode: str = "w{}") -> TraceRecord:
    return record(tree, decode=lambda ids: " ".join(decode.format(i) for i in ids), title="fork", facts={"problem": "toy"})


@given(st.integers(0, 10**6), st.sampled_from(["all", "first"]))
@settings(max_examples=30, deadline=None)
def test_a_record_comes_back_from_disk_as_it_was_and_draws(tmp_path_factory: pytest.TempPathFactory, seed: int, join: Join) -> None:
    engine = ScriptedEngine(babbler(seed), seconds_per_token=1.0)
    limits = Limits(window=60, max_depth=2, max_children=3, max_forks=3, seconds=50)
    tree = run_virtual(run_tree(engine, APR, [PARENT, 20], sampling=Sampling(max_tokens=50), limits=limits, join=join))
    made = recorded(tree)
    path = tmp_path_factory.mktemp("trace") / "run.jsonl"
    write_records([made], path)
    assert read_records(path) == [made]
    assert "<html" in page([made], title="any run")


def test_a_damaged_record_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    write_records([recorded(run())], path)
    path.write_text(path.read_text() + "{}\n")
    with pytest.raises(ConfigError, match=r"run\.jsonl:2 is no trace record"):
        read_records(path)


@pytest.mark.parametrize("join", ["all", "first"])
def test_lanes_are_threads_and_the_critical_path_adds_up_to_the_span(join: Join) -> None:
    tree = run(join)
    made = recorded(tree)
    (timeline,) = lay_out([made])
    assert [lane.thread.id for lane in timeline.lanes] == ["0", "0.0", "0.1", "0.2"]
    items = {thread.id: thread.items for thread in made.threads}
    assert sum(len(items[thread][index].token_ids) for thread, index in made.critical_path) == span(tree.root)  # type: ignore[union-attr]
    winner = {"all": [], "first": ["0.1"]}[join]
    assert [lane.thread.id for lane in timeline.lanes if lane.winner] == winner
    assert [lane.thread.id for lane in timeline.lanes if lane.critical] == ["0", "0.2" if join == "all" else "0.1"]
    assert [lane.thread.id for lane in timeline.lanes if lane.cut_at is not None] == ([] if join == "all" else ["0.2"])


def test_a_child_that_is_cancelled_while_it_waits_for_its_own_is_drawn_until_then() -> None:
    (timeline,) = lay_out([recorded(nested())])
    lanes = {lane.thread.id: lane for lane in timeline.lanes}
    root_wait, wait = (next(bar for bar in lanes[name].bars if bar.kind == "children") for name in ("0", "0.0"))
    cancelled = root_wait.left + root_wait.width
    assert lanes["0.0"].thread.status == lanes["0.0.0"].thread.status == "cancelled"
    assert wait.left + wait.width == pytest.approx(cancelled) == pytest.approx(lanes["0.0"].cut_at)
    assert lanes["0.0.0"].cut_at == pytest.approx(cancelled) and cancelled < timeline.end


def test_runs_of_one_page_share_a_time_scale() -> None:
    slow, fast = lay_out([recorded(run("all")), recorded(run("first"))])
    assert fast.end / slow.end == pytest.approx(210 / 310, rel=0.01)


class Scripts(HTMLParser):
    """The text of a page's script elements, and of everything else."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "script":
            self.scripts.append(data)


@pytest.mark.parametrize(
    "word", ["</script><script>alert({})</script>", "<img src=x onerror=alert({})>", '" onload="alert({})', "{{{{ {} }}}}"]
)
def test_nothing_that_a_model_writes_becomes_markup_or_script(word: str) -> None:
    tree = run()
    plain = Scripts()
    plain.feed(page([recorded(tree)], title="plain"))
    hostile = Scripts()
    hostile.feed(page([recorded(tree, decode=word)], title="plain"))
    assert hostile.tags == plain.tags
    assert "".join(hostile.scripts) == "".join(plain.scripts)


def test_the_page_needs_no_network(tmp_path: Path) -> None:
    write_page([recorded(run()), recorded(run("all"))], tmp_path / "page.html", title="two runs")
    text = (tmp_path / "page.html").read_text()
    assert not re.findall(r"(?:src|href)\s*=\s*[\"'](?!#)|@import|url\(|https?://(?!www\.w3\.org)", text)
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_without_a_terminal_every_event_is_one_plain_line() -> None:
    out = io.StringIO()
    with LiveThreads(decode=lambda ids: " ".join(map(str, ids)), console=Console(file=out, width=80)) as live:
        run("first", live)
    lines = out.getvalue().splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["0", "started"],
        ["0.0", "started"],
        ["0.1", "started"],
        ["0.2", "started"],
        ["0.0", "finished"],
        ["0.1", "finished"],
        ["0.2", "cancelled"],
        ["0", "joined"],
        ["0", "finished"],
    ]
    assert lines[7].endswith("2 of 3 children returned, 0.1 was first to succeed")
    assert "\x1b" not in out.getvalue()


def test_in_a_terminal_every_thread_is_a_lane_and_the_cursor_comes_back() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, height=20, force_terminal=True)
    with LiveThreads(decode=lambda ids: " ".join(map(str, ids)), console=console) as live:
        run("first", live)
    text = out.getvalue()
    assert "4 threads, 0 running, 510 tokens sampled" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l"), "the cursor is shown again"


def test_more_threads_than_lines_are_counted_not_drawn() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, height=6, force_terminal=True)
    with LiveThreads(decode=lambda ids: "", console=console) as live:
        run("first", live)
    assert "1 not shown" in out.getvalue()


def test_children_of_children_stand_below_their_parent_and_every_line_has_its_words_in_one_column() -> None:
    out = io.StringIO()
    live = LiveThreads(decode=lambda ids: " ".join(map(str, ids)), console=Console(file=out, width=80, height=20))
    with live:
        nested(live)
    Console(file=out, width=80).print(live.frame())
    *lines, count = out.getvalue().splitlines()
    assert [line.split()[1] for line in lines[-4:]] == ["0", "0.0", "0.0.0", "0.1"]
    assert "4 threads" in count

    out, longest = io.StringIO(), Thread("0.10.10", depth=2)
    live = LiveThreads(decode=lambda ids: "", console=Console(file=out, width=80))
    for thread in (longest, Thread("0.1", depth=1)):
        thread.inject([20])
        live.observe(Event("started", thread))
    first, second = out.getvalue().splitlines()
    assert first.index("started") == second.index("started")
