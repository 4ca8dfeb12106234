"""A Llama with one million random float32 weights, and a tokenizer whose token i is written "ti"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM

VOCABULARY = 64
END = 1
CONTEXT = 512


class Words:
    """Its tokenizer, without a library."""

    def encode(self, text: str) -> list[int]:
        return [int(word.removeprefix("t")) for word in text.split()]

    def decode(self, token_ids: Sequence[int]) -> str:
        return " ".join(f"t{token}" for token in token_ids)


@dataclass(frozen=True)
class TinyModel:
    folder: Path

    @classmethod
    def save(cls, folder: Path) -> Self:
        import torch
        from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
        from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

        torch.manual_seed(0)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=VOCABULARY,
                hidden_size=128,
                intermediate_size=384,
                num_hidden_layers=4,
                num_attention_heads=4,
                max_position_embeddings=CONTEXT,
                bos_token_id=0,
                eos_token_id=END,
            )
        )
        with torch.no_grad():
            model.lm_head.weight.mul_(10)  # else all tokens are almost equally likely, and rounding decides what is greedy
            model.lm_head.weight[END] = 0  # never greedy, always possible
        model.save_pretrained(folder)

        tokenizer = Tokenizer(models.WordLevel({f"t{i}": i for i in range(VOCABULARY)}, unk_token="t0"))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        tokenizer.decoder = decoders.WordPiece(cleanup=False)  # puts a space between words
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            eos_token=AddedToken(f"t{END}", single_word=True),  # else it is also found in "t12"
            chat_template="{% for message in messages %}{{ message.content }}{% endfor %}",
        ).save_pretrained(folder)
        return cls(folder)

    def logits(self, prompt: Sequence[int], token_ids: Sequence[int]) -> torch.Tensor:
        """What each of `token_ids` was drawn from, after `prompt`."""
        import torch

        with torch.inference_mode():
            return self._model(torch.tensor([[*prompt, *token_ids]])).logits[0, len(prompt) - 1 : -1]

    @cached_property
    def _model(self) -> LlamaForCausalLM:
        import torch
        from transformers import LlamaForCausalLM

        return LlamaForCausalLM.from_pretrained(self.folder, dtype=torch.float32)
