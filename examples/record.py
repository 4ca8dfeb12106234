"""Writes `recordings/`, which other examples replay: a script plays their models, at 20 ms a token.

    python examples/record.py [FOLDER]

A recording holds whole prompts: run this again when a prompt, a tool's signature or a question has changed. What a real model says is
recorded by `open_chat(url, record=file)`.
"""

import asyncio
import json
import sys
from functools import partial
from pathlib import Path

import facts_offline
import plan_with_tools
import skeleton

from orchestra.chat import ChatModel, ChatRequest, RecordedChat, ScriptedChat
from orchestra.chat.recording import Recording
from orchestra.engine.virtual import run_virtual

HERE = Path(__file__).parent


def player(example: str, model: str = "") -> ChatModel:
    """A model that says what `scripts/EXAMPLE.jsonl` has for a request: by its role, and by a text in its last message."""
    script = [json.loads(line) for line in (HERE / "scripts" / f"{example}.jsonl").read_text(encoding="utf-8").splitlines()]

    def say(request: ChatRequest) -> str:
        first = request.messages[0].content
        role = "plan" if first.startswith("You plan") else "join" if first.startswith("You see") else "write"
        asked = request.messages[-1].content
        for line in script:
            if line["role"] == role and line["asked"] in asked and line.get("model", model) == model:
                return "\n".join(each if isinstance(each, str) else json.dumps(each) for each in line["says"])
        raise SystemExit(f"{example}: nothing is scripted for {role} {asked!r}")

    return ScriptedChat(say, seconds_per_token=0.02)


def record(folder: Path) -> None:
    for name in ("plan_with_tools", "facts_offline", "skeleton"):
        (folder / f"{name}.jsonl").unlink(missing_ok=True)
    asyncio.run(plan_with_tools.main(RecordedChat(folder / "plan_with_tools.jsonl", player("plan_with_tools"))))
    run_virtual(facts_offline.main(partial(RecordedChat, folder / "facts_offline.jsonl", player("facts_offline"), pace=1)))
    recording = Recording(folder / "skeleton.jsonl")
    run_virtual(skeleton.main(*(RecordedChat(recording, player("skeleton", size)) for size in ("small", "large"))))


if __name__ == "__main__":
    record(Path(sys.argv[1]) if sys.argv[1:] else HERE / "recordings")
