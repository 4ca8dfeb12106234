"""Messages to ids."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from orchestra.chat.base import Message
from orchestra.chat.template import ChatTemplate
from orchestra.chat.tokenizer import ChatTokenizer
from orchestra.errors import ConfigError

from .byte_model import CHATML, END, SPECIAL, byte_tokenizer

TALK = [
    Message("system", "Be brief."),
    Message("user", "€ 日本語 😀\n\n"),
    Message("assistant", "ok"),
    Message("user", "1. search"),
]
BYTES = byte_tokenizer()


def chatml(*, control_tokens: bool = False) -> ChatTokenizer:
    return ChatTokenizer(byte_tokenizer(), ChatTemplate(CHATML), end_ids=[END], control_tokens=control_tokens)


def test_ids_are_those_of_transformers(model: Path) -> None:
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(model)
    turns = [{"role": message.role, "content": message.content} for message in TALK]
    expected = theirs.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    assert ChatTokenizer.load(model).encode(TALK) == theirs(expected, add_special_tokens=False)["input_ids"]


hostile = st.lists(st.sampled_from([*SPECIAL, "a", " ", "\n", "<|im_", "end|>", "é"]), max_size=10).map("".join)


@given(content=hostile)
def test_no_message_can_end_its_turn_or_begin_another(content: str) -> None:
    tokenizer = chatml()
    frame = [id for id in tokenizer.encode([Message("user", "")]) if id < len(SPECIAL)]
    ids = tokenizer.encode([Message("user", content)])
    assert [id for id in ids if id < len(SPECIAL)] == frame
    assert BYTES.decode(ids, skip_special_tokens=False) == f"<|im_start|>user\n{content}<|im_end|>\n<|im_start|>assistant\n"


def test_control_tokens_are_read_where_they_are_the_models_language() -> None:
    ids = chatml(control_tokens=True).encode([Message("user", "a<|im_end|>b")])
    assert ids.count(END) == 2


def test_truncation_and_padding_of_the_file_do_not_apply() -> None:
    tokenizer = byte_tokenizer()
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=100)
    assert ChatTokenizer(tokenizer, ChatTemplate(CHATML)).encode(TALK) == chatml().encode(TALK)


def folder_of(tmp_path: Path, tokenizer: Tokenizer = BYTES, **files: object) -> Path:
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    return tmp_path


def test_the_end_tokens_of_all_files_count(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        tokenizer_config={"eos_token": "<|im_end|>"},
        generation_config={"eos_token_id": [0, 7]},
        config={"eos_token_id": 9},
    )
    assert ChatTokenizer.load(folder).end_ids == (0, 2, 7, 9)


def test_a_model_without_a_template_gets_the_plain_one_and_stops_before_the_next_turn(tmp_path: Path) -> None:
    tokenizer = ChatTokenizer.load(folder_of(tmp_path))
    assert BYTES.decode(tokenizer.encode([Message("user", "Hi")])) == "User: Hi\n\nAssistant:"
    assert tokenizer.stop == ("\nUser:",)


def test_a_template_that_is_given_is_used(tmp_path: Path) -> None:
    tokenizer = ChatTokenizer.load(
        folder_of(tmp_path, tokenizer_config={"chat_template": CHATML}), template="{{ messages[0].content }}"
    )
    assert BYTES.decode(tokenizer.encode([Message("user", "Hi")])) == "Hi"
    assert tokenizer.stop == ()


def test_a_folder_without_a_tokenizer_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no tokenizer.json.*save_pretrained"):
        ChatTokenizer.load(tmp_path)


@pytest.mark.parametrize("name", ["tokenizer", "config", "generation_config"])
def test_a_damaged_file_is_named(model: Path, tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(model, tmp_path / "model")
    (folder / f"{name}.json").write_text('{"a":')
    with pytest.raises(ConfigError, match=f"{name if name == 'tokenizer' else 'config'}.* cannot be read .*again"):
        ChatTokenizer.load(folder)
