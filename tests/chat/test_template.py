"""Chat templates as models bring them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestra.chat.base import Message
from orchestra.chat.template import PLAIN, ChatTemplate, read_texts
from orchestra.errors import ConfigError

TALK = [Message("system", "Be brief."), Message("user", "Hi"), Message("assistant", "Hello"), Message("user", "Bye")]


def render(template: str, **names: str) -> str:
    return ChatTemplate(template, names=names, source="the template of X").render(TALK)


def test_the_plain_one_names_who_speaks() -> None:
    assert render(PLAIN) == "System: Be brief.\n\nUser: Hi\n\nAssistant: Hello\n\nUser: Bye\n\nAssistant:"
    assert render(PLAIN, bos_token="<s>").startswith("<s>System:")


def test_blocks_leave_no_blank_lines_and_loops_can_be_left() -> None:
    template = (
        "{% for message in messages %}\n  {% if loop.index == 3 %}\n  {% break %}\n  {% endif %}\n{{ message.role }}\n{% endfor %}"
    )
    assert render(template) == "system\nuser\n"


def test_what_training_marks_is_written_without_the_marks() -> None:
    assert render("a{% generation %}{{ messages[2]['content'] }}{% endgeneration %}b") == "aHellob"


def test_json_is_not_escaped_for_html() -> None:
    assert render("{{ {'a': '<é>'} | tojson }}") == '{"a": "<é>"}'
    assert render("{{ [1] | tojson(indent=1) }}") == "[\n 1\n]"


def test_a_generation_prompt_is_asked_for_and_there_are_no_tools() -> None:
    assert render("{{ add_generation_prompt }} {{ tools is none }}") == "True True"


def test_dates_can_be_written() -> None:
    assert render("{{ strftime_now('%d') | length }}") == "2"


def test_a_template_that_refuses_the_messages_says_why() -> None:
    template = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    with pytest.raises(ConfigError, match=r"the template of X refuses .*'system', 'user'.*: no system role"):
        render(template)


@pytest.mark.parametrize(
    "template",
    [
        "{{ 1 / 0 }}",
        "{{ messages[9].content + 1 }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{% for i in range(10**9) %}{% endfor %}",
    ],
)
def test_a_template_that_fails_or_breaks_out_is_a_matter_of_configuration(template: str) -> None:
    with pytest.raises(ConfigError, match="the template of X"):
        render(template)


def test_what_is_no_template_is_named_with_its_line() -> None:
    with pytest.raises(ConfigError, match=r"the template of X is no valid chat template \(line 2"):
        render("a\n{% for %}")


def config(folder: Path, **entries: object) -> Path:
    (folder / "tokenizer_config.json").write_text(json.dumps(entries))
    return folder


def test_it_is_found_in_the_tokenizers_config(tmp_path: Path) -> None:
    texts = read_texts(config(tmp_path, chat_template="x", eos_token={"content": "</s>"}, bos_token="<s>", pad_token=None))
    assert (texts.template, texts.special) == ("x", {"eos_token": "</s>", "bos_token": "<s>"})


def test_of_several_the_default_is_taken(tmp_path: Path) -> None:
    named = [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]
    assert read_texts(config(tmp_path, chat_template=named)).template == "d"


def test_a_file_of_its_own_wins(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_text("own")
    assert read_texts(config(tmp_path, chat_template="x")).template == "own"


def test_a_folder_without_any_has_none(tmp_path: Path) -> None:
    assert read_texts(tmp_path).template is None


@pytest.mark.parametrize("text", ["{", "[]", '{"chat_template": 5}', '{"chat_template": [5]}'])
def test_a_damaged_config_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "tokenizer_config.json").write_text(text)
    with pytest.raises(ConfigError, match=r"tokenizer_config.json cannot be read .*again"):
        read_texts(tmp_path)
