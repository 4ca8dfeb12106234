"""The page of runs: complete in itself, and nothing a model wrote becomes markup."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orchestra.evals.method import Kept, NodeOutcome
from orchestra.evals.pages import KEPT_LIMIT, report_page, write_report_page
from orchestra.evals.pages.kept_tries import plain

from orchestra.errors import ConfigError
from orchestra.plan.plan import Plan

from .made import Parsed, forked_tree, row, write_run

HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>alert(1)</script>",
    "</title></style></pre><svg onload=alert(1)>",
    "{{ 7 * 7 }} {% raw %} ]]> '\"`&amp;",
    "\u2028\u202e\x00\x1b[31m \U0001f600 汉字",
]


def test_the_page_loads_nothing(tmp_path: Path) -> None:
    page = report_page([write_run(tmp_path / "a", [row("1")])])
    assert "http:" not in page and "https:" not in page
    assert not re.search(r"@import|url\((?!#)", page)
    parsed = Parsed(page)
    assert not {"link", "img", "iframe", "object", "embed", "audio", "video"} & set(parsed.tags)
    assert all(value.startswith("#") for _, name, value in parsed.attributes if name in ("src", "href", "xlink:href") and value)
    policy = next(
        value for tag, name, value in parsed.attributes if tag == "meta" and name == "content" and value and "src" in value
    )
    assert policy.startswith("default-src 'none'")


def test_the_policy_allows_this_script_and_no_other(tmp_path: Path) -> None:
    page = report_page([write_run(tmp_path / "a", [row("1")])])
    digest = base64.b64encode(hashlib.sha256(Parsed(page).scripts[""].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page


def test_the_script_never_parses_markup_and_never_calls_out(tmp_path: Path) -> None:
    script = Parsed(report_page([write_run(tmp_path / "a", [row("1")])])).scripts[""]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function|srcdoc", script)
    assert not re.search(r"\bfetch\b|XMLHttpRequest|WebSocket|EventSource|sendBeacon|\bimport\b", script)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_model_wrote_stays_text(tmp_path: Path, text: str) -> None:
    hostile = row("1", answer=text, flaw=text, group=text, name=text, gold={text: text}, facts={text: text}, correct=False)
    plan = {"goal": "g", "nodes": [{"kind": "tool", "id": "a", "tool": "search", "arguments": {"q": text}}]}
    kept = Kept(
        problem=text, text=text, tree=forked_tree(text), plan=plan, outcomes={"a": NodeOutcome(status="succeeded", output=text)}
    )
    run = write_run(tmp_path / "a", [hostile, row("2", error=text)], [("1", 0, kept)], method=text)
    tame = write_run(tmp_path / "b", [row("1", group="g", correct=False), row("2", error="down")], [("1", 0, Kept(text="4"))])
    found, expected = Parsed(report_page([run])), Parsed(report_page([tame]))
    assert found.tags == expected.tags
    assert {(tag, name) for tag, name, _ in found.attributes} == {(tag, name) for tag, name, _ in expected.attributes}
    assert found.column(0, "answer") == [text, "41"]
    assert found.column(0, "error") == [None, text]
    assert found.column(-1, "name") == [text, "problem 2"]
    assert found.kept(0, 0)["text"] == found.kept(0, 0)["problem"] == text


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
@settings(max_examples=25, deadline=None)
def test_any_text_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    kept = Kept(text=text, tree=forked_tree(text))
    run = write_run(tmp_path_factory.mktemp("run") / "a", [row("1", answer=text)], [("1", 0, kept)])
    parsed = Parsed(report_page([run]))
    assert set(parsed.scripts) == {"", "data", "kept"}
    assert parsed.column(0, "answer") == [text]
    assert parsed.kept(0, 0)["text"] == text
    texts = [item["text"] for item in parsed.kept(0, 0)["tree"]["threads"][0]["items"] if item["kind"] == "segment"]
    assert all(text in one for one in texts)


def test_a_kept_try_holds_what_the_timeline_draws(tmp_path: Path) -> None:
    tree = forked_tree()
    run = write_run(tmp_path / "a", [row("1"), row("2")], [("1", 0, Kept(text="so 41", tree=tree))])
    parsed = Parsed(report_page([run]))
    found = parsed.kept(0, 0)["tree"]
    assert [thread["id"] for thread in found["threads"]] == [thread.id for thread in tree.threads]
    assert [tuple(step) for step in found["critical"]] == list(tree.critical_path)
    sampled = sum(
        item["tokens"] for thread in found["threads"] for item in thread["items"] if item["kind"] == "segment" and item["request"]
    )
    assert sampled == tree.ledger.work
    forks = [item for thread in found["threads"] for item in thread["items"] if item["kind"] == "fork"]
    assert [fork["winner"] for fork in forks] == [fork.winner for thread in tree.threads for fork in thread.forks]
    assert "token_ids" not in str(found)
    assert parsed.kept(0, 1) is None


def test_a_plan_is_laid_out_and_what_is_none_is_shown_as_it_is() -> None:
    nodes = [{"kind": "tool", "id": "a", "tool": "search"}, {"kind": "model", "id": "b", "prompt": {"$ref": "a"}}]
    drawn = plain(Kept(plan={"nodes": nodes}))["plan"]
    assert [list(column) for column in drawn["columns"]] == [["a"], ["b"]]
    assert [(edge["from"], edge["to"], edge["critical"]) for edge in drawn["edges"]] == [("a", "b", True)]
    assert drawn["nodes"]["b"]["output"] and drawn["nodes"]["a"]["title"] == "search"
    dumped = Plan.model_validate({"nodes": nodes}).model_dump(mode="json", exclude_defaults=True)
    assert plain(Kept(plan=dumped))["plan"] == drawn, "a dump without its defaults is the same plan"
    for wrong in ({"nodes": [{"kind": "?"}]}, {"nodes": [3]}, {"nodes": None}, {"steps": []}):
        assert plain(Kept(plan=wrong))["plan"] == {"unread": wrong}


def test_a_plans_card_says_what_became_of_its_node() -> None:
    nodes = [{"kind": "tool", "id": "a", "tool": "search"}, {"kind": "tool", "id": "b", "tool": "search"}]
    outcome = NodeOutcome(status="failed", started=0.5, finished=0.75000000004, error="offline")
    drawn = plain(Kept(plan={"nodes": nodes}, outcomes={"a": outcome, "a[1]": outcome}))["plan"]["nodes"]
    assert drawn["a"]["outcome"] == {"status": "failed", "started": 0.5, "finished": 0.75, "output": None, "error": "offline"}
    assert drawn["b"]["outcome"] is None and list(drawn) == ["a", "b"]


def test_a_try_that_left_nothing_but_its_problem_has_no_details(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", [row("1")], [("1", 0, Kept(problem="What?"))])
    assert Parsed(report_page([run])).kept(0, 0) is None


def test_tries_beyond_the_limit_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [row(str(n)) for n in range(10)]
    kept = [(str(n), 0, Kept(text=hashlib.sha256(bytes([n])).hexdigest() * 20)) for n in range(10)]
    runs = [write_run(tmp_path / "a", rows, kept), write_run(tmp_path / "b", rows, kept[:2])]
    whole, part = Parsed(report_page(runs)), Parsed(report_page(runs, kept_limit=800))
    assert [run["leftOut"] for run in whole.data["runs"]] == [0, 0]
    assert len(part.scripts["kept"]) <= 800
    embedded = [sum(place is not None for place in part.column(number, "kept")) for number in (0, 1)]
    assert embedded[0] > 0 and embedded[1] == 2, "runs share the limit"
    assert [run["leftOut"] for run in part.data["runs"]] == [10 - embedded[0], 0]
    assert 'id="left-out"' in report_page(runs, kept_limit=0) and "--kept-limit" in part.scripts[""]


def test_ten_thousand_rows_leave_room_below_thirty_megabytes(tmp_path: Path) -> None:
    rows = [row(f"{n:016x}", work=n, wall_seconds=n / 7, answer=str(n), group=f"level {n % 5}") for n in range(10_000)]
    page = report_page([write_run(tmp_path / "a", rows)])
    assert len(page.encode()) + KEPT_LIMIT < 30_000_000


def test_writing_gives_the_same_page_and_replaces_a_file(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", [row("1")], [("1", 0, Kept(text="x"))])
    path = tmp_path / "deep" / "page.html"
    write_report_page([run], path)
    write_report_page([run], path, title="Zwei")
    assert path.read_text(encoding="utf-8") == report_page([run], title="Zwei")
    assert [file.name for file in path.parent.iterdir()] == ["page.html"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="page.html"):
        write_report_page([write_run(tmp_path / "a", [row("1")])], tmp_path / "file" / "page.html")


def test_a_damaged_run_leaves_no_half_page(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", [row("1")])
    (run.folder / "traces.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(ConfigError, match="damaged"):
        write_report_page([run], tmp_path / "out" / "page.html")
    assert list((tmp_path / "out").iterdir()) == []


def test_no_runs_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one run"):
        report_page([])


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node to parse the script")
def test_the_script_parses(tmp_path: Path) -> None:
    script = tmp_path / "page.js"
    script.write_text(Parsed(report_page([write_run(tmp_path / "a", [row("1")])])).scripts[""], encoding="utf-8")
    subprocess.run(["node", "--check", str(script)], check=True)
