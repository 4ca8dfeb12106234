"""Runs made for tests of the page, and the page as a browser's parser takes it apart."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from orchestra.evals.method import Kept
from orchestra.evals.row import Row
from orchestra.evals.run import CONFIG, ROWS, TRACES, Run, packed

from orchestra.engine import Sampling
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.thread import Limits, run_tree
from orchestra.trace.record import TraceRecord, record

from ...thread.test_loop import CALLS, CHILDREN, PROMPT, with_results
from ...thread.toy import APR, CANCELLED, END, GOAL, NONE, script

_ANSWERS = {
    PROMPT: CALLS,
    **CHILDREN,
    with_results(NONE, GOAL, 41, CANCELLED): [GOAL, 41, END],
    with_results(NONE, GOAL, 41, NONE): [GOAL, 41, END],
}


def row(problem: str, *, correct: bool = True, error: str | None = None, **changes: Any) -> Row:
    made: dict[str, Any] = {
        "benchmark": "toy",
        "problem": problem,
        "name": f"problem {problem}",
        "gold": 41,
        "answer": "41",
        "correct": correct,
        "score": float(correct),
        "error": error,
        "status": "failed" if error else "finished",
        "work": 100,
        "span": 40,
        "wall_seconds": 2.0,
        "at_once": 4,
    }
    return Row(**(made | changes))


def write_run(folder: Path, rows: Sequence[Row], kept: Sequence[tuple[str, int, Kept]] = (), *, method: str = "fork") -> Run:
    folder.mkdir(parents=True)
    config = {
        "experiment": {"benchmark": "toy", "method": method, "engine": "scripted", "model": None},
        "commit": "abc1234",
        "date": "2026-11-22",
    }
    (folder / CONFIG).write_text(json.dumps(config))
    (folder / ROWS).write_text("".join(one.model_dump_json() + "\n" for one in rows))
    (folder / TRACES).write_bytes(b"".join(packed(*entry) for entry in kept))
    return Run(folder)


def forked_tree(word: str = "w") -> TraceRecord:
    """A root, children, a winner and one that was cancelled."""
    engine = ScriptedEngine(script(_ANSWERS), seconds_per_token=1.0)
    tree = run_virtual(run_tree(engine, APR, PROMPT, sampling=Sampling(max_tokens=500), limits=Limits(window=1_000), join="first"))
    return record(tree, decode=lambda ids: " ".join(f"{word}{i}" for i in ids), title="fork")


class Parsed(HTMLParser):
    """Elements and attributes, and the text of script elements by their id ("" for the one that runs)."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.scripts: dict[str, str] = {}
        self.text = ""
        self._script: str | None = None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        self._script = (dict(attrs).get("id") or "") if tag == "script" else None

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is None:
            self.text += data
        else:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data

    @property
    def data(self) -> dict[str, Any]:
        return dict(json.loads(self.scripts["data"]))

    def column(self, run: int, name: str) -> list[Any]:
        """Of a run's rows, or of the problems with `run` -1."""
        table = self.data["problems"] if run < 0 else self.data["runs"][run]["rows"]
        count = len(table["id"]) if run < 0 else len(table["states"])
        values = table[name]
        return list(values) if isinstance(values, list) else [values["all"]] * count

    def kept(self, run: int, index: int) -> Any:
        """What the page holds of a try, as a browser unpacks it; None when it holds nothing."""
        place = self.column(run, "kept")[index]
        if place is None:
            return None
        offset, length = place
        return json.loads(zlib.decompress(base64.b64decode(self.scripts["kept"][offset : offset + length])))
