"""Focal loss: cross-entropy that turns away from what the model already knows (Lin et al. 2017, arXiv 1708.02002, equation 5)."""

from __future__ import annotations

import torch
from torch import Tensor


def focal_loss(logits: Tensor, labels: Tensor, *, gamma: float, alpha: float) -> Tensor:
    """Mean of -a (1 - p)^gamma log p, where p is the probability of the label and a is `alpha` for yes, 1 - `alpha` for no.

    Args:
        logits: [B, 1], log-odds of yes, or [B, 2], of no and yes.
        labels: [B], booleans.
        gamma: 0 is weighted cross-entropy.
        alpha: 0.5 weighs both classes the same, and halves the loss.
    """
    logits = logits.float()
    odds = logits[:, 0] if logits.shape[-1] == 1 else logits[:, 1] - logits[:, 0]
    log_p = torch.nn.functional.logsigmoid(torch.where(labels, odds, -odds))
    weight = torch.where(labels, alpha, 1 - alpha)
    return (-weight * (1 - log_p.exp()) ** gamma * log_p).mean()
