"""`RecordedChat`: record once, replay exactly."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Self

import pytest

from orchestra.chat.base import ChatRequest, Message, Reply, ToolUse
from orchestra.chat.recorded import RecordedChat
from orchestra.chat.recording import Recording
from orchestra.chat.scripted import ScriptedChat
from orchestra.engine import Constraint
from orchestra.engine.virtual import run_virtual
from orchestra.errors import ConfigError, EngineError


def ask(text: str = "Hi", **more: Any) -> ChatRequest:
    return ChatRequest(messages=[Message("system", "Be brief."), Message("user", text)], **more)


def clock() -> float:
    return asyncio.get_running_loop().time()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


def record(path: Path, *requests: ChatRequest, answer: Any = "one two three") -> list[Reply]:
    chat = RecordedChat(path, ScriptedChat(lambda _: answer, seconds_per_token=0.5))

    async def main() -> list[Reply]:
        return [await chat.reply(request) for request in requests]

    return run_virtual(main())


def replay(path: Path, pace: float) -> tuple[Reply, list[tuple[float, str]], float]:
    seen = list[tuple[float, str]]()

    async def main() -> tuple[Reply, float]:
        reply = await RecordedChat(path, pace=pace).reply(ask(on_text=lambda text: seen.append((clock(), text))))
        return reply, clock()

    reply, ended = run_virtual(main())
    return reply, seen, ended


@pytest.mark.parametrize("pace", [0.0, 1.0, 0.5])
def test_a_reply_is_replayed_piece_by_piece_at_the_asked_pace(path: Path, pace: float) -> None:
    (original,) = record(path, ask())
    reply, seen, ended = replay(path, pace)
    assert reply == original
    assert seen == [(pace * at, text) for at, text in [(0.5, "one "), (1.0, "two "), (1.5, "thre"), (2.0, "e")]]
    assert ended == 2.0 * pace


def test_other_tasks_run_between_the_pieces_of_a_replay_at_once(path: Path) -> None:
    record(path, ask())
    events = list[str]()

    async def other() -> None:
        for _ in range(3):
            await asyncio.sleep(0)
            events.append("other")

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(RecordedChat(path).reply(ask(on_text=events.append)))
            tasks.create_task(other())

    run_virtual(main())
    assert events.index("other") < events.index("e")


def test_text_is_handed_out_while_it_is_recorded(path: Path) -> None:
    seen = list[str]()
    record(path, ask(on_text=seen.append))
    assert seen == ["one ", "two ", "thre", "e"]


def test_what_is_recorded_is_not_asked_again(path: Path) -> None:
    record(path, ask("a"))
    model = ScriptedChat(lambda _: "new")
    chat = RecordedChat(path, model)
    assert run_virtual(chat.reply(ask("a"))).text == "one two three"
    assert run_virtual(chat.reply(ask("b"))).text == "new"
    assert run_virtual(chat.reply(ask("a"))).text == "new"  # the recording has it only once
    assert [request.messages[1].content for request in model.log] == ["b", "a"]


def test_session_priority_and_lookers_on_make_no_difference(path: Path) -> None:
    record(path, ask(session="a", priority=1))
    assert run_virtual(RecordedChat(path).reply(ask(session="b", on_text=lambda _: None))).text == "one two three"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"max_tokens": 5}, "`max_tokens`: recorded 1024, asked 5"),
        ({"temperature": 1}, "`temperature`: recorded 0.0, asked 1.0"),
        ({"stop": ("x",)}, r"`stop\[0\]`: recorded nothing, asked 'x'"),
        ({"constraint": Constraint(regex="a")}, "`constraint.regex`: recorded nothing, asked 'a'"),
        ({"text": "Ho"}, r"`messages\[1\].content`: recorded 'Hi', asked 'Ho'"),
    ],
    ids=str,
)
def test_a_request_that_is_not_recorded_is_an_error_that_names_the_difference(path: Path, change: Any, named: str) -> None:
    record(path, ask())
    with pytest.raises(
        ConfigError, match=rf"run.jsonl holds 1 results and none .*differs first in {named}.*run once with a `model`"
    ):
        run_virtual(RecordedChat(path).reply(ask(**change)))


def test_a_missing_recording_is_an_error_at_once(path: Path) -> None:
    with pytest.raises(ConfigError, match="no recording in .*run.jsonl"):
        RecordedChat(path)


def test_failures_and_cancelled_replies_are_not_recorded(path: Path) -> None:
    with pytest.raises(EngineError):
        record(path, ask(), answer=EngineError("broke"))

    async def cancelled() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await RecordedChat(path, ScriptedChat(lambda _: "one two three", seconds_per_token=0.5)).reply(ask())

    run_virtual(cancelled())
    assert not path.exists()


def test_tool_calls_and_counts_are_replayed(path: Path) -> None:
    use = ToolUse(id="1", name="search", arguments='{"q": ')
    answer = Reply(text="I look.", finish="tools", tool_uses=(use,), prompt_tokens=5, sampled_tokens=6, cached_tokens=4)
    (original,) = record(path, ask(), answer=answer)
    assert run_virtual(RecordedChat(path).reply(ask())) == original
    assert original.tool_uses == (use,)


def test_a_model_that_hands_nothing_out_is_recorded_all_the_same(path: Path) -> None:
    class Silent(ScriptedChat):
        async def reply(self, request: ChatRequest) -> Reply:
            return Reply(text="all at once", finish="stop")

    run_virtual(RecordedChat(path, Silent(lambda _: "")).reply(ask()))
    seen = list[str]()
    run_virtual(RecordedChat(path).reply(ask(on_text=seen.append)))
    assert seen == ["all at once"]


def test_a_recording_can_be_shared_with_others(path: Path) -> None:
    recording = Recording(path)
    with recording.take({"kind": "tool", "name": "search"}) as take:
        take.result = {"value": 5}
    run_virtual(RecordedChat(recording, ScriptedChat(lambda _: "hello")).reply(ask()))
    again = Recording(path)
    assert run_virtual(RecordedChat(again).reply(ask())).text == "hello"
    with again.take({"kind": "tool", "name": "search"}) as take:
        assert take.result == {"value": 5}


def test_a_damaged_reply_is_named(path: Path) -> None:
    record(path, ask())
    entry = json.loads(path.read_text())
    entry["result"]["pieces"] = "?"
    path.write_text(json.dumps(entry) + "\n")
    with pytest.raises(ConfigError, match="run.jsonl holds a damaged reply .*record it again"):
        run_virtual(RecordedChat(path).reply(ask()))


def test_its_model_is_entered_and_left_with_it(path: Path) -> None:
    class Entered(ScriptedChat):
        async def __aenter__(self) -> Self:
            events.append("entered")
            return self

        async def __aexit__(self, *_: object) -> None:
            events.append("left")

    events = list[str]()

    async def main() -> None:
        async with RecordedChat(path, Entered(lambda _: "")):
            events.append("inside")

    run_virtual(main())
    assert events == ["entered", "inside", "left"]
