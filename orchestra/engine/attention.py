"""Which attention the decoder's passes take on a GPU: that of the model's own code, but by the kernels that suit it."""

# Shapes: R rows, H heads, D head size, T tokens a row in the cache.

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode


@contextmanager
def quick_attention(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """For what decodes within: the fastest attention for one query a row, of which kernels made for many make little.

    cuDNN is left out, because it plans anew, which takes long, for every shape that it has not met.
    """
    if device.type != "cuda":
        yield
        return
    with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]):
        # In 16 bits a kernel keeps the scores in fp32, as products of matrices would not.
        if dtype == torch.float32:
            with _OneQuery():
                yield
        else:
            yield


class _OneQuery(TorchFunctionMode):
    """Attention of one query a row as two products of matrices, which read keys and values once and do nothing else that counts."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        mask = kwargs.get("attn_mask")
        if (
            func is torch.nn.functional.scaled_dot_product_attention
            and args[0].shape[2] == 1
            and args[1].shape[1] == args[0].shape[1]
            and mask is not None
            and mask.is_floating_point()
        ):
            return one_query(*args, mask=mask, scale=kwargs.get("scale"))
        return func(*args, **kwargs)


def one_query(query_RH1D: Tensor, keys_RHTD: Tensor, values_RHTD: Tensor, *, mask: Tensor, scale: float | None) -> Tensor:
    """`mask`, R x 1 x 1 x T, is added to the scores. R rows, H heads, D head size, T tokens in the cache."""
    scaled_RH1D = query_RH1D * (query_RH1D.shape[-1] ** -0.5 if scale is None else scale)
    weights_RH1T = (scaled_RH1D @ keys_RHTD.transpose(2, 3) + mask).softmax(-1)
    return weights_RH1T @ values_RHTD
