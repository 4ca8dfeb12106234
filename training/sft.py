"""Supervised fine-tuning from scratch on packed demonstrations. One GPU (or the CPU, for tests), one file, no trainer class.

    python -m orchestra.training.countdown_demos --problems 1000000 --out data/countdown
    python -m orchestra.training.countdown_demos --problems 2000 --split validation --out data/countdown-validation
    python -m orchestra.training.sft --data data/countdown --validation data/countdown-validation --out models/countdown

Completion-only loss: prompts and results blocks, which we inject, are never trained. Every demonstration sees only itself, at positions
0, 1, 2 …, exactly as at inference. Weights are kept in fp32, the forward pass runs in bf16 on a GPU, the saved model is bf16.
A run that is started again with the same arguments goes on from its last checkpoint. `OUT/training.json` holds the arguments, data
size, seconds and loss curve; the numbers of the shipped model are in its folder.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from orchestra.countdown import notation
from orchestra.countdown.model import ModelCard
from orchestra.countdown.tokenizer import write_tokenizer

from . import packing

# Shapes: B = rows in a batch, T = row width.

CHECKPOINT = "checkpoint.pt"


@dataclass(kw_only=True)
class Progress:
    """What a checkpoint and `training.json` say about a run."""

    step: int = 0
    tokens: int = 0
    """Tokens seen, padding not counted."""
    seconds: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list)
    """Every `--log-every` steps: step, tokens, loss (mean over the last of them), rate; validation loss where it was measured."""


def build_model(args: argparse.Namespace) -> LlamaForCausalLM:
    torch.manual_seed(args.seed)
    return LlamaForCausalLM(  # type: ignore[no-untyped-call]
        LlamaConfig(
            vocab_size=len(notation.VOCABULARY),
            hidden_size=args.hidden,
            intermediate_size=args.intermediate or 64 * round(args.hidden * 8 / 3 / 64),
            num_hidden_layers=args.layers,
            num_attention_heads=args.hidden // 64,
            max_position_embeddings=row_width(args.data),
            tie_word_embeddings=True,
            bos_token_id=notation.BOS,
            eos_token_id=notation.END,
            pad_token_id=notation.PAD,
            use_cache=False,
        )
    )


def row_width(folder: Path) -> int:
    first = min(folder.glob("*.npz"), default=None)
    if first is None:
        raise SystemExit(
            f"{folder} holds no .npz shards: make them with `python -m orchestra.training.countdown_demos --out {folder}`"
        )
    return int(np.load(first)["token_ids"].shape[1])


def loss_of(model: LlamaForCausalLM, token_ids: Tensor, document: Tensor, trained: Tensor) -> tuple[Tensor, Tensor]:
    """Summed cross-entropy over trained tokens, and their number. Arguments are [B, T]."""
    width = token_ids.shape[1]
    index = torch.arange(width, device=token_ids.device)
    new_document = torch.ones_like(document, dtype=torch.bool)
    new_document[:, 1:] = document[:, 1:] != document[:, :-1]
    positions = index - torch.where(new_document, index, 0).cummax(dim=1).values
    same_document = document[:, :, None] == document[:, None, :]
    mask = (same_document & (index[:, None] >= index[None, :]))[:, None]  # [B, 1, T, T]
    logits = model(input_ids=token_ids, position_ids=positions, attention_mask=mask).logits
    labels = torch.where(trained, token_ids, -100)[:, 1:]
    loss = torch.nn.functional.cross_entropy(
        logits[:, :-1].float().flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="sum"
    )
    return loss, (labels != -100).sum()


def learning_rate(step: int, *, peak: float, steps: int, warmup: int) -> float:
    """Linear warm-up, then cosine to a tenth of the peak."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (0.1 + 0.45 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup))))


