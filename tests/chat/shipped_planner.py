"""The shipped model as a planner: its weights, and a tokenizer that reads its tokens as the words of a plan.

It knows no language but Countdown's, so a call is a token that it opens threads with, and a reference is one that it counts depth with. Under a
grammar it can write plans as LLMCompiler's planner does; what is in them is up to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from orchestra.countdown import Problem, shipped_model
from orchestra.countdown.notation import VOCABULARY, fork_prompt

WORDS = {
    "<call>": '. calculate("',
    "=": '")\n',
    "<wait>": ". join()<END_OF_PLAN>",
    **{f"<{number}>": f"${number}" for number in range(1, 6)},
}
END_OF_PLAN = "<END_OF_PLAN>"
TEMPLATE = "{{ messages[-1].content }}"


def save_planner(folder: Path) -> None:
    """A model folder whose weights are links to the shipped ones."""
    for name in ("config.json", "generation_config.json", "model.safetensors"):
        (folder / name).symlink_to(shipped_model() / name)
    (folder / "tokenizer_config.json").write_bytes((shipped_model() / "tokenizer_config.json").read_bytes())
    tokenizer = Tokenizer(models.WordLevel({WORDS.get(word, word): id for id, word in enumerate(VOCABULARY)}, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.Fuse()
    tokenizer.save(str(folder / "tokenizer.json"))


def prompt(problem: Problem) -> str:
    """What the model reads a problem as."""
    return " ".join(VOCABULARY[id] for id in fork_prompt(problem, beam=3, child_beam=2))


def plan_grammar(numbers: Sequence[int]) -> str:
    """Two or three calculations, of which later ones may use earlier results."""
    number = " | ".join(f'"{value}"' for value in sorted(set(numbers)))
    return rf"""
root ::= "1" first "2" second ("3" third "4" join | "3" join)
first ::= ". calculate(\"" number op number "\")\n"
second ::= ". calculate(\"" (number | "$1") op (number | "$1") "\")\n"
third ::= ". calculate(\"" (number | "$1" | "$2") op (number | "$1" | "$2") "\")\n"
number ::= {number}
op ::= "+" | "-" | "*" | "/"
join ::= ". join(){END_OF_PLAN}"
"""
