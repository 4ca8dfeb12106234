"""Draws one token for each row of logits, all rows at once, on whatever device the numbers lie on.

A row's token depends on its own logits and its own uniform number alone: cumulated in float64, the probabilities are inverted there. No
shape depends on a value, so that drawing can be part of a CUDA graph.
"""

# Shapes: R rows, V vocabulary, K most probable candidates.

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import EngineError

_MOST_NUMBERS = 1 << 26
"""Logits that are drawn from at once: half a GiB for each float64 copy of them."""


class LogitsError(EngineError):
    """A model gave logits of which none can be drawn: its weights are damaged, have diverged, or overflow in their dtype."""


@dataclass(frozen=True, slots=True)
class How:
    """What rows that are drawn from together need, beyond temperature: the work that is left out for what nobody needs."""

    nucleus: bool = False
    """Whether any of them has a top-p below 1."""
    top: int = 0
    """Most candidates whose log-probabilities any of them asks for."""


def draw(logits_RV: Tensor, uniform_R: Tensor, temperature_R: Tensor, top_p_R: Tensor, how: How) -> Tensor:
    """After temperature and top-p; at temperature 0 the likeliest, under temperature 1.

    `uniform_R` are numbers in [0, 1); they and the next two are float64. Gives R x (3 + K) float64: the token, its log-probability, the
    highest logit (for `refuse_no_numbers`), and the log-probabilities of the K candidates, the likeliest first.
    """
    at_once = max(1, _MOST_NUMBERS // logits_RV.shape[1])
    parts = [slice(start, start + at_once) for start in range(0, len(logits_RV), at_once)]
    drawn = [_draw(logits_RV[part].float(), uniform_R[part], temperature_R[part], top_p_R[part], how) for part in parts]
    return torch.cat(drawn)


def refuse_no_numbers(highest_R: Tensor) -> None:
    """Raises `LogitsError` where a row's highest logit is none: it is NaN where any of them is."""
    if num_bad := int((~highest_R.isfinite()).sum()):
        raise LogitsError(
            f"its logits are no numbers in {num_bad} of {len(highest_R)} rows: the weights are damaged or have diverged, or their dtype is"
            " too narrow"
        )


def _draw(logits_RV: Tensor, uniform_R: Tensor, temperature_R: Tensor, top_p_R: Tensor, how: How) -> Tensor:
    highest_R1, likeliest_R1 = logits_RV.max(-1, keepdim=True)
    greedy_R1 = temperature_R[:, None] == 0
    # A temperature may be 0 in this dtype, and 0 / 0 is NaN. Only differences count; without the maximum the tiniest cannot overflow.
    divisor_R1 = temperature_R[:, None].to(logits_RV.dtype).clamp(min=torch.finfo(logits_RV.dtype).tiny).masked_fill(greedy_R1, 1.0)
    logprobs_RV = ((logits_RV - highest_R1) / divisor_R1).log_softmax(-1)
    if how.nucleus:
        cut_R1 = (top_p_R[:, None] < 1) & ~greedy_R1
        logprobs_RV = torch.where(cut_R1, _nucleus(logprobs_RV, top_p_R[:, None]), logprobs_RV)
    mass_RV = logprobs_RV.double().exp_().cumsum(-1)
    whole_R1 = mass_RV[:, -1:]
    # Rounding up to the whole would find the place behind the last token.
    inverted_R1 = torch.minimum(uniform_R[:, None] * whole_R1, torch.nextafter(whole_R1, torch.zeros_like(whole_R1)))
    sampled_R1 = torch.searchsorted(mass_RV, inverted_R1, right=True)
    # Where logits are no numbers the place is anywhere, and reading there would end the program before anybody could say so.
    token_R1 = torch.where(greedy_R1, likeliest_R1, sampled_R1.clamp(max=logits_RV.shape[1] - 1))
    columns = [token_R1, logprobs_RV.gather(-1, token_R1), highest_R1]
    if how.top:
        columns.append(logprobs_RV.topk(min(how.top, logits_RV.shape[1])).values)
    return torch.cat([column.double() for column in columns], -1)


def _nucleus(logprobs_RV: Tensor, top_p_R1: Tensor) -> Tensor:
    """Keeps the fewest likeliest tokens that hold `top_p` of the mass, and renormalises."""
    sorted_RV, order_RV = logprobs_RV.sort(-1, descending=True)
    mass_RV = sorted_RV.exp()
    sorted_RV = sorted_RV.masked_fill(mass_RV.cumsum(-1) - mass_RV >= top_p_R1, -torch.inf)
    return torch.empty_like(logprobs_RV).scatter_(-1, order_RV, sorted_RV).log_softmax(-1)
