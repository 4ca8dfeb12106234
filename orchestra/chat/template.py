"""Chat templates: from messages to the one text that a model was trained to read them in.

Models bring theirs as jinja2, in `chat_template.jinja` or in `tokenizer_config.json`, written for what `transformers` offers to it: block
trimming, loop controls, `raise_exception`, `strftime_now`, a `tojson` that does not escape for HTML, and `{% generation %}` blocks. A
template comes with downloaded weights, so it runs in jinja2's sandbox.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..errors import ConfigError
from .base import Message

PLAIN = """\
{{ bos_token }}{% for message in messages %}{{ message.role | capitalize }}: {{ message.content | trim }}

{% endfor %}Assistant:"""
"""For models that have no template of their own."""
PLAIN_STOP = ("\nUser:",)
"""Where such a model has finished its turn and invents the next."""


class ChatTemplate:
    """A jinja2 template of `messages`. `names`: further variables, such as `bos_token`. `source` names it in errors.

    `stop` are texts at which a reply ends, because the model has no token for it. Raises `ConfigError` for a template that is not jinja2.
    """

    def __init__(
        self, text: str, *, names: Mapping[str, str] | None = None, stop: Sequence[str] = (), source: str = "the template"
    ) -> None:
        self.stop = tuple(stop)
        self._names = dict(names or {})
        self._source = source
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", _Generation]
        )
        environment.filters["tojson"] = _to_json
        environment.globals |= {"raise_exception": _refuse, "strftime_now": lambda form: datetime.now().strftime(form)}
        try:
            self._template = environment.from_string(text)
        except TemplateSyntaxError as error:
            raise ConfigError(f"{source} is no valid chat template (line {error.lineno}: {error.message})") from error

    def render(self, messages: Sequence[Message]) -> str:
        """The text up to where the assistant's next message begins.

        Raises `ConfigError` when the template refuses the messages, such as a system message where the model knows none.
        """
        turns = [{"role": message.role, "content": message.content} for message in messages]
        try:
            return self._template.render(messages=turns, tools=None, documents=None, add_generation_prompt=True, **self._names)
        except (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            roles = [message.role for message in messages]
            raise ConfigError(f"{self._source} refuses messages with the roles {roles}: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTexts:
    """What the files beside a model's tokenizer say about chats."""

    template: str | None
    special: Mapping[str, str] = field(default_factory=dict)
    """`bos_token`, `eos_token` and their like."""


def read_texts(folder: Path) -> ModelTexts:
    """Reads what there is. Raises `ConfigError` for a damaged `tokenizer_config.json`."""
    path = folder / "tokenizer_config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        special = {name: _content(value) for name, value in config.items() if name.endswith("_token") and _content(value)}
        template = config.get("chat_template")
        if isinstance(template, list):  # several, by name
            by_name = {entry["name"]: entry["template"] for entry in template}
            template = by_name.get("default") or next(iter(by_name.values()), None)
        if template is not None and not isinstance(template, str):
            raise TypeError(f"`chat_template` is {template!r}")
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} cannot be read ({error}): copy or download it again") from error
    own_file = folder / "chat_template.jinja"
    if own_file.exists():
        template = own_file.read_text(encoding="utf-8")
    return ModelTexts(template=template, special=special)


def _content(value: Any) -> str:
    """A token is written as its text, or as an object with it."""
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) else ""


def _to_json(value: Any, indent: int | None = None, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=options.pop("ensure_ascii", False), indent=indent, **options)


def _refuse(message: str) -> None:
    raise TemplateError(message)


class _Generation(Extension):
    """`{% generation %}…{% endgeneration %}` marks what training counts; for us it is its content."""

    tags = {"generation"}  # noqa: RUF012 - jinja2 declares it so

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)
