"""How a request is to be sampled, in vLLM's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Request
from .constraint import structured_outputs

if TYPE_CHECKING:
    from vllm import SamplingParams


def params(request: Request, candidates: int) -> SamplingParams:
    """`candidates` are the tokens at each position whose log-probabilities are wanted besides that of the sampled one."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    sampling = request.sampling
    constraint = sampling.constraint and StructuredOutputsParams(**structured_outputs(sampling.constraint))
    return SamplingParams(
        max_tokens=sampling.max_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        seed=sampling.seed,
        stop_token_ids=list(sampling.stop_token_ids),
        logprobs=candidates or (0 if sampling.logprobs else None),
        flat_logprobs=True,
        detokenize=False,
        structured_outputs=constraint,
        output_kind=RequestOutputKind.DELTA if request.watched else RequestOutputKind.FINAL_ONLY,
    )
