"""TRL's asynchronous GRPO trainer as we use it: the one file that imports TRL. Importing it takes seconds.

What is ours: rows and advantages come from `async_grpo.worker`, weights go through `async_grpo.weights`, attention over packed rows is PyTorch's own
unless FlashAttention 3 is asked for, nothing that is not a number is learned, and nobody is told that a run took place. What is TRL's: packing,
the clipped loss (no KL to a reference), optimizer, checkpoints, reporting. The loss of a step is the mean over its forward passes of each one's mean
over its tokens, not the mean over all tokens of the step: a token of a pass with few weighs more than one of a pass with many. Packed passes are
nearly even: the weights of two tokens differ by a factor of 1.26 at --token-budget 1,024, and of 1.01 at 8,192.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AttentionInterface, AutoTokenizer, PrinterCallback, TrainerCallback
from trl.experimental.async_grpo import AsyncGRPOConfig, AsyncGRPOTrainer, async_grpo_trainer
from trl.experimental.async_grpo.packing import TREE_ATTENTION

from ..grpo.update import BadBatch
from .attention import tree_attention
from .weights import ServerTransfer, WeightTransfer
from .worker import Worker

STOPPED = "stopped.pt"
"""The packed batch that was not learned."""


class _Trainer(AsyncGRPOTrainer):  # type: ignore[misc]
    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        loss = super().training_step(model, inputs, num_items_in_batch)
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        finite = torch.stack([loss.isfinite().all(), *(gradient.isfinite().all() for gradient in gradients)])
        if not bool(finite.all()):
            path = Path(self.args.output_dir) / STOPPED
            torch.save({name: tensor.cpu() for name, tensor in inputs.items()}, path)
            raise BadBatch(
                f"step {self.state.global_step + 1}: the loss is {float(loss)}, or its gradient is no number: lower --lr. The batch is in {path};"
                " the run can go on from its last checkpoint"
            )
        return loss

    def _send_telemetry(self) -> None:
        """TRL asks the Hub to count the run, which an offline host waits for."""


def make_trainer(
    model: Path,
    out: Path,
    worker: Worker,
    transfer: WeightTransfer | None,
    *,
    server: str | None,
    flash3: bool,
    callbacks: list[TrainerCallback],
    **arguments: Any,
) -> AsyncGRPOTrainer:
    """A trainer that starts from the model folder and leaves checkpoints in `out`. `transfer` None: TRL's own, to the vLLM server at the URL
    `server`. `arguments` are those of TRL's `AsyncGRPOConfig`."""
    gpu = torch.cuda.is_available()
    config = AsyncGRPOConfig(
        str(out),
        use_cpu=not gpu,
        bf16=gpu,
        dtype="float32",
        gradient_checkpointing=False,
        ignore_data_skip=True,
        logging_steps=1,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        save_strategy="steps",
        save_total_limit=2,
        **({"vllm_server_base_url": server.rstrip("/").removesuffix("/v1")} if server else {}),
        **arguments,
    )
    with nullcontext() if gpu else _no_peak_flops():
        trainer = _Trainer(
            model=str(model),
            args=config,
            train_dataset=Dataset.from_dict({"prompt": [[{"role": "user", "content": "the worker has problems of its own"}]]}),
            processing_class=AutoTokenizer.from_pretrained(model),
            rollout_worker=worker,
            weight_transfer=transfer,
        )
    if server and transfer is None:
        trainer.weight_transfer = ServerTransfer(trainer.weight_transfer, server)
    if not flash3:
        AttentionInterface.register(TREE_ATTENTION, tree_attention)  # instead of TRL's, which its constructor registers
    trainer.remove_callback(PrinterCallback)
    for callback in callbacks:  # after TRL's, which send the weights
        trainer.add_callback(callback)
    return trainer


@contextmanager
def _no_peak_flops() -> Iterator[None]:
    """TRL 1.16 asks CUDA for the name of the device, even on a CPU."""
    before = async_grpo_trainer.get_peak_flops_per_device
    async_grpo_trainer.get_peak_flops_per_device = lambda accelerator, dtype: None
    try:
        yield
    finally:
        async_grpo_trainer.get_peak_flops_per_device = before
