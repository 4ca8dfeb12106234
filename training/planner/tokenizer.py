"""The planner's tokenizer: byte-level BPE in which a word is the same tokens wherever it stands, so that a name can be copied token by token.

Words, single digits, and what lies between them (spaces, quotes, brackets) are kept apart before any merge: " Torvalen" in a question and
"Torvalen" in quotes would otherwise be different tokens. Bytes that no merge covers stay bytes, so every text can be read and written.

The folder that `write_tokenizer` makes holds what an `EngineChat` needs. Its chat template shows the model the task alone: what
`TextPlanner` says about tools and format before it is the same every time, and the model has learned it.

    <bos>Task: How much taller is Torvalen than Miskar?<plan>1. lookup("Torvalen", "height")⏎ … join($3)<end>
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from orchestra.agent.planner import task_message
from orchestra.chat.base import Message
from orchestra.chat.tokenizer import ChatTokenizer

from ..packing import Demonstration
from ..run_folder import replace_text
from .task import PlanningTask

PAD, BOS, END, PLAN = "<pad>", "<bos>", "<end>", "<plan>"
VOCABULARY = 3_072
TEMPLATE = BOS + "{{ (messages | selectattr('role', 'equalto', 'user') | first).content | trim }}" + PLAN
_PIECES = r"\p{L}+\p{M}*|\p{N}|[^\p{L}\p{N}]+"


def train_tokenizer(texts: Iterable[str], *, vocabulary: int = VOCABULARY) -> Tokenizer:
    """From tasks and plans."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, BOS, END, PLAN],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=10,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def write_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """`tokenizer.json`, and `tokenizer_config.json` with the chat template."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BOS,
        "eos_token": END,
        "pad_token": PAD,
        "clean_up_tokenization_spaces": False,
        "chat_template": TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    # Last and at once, because it says that the folder is whole.
    replace_text(folder / "tokenizer.json", tokenizer.to_str(pretty=True))


class Encoder:
    """Tasks as demonstrations, with prompts that are what inference sends, because the same code makes them."""

    def __init__(self, folder: Path) -> None:
        self._chat = ChatTokenizer.load(folder)

    @cached_property
    def end(self) -> int:
        return self._chat.end_ids[0]

    def demonstration(self, task: PlanningTask) -> Demonstration:
        prompt = self._chat.encode([Message("system", ""), task_message(task.task)])
        return Demonstration(tuple(prompt), (*self._chat.encode_text(task.plan), self.end))
