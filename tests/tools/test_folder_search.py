"""Search over a folder: what is found, in which order, where it says it was, and what is left out."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestra.errors import ConfigError, ToolError
from orchestra.tools.folder_search import PASSAGE_CHARACTERS, Passage, folder_search

pytestmark = pytest.mark.anyio


def write(folder: Path, **texts: str) -> None:
    """Files by name, with `__` for a dot and `___` for a slash."""
    for name, text in texts.items():
        path = folder / name.replace("___", "/").replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


async def places(folder: Path, query: str, limit: int = 5) -> list[tuple[str, int, int]]:
    return [(found.path, found.first_line, found.last_line) for found in await folder_search(folder)(query, limit)]


async def test_passages_say_where_they_are(tmp_path: Path) -> None:
    write(tmp_path, deep___notes__md="# Rivers\n\nThe Danube is long.\n\n\n# Mountains\n\nThe Alps are high.\nVery high.\n")
    (found,) = await folder_search(tmp_path)("alps")
    assert found == Passage(
        path="deep/notes.md", first_line=6, last_line=9, score=found.score, text="# Mountains\n\nThe Alps are high.\nVery high."
    )
    assert found.score > 0


async def test_rare_words_and_more_of_them_count_more(tmp_path: Path) -> None:
    write(
        tmp_path, a__txt="the common words", b__txt="the common walrus", c__txt="the walrus and the carpenter", d__txt="the the the"
    )
    assert [path for path, *_ in await places(tmp_path, "the carpenter walrus")] == ["c.txt", "b.txt", "d.txt", "a.txt"]


async def test_case_and_punctuation_do_not_matter(tmp_path: Path) -> None:
    write(tmp_path, a__txt="Die STRASSE, naïve_name (x-ray)")
    for query in ("straße", "NAME", "X ray!", "Naïve"):
        assert len(await places(tmp_path, query)) == 1


async def test_equals_come_in_the_order_of_paths_and_lines(tmp_path: Path) -> None:
    record = json.dumps({"text": "same words"}) + "\n"
    write(tmp_path, b__txt="same words", a__jsonl=record * 3, c___a__txt="same words")
    expected = [("a.jsonl", 1, 1), ("a.jsonl", 2, 2), ("a.jsonl", 3, 3), ("b.txt", 1, 1), ("c/a.txt", 1, 1)]
    assert await places(tmp_path, "words same") == expected
    assert await places(tmp_path, "words same", limit=2) == expected[:2]


async def test_records_are_their_text_and_others_are_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = [
        '{"text": "a walrus", "id": 1}',
        "",
        '{"title": "walrus"}',
        "walrus {",
        '"walrus"',
        "[" * 100_000,
        '{"text": "walrus"}',
    ]
    write(tmp_path, some__jsonl="\n".join(lines))
    with caplog.at_level(logging.WARNING):
        assert await places(tmp_path, "walrus") == [("some.jsonl", 7, 7), ("some.jsonl", 1, 1)]
    assert "4 of the lines of some.jsonl" in caplog.text


async def test_only_text_files_in_plain_sight_are_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    folder.mkdir()
    write(outside, secret__txt="walrus")
    write(folder, seen__TXT="walrus", code__py="walrus")
    (folder / ".hidden.txt").write_text("walrus")
    write(folder / ".git", text__txt="walrus")
    (folder / "link.txt").symlink_to(outside / "secret.txt")
    (folder / "own.txt").symlink_to(folder / "seen.TXT")
    (folder / "linked").symlink_to(outside)
    os.mkfifo(folder / "pipe.txt")
    (folder / "folder.txt").mkdir()
    with caplog.at_level(logging.WARNING):
        assert await places(folder, "walrus") == [("seen.TXT", 1, 1)]
    assert "link.txt" in caplog.text


async def test_bytes_that_are_not_utf8_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes("walrus caf\u00e9".encode("latin-1"))
    (tmp_path / "marked.txt").write_bytes(b"\xef\xbb\xbfwalrus")
    assert {found.text for found in await folder_search(tmp_path)("walrus")} == {"walrus caf\ufffd", "walrus"}


async def test_too_much_text_is_refused_with_the_setting_to_change(tmp_path: Path) -> None:
    write(tmp_path, a__txt="walrus " * 100_000, b__txt="walrus " * 100_000)
    with pytest.raises(ConfigError, match=r"more than 1 MB of text.*`max_mb`"):
        await folder_search(tmp_path, max_mb=1)("walrus")
    assert await folder_search(tmp_path, max_mb=2)("walrus", 1)


async def test_a_missing_folder_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no directory"):
        folder_search(tmp_path / "missing")


@pytest.mark.parametrize(
    ("query", "limit", "message"),
    [
        ("walrus", 0, "`limit` must be from 1"),
        ("walrus", 101, "to 100, got 101"),
        ("?!", 5, "holds no word"),
        ("a" * 1001, 5, "1,001 char"),
    ],
)
async def test_a_wrong_call_says_what_is_right(tmp_path: Path, query: str, limit: int, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        await folder_search(tmp_path)(query, limit)


async def test_nothing_found_is_an_empty_list(tmp_path: Path) -> None:
    assert await places(tmp_path, "walrus") == []
    write(tmp_path, a__txt="carpenter", b__txt="\n \n", c__txt="")
    assert await places(tmp_path, "walrus") == []


async def test_the_folder_is_read_once_by_whoever_searches_first_and_beside_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, a__txt="walrus")
    readers = list[threading.Thread]()
    walk = os.fwalk

    def watched(top: Path) -> object:
        readers.append(threading.current_thread())
        return walk(top)

    monkeypatch.setattr(os, "fwalk", watched)
    search = folder_search(tmp_path)
    assert readers == [], "nothing is read before it is needed"
    assert len({str(found) for found in await asyncio.gather(*(search("walrus") for _ in range(5)))}) == 1
    assert len(readers) == 1
    assert readers[0] is not threading.main_thread()


LINES = st.tuples(st.sampled_from(["", "# "]), st.one_of(st.text("ab ", max_size=60), st.text("ab ", min_size=1500, max_size=3000)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(st.lists(st.one_of(st.none(), LINES), min_size=1, max_size=12))
def test_every_line_is_found_where_it_is_in_a_passage_of_bounded_size(tmp_path: Path, lines: list[tuple[str, str] | None]) -> None:
    marked = {number: f"{line[0]}mark{number} {line[1]}" for number, line in enumerate(lines, start=1) if line}
    (tmp_path / "a.txt").write_text("\n".join(marked.get(number, "") for number in range(1, len(lines) + 1)))
    search = folder_search(tmp_path)
    for number in marked:
        (found,) = asyncio.run(search(f"mark{number}"))
        assert found.first_line <= number <= found.last_line
        assert len(found.text) <= PASSAGE_CHARACTERS
