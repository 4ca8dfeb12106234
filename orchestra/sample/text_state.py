"""What a `TextSource` knows of one trace: its ids, and the text that they make."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..chat.tokenizer import ChatTokenizer
from .prompts import OPENING

_TEMPLATE_END = 16  # tokens in which a chat template may open a thought


class TextState:
    """`LiveTrace.state` of a `TextSource`."""

    def __init__(self, tokenizer: ChatTokenizer, prompt: Sequence[int], inherited: Sequence[int] = ()) -> None:
        """`inherited`: the last ids of `prompt`, when another trace has sampled them."""
        assert len(inherited) <= len(prompt)
        self.prompt = prompt
        self.inherited = inherited
        self.sampled: list[int] = []
        """By itself, as far as is known: while it runs only where it is watched."""
        self._tokenizer = tokenizer
        own = prompt[: len(prompt) - len(inherited)]
        self.opens_thinking = tokenizer.detokenizer().feed(own[-_TEMPLATE_END:]).rstrip().endswith(OPENING)
        """The model's template has begun a thought: no text of the trace says so."""
        self._attempt = 0
        self._fed = 0
        self._cut: tuple[int, str] = (-1, "")
        """The last cut that somebody asked for: judges ask for one many times."""
        self._begin()

    def take(self, token_ids: Sequence[int], *, attempt: int) -> bool:
        """More tokens of this attempt; whether it is a new one, and all that came before it is void."""
        anew = attempt != self._attempt and bool(self.sampled)
        if anew:
            self.sampled = []
            self._begin()
        self._attempt = attempt
        self.sampled += token_ids
        return anew

    def end(self, token_ids: Sequence[int]) -> None:
        """All that it has sampled, from its account."""
        if self.sampled != token_ids[: len(self.sampled)]:
            self._begin()
        self.sampled = list(token_ids)
        self._read()
        self._text += self._detokenizer.end()

    def body(self, end_ids: Collection[int]) -> list[int]:
        """What it has sampled, without the token that ended it: where another request can go on."""
        ended = bool(self.sampled) and self.sampled[-1] in end_ids
        return self.sampled[: len(self.sampled) - ended]

    def words(self, tokens: int | None) -> str:
        """The text of what it has inherited and of its first `tokens` sampled tokens, or of all."""
        if tokens is None or tokens >= len(self.sampled):
            self._read()
            return _before(self._text, self._tokenizer.stop)
        if self._cut[0] != tokens:
            self._cut = (tokens, self._tokenizer.detokenizer().feed([*self.inherited, *self.sampled[:tokens]]))
        return _before(self._cut[1], self._tokenizer.stop)

    def _read(self) -> None:
        self._text += self._detokenizer.feed(self.sampled[self._fed :])
        self._fed = len(self.sampled)

    def _begin(self) -> None:
        self._detokenizer = self._tokenizer.detokenizer()
        self._text = self._detokenizer.feed(self.inherited)
        self._fed = 0
        self._cut = (-1, "")


def _before(text: str, stops: Sequence[str]) -> str:
    """`text` up to the first of `stops`."""
    return text[: min((place for stop in stops if (place := text.find(stop)) >= 0), default=len(text))]