class Batches:
    """Rows of a folder in a seeded order, a new one each epoch, as tensors on the device."""

    def __init__(self, folder: Path, *, batch_tokens: int, seed: int, device: torch.device) -> None:
        self.rows = packing.load(sorted(folder.glob("*.npz")))
        self.batch = max(1, batch_tokens // self.rows.token_ids.shape[1])
        self.per_epoch = len(self.rows) // self.batch
        if not self.per_epoch:
            raise SystemExit(
                f"{folder} holds {len(self.rows)} rows, fewer than a batch of {self.batch}: make more, or lower --batch-tokens"
            )
        self._seed = seed
        self._device = device
        self._epoch: tuple[int, npt.NDArray[np.int64]] | None = None

    def at(self, step: int) -> tuple[tuple[Tensor, Tensor, Tensor], int]:
        """The batch of a step, (token_ids, document, trained) of [B, T] each, and its number of tokens that are not padding."""
        epoch, place = divmod(step, self.per_epoch)
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = epoch, np.random.default_rng([self._seed, epoch]).permutation(len(self.rows))
        chosen = np.sort(self._epoch[1][place * self.batch : (place + 1) * self.batch])
        return self._load(chosen), int((self.rows.document[chosen] > 0).sum())

    def all(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Every full batch, in the order of the files."""
        for start in range(0, self.per_epoch * self.batch, self.batch):
            yield self._load(np.arange(start, start + self.batch))

    def _load(self, chosen: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        rows = self.rows
        arrays = rows.token_ids[chosen].astype(np.int64), rows.document[chosen].astype(np.int32), rows.trained[chosen]
        token_ids, document, trained = (torch.from_numpy(array).to(self._device, non_blocking=True) for array in arrays)
        return token_ids, document, trained


def make_optimizer(model: LlamaForCausalLM, args: argparse.Namespace) -> torch.optim.AdamW:
    """AdamW that decays matrices and leaves norms alone."""
    decay = [p for p in model.parameters() if p.dim() > 1]
    other = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": decay, "weight_decay": args.weight_decay}, {"params": other, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=args.lr, betas=(0.9, 0.95), fused=True)


def train(args: argparse.Namespace) -> Progress:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batches = Batches(args.data, batch_tokens=args.batch_tokens, seed=args.seed, device=device)
    held_out = Batches(args.validation, batch_tokens=args.batch_tokens, seed=0, device=device) if args.validation else None
    model = build_model(args).to(device)  # type: ignore[arg-type]
    optimizer = make_optimizer(model, args)
    progress = load_checkpoint(args.out, model, optimizer, device)
    steps = args.steps or round(batches.per_epoch * args.epochs)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    size = f"{parameters / 1e6:.1f}M parameters, {batches.rows.num_tokens / 1e6:.0f}M tokens"
    sys.stderr.write(f"{size}, {steps} steps of {batches.batch} rows, {device}\n")

    step_loss = torch.compile(loss_of) if device.type == "cuda" else loss_of
    precision = torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")

    @torch.no_grad()
    def validate(source: Batches) -> float:
        with precision:
            losses = [step_loss(model, *batch) for batch in source.all()]
        return sum(loss.item() for loss, _ in losses) / sum(int(count) for _, count in losses)

    started, running, since = time.monotonic() - progress.seconds, torch.zeros((), device=device), 0
    while progress.step < steps:
        rate = learning_rate(progress.step, peak=args.lr, steps=steps, warmup=args.warmup)
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch, tokens = batches.at(progress.step)
        with precision:
            loss, count = step_loss(model, *batch)
        torch.autograd.backward(loss / count)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        running, since = running + (loss / count).detach(), since + 1
        progress.step += 1
        progress.tokens += tokens
        last = progress.step == steps
        if progress.step % args.log_every == 0 or last:
            progress.seconds = time.monotonic() - started
            entry = {"step": progress.step, "tokens": progress.tokens, "loss": round(running.item() / since, 5), "lr": rate}
            if held_out and (progress.step % (10 * args.log_every) == 0 or last):
                entry["validation_loss"] = round(validate(held_out), 5)
            progress.curve.append(entry)
            sys.stderr.write(
                f"{json.dumps(entry)}  {progress.seconds:.0f} s, {progress.tokens / progress.seconds / 1e3:.0f}k tok/s\n"
            )
            running, since = torch.zeros((), device=device), 0
        if progress.step % args.save_every == 0 and not last:
            save_checkpoint(args.out, model, optimizer, progress)
    save_model(model, args.out)
    write_facts(args, progress, parameters=parameters, rows=batches.rows, device=device)
    (args.out / CHECKPOINT).unlink(missing_ok=True)
    return progress


def save_checkpoint(out: Path, model: LlamaForCausalLM, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
    """Everything that the next run needs; the old checkpoint stays until the new one is whole."""
    unfinished = out / f"{CHECKPOINT}.part"
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "progress": asdict(progress)}, unfinished)
    unfinished.rename(out / CHECKPOINT)


def load_checkpoint(out: Path, model: LlamaForCausalLM, optimizer: torch.optim.Optimizer, device: torch.device) -> Progress:
    """Go on from the checkpoint in `out`, or start at step 0."""
    if not (out / CHECKPOINT).exists():
        return Progress()
    state = torch.load(out / CHECKPOINT, map_location=device, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return Progress(**state["progress"])


def save_model(model: LlamaForCausalLM, out: Path) -> None:
    """Weights in bf16 (shards of at most 14 MB), tokenizer and card: a folder that vLLM and `transformers` load."""
    copy = LlamaForCausalLM(model.config)  # type: ignore[no-untyped-call]
    copy.load_state_dict(model.state_dict())
    copy.config.use_cache = True
    copy.bfloat16().save_pretrained(out, max_shard_size="14MB")
    write_tokenizer(out)
    ModelCard().write(out)


def write_facts(args: argparse.Namespace, progress: Progress, *, parameters: int, rows: packing.Rows, device: torch.device) -> None:
    """`training.json`: what was trained, on what, for how long, and the loss curve."""
    facts = {
        "parameters": parameters,
        "arguments": {name: str(value) if isinstance(value, Path) else value for name, value in vars(args).items()},
        "rows": len(rows),
        "distinct_tokens": rows.num_tokens,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        **asdict(progress),
    }
    (args.out / "training.json").write_text(json.dumps(facts, indent=1) + "\n")


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = parser.add_argument_group("data and output")
    data.add_argument("--data", type=Path, required=True, help="folder of packed shards")
    data.add_argument("--validation", type=Path, help="folder of packed shards of held-out problems")
    data.add_argument("--out", type=Path, required=True, help="folder for the model")
    shape = parser.add_argument_group("model (Llama, heads of 64, tied embeddings)")
    shape.add_argument("--hidden", type=int, default=384)
    shape.add_argument("--layers", type=int, default=8)
    shape.add_argument("--intermediate", type=int, help="default: 8/3 of --hidden, rounded to 64")
    optimisation = parser.add_argument_group("optimisation")
    optimisation.add_argument("--lr", type=float, default=1.5e-3)
    optimisation.add_argument("--warmup", type=int, default=200, help="steps")
    optimisation.add_argument("--weight-decay", type=float, default=0.05)
    optimisation.add_argument("--batch-tokens", type=int, default=131_072)
    optimisation.add_argument("--epochs", type=float, default=1.0)
    optimisation.add_argument("--steps", type=int, help="instead of --epochs")
    optimisation.add_argument("--seed", type=int, default=0)
    optimisation.add_argument("--log-every", type=int, default=50, help="steps")
    optimisation.add_argument("--save-every", type=int, default=1_000, help="steps between checkpoints")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    return args


if __name__ == "__main__":
    # bf16 matrix products with TF32 for what stays fp32: the model has no use for more.
    torch.set_float32_matmul_precision("high")
    train(parse())
