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
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from orchestra.countdown import notation
from orchestra.countdown.model import ModelCard
from orchestra.countdown.tokenizer import write_tokenizer

from . import packing

# Shapes: B = rows in a micro-batch, T = row width.


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
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(notation.VOCABULARY),
            hidden_size=args.hidden,
            intermediate_size=args.intermediate or 64 * round(args.hidden * 8 / 3 / 64),
            num_hidden_layers=args.layers,
            num_attention_heads=args.hidden // 64,
            max_position_embeddings=packing_width(args.data),
            tie_word_embeddings=True,
            bos_token_id=notation.BOS,
            eos_token_id=notation.END,
            pad_token_id=notation.PAD,
            use_cache=False,
        )
    )


def packing_width(folder: Path) -> int:
    first = min(folder.glob("*.npz"), default=None)
    if first is None:
        raise SystemExit(f"{folder} holds no .npz shards: make them with `python -m orchestra.training.countdown_demos --out {folder}`")
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


def save_model(model: LlamaForCausalLM, out: Path) -> None:
    copy = LlamaForCausalLM(model.config)
    copy.load_state_dict(model.state_dict())
    copy.config.use_cache = True
    copy.to(torch.bfloat16).save_pretrained(out, max_shard_size="14MB")
    write_tokenizer(out)
    ModelCard().write(out)


def train(args: argparse.Namespace) -> Progress:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = build_model(args).to(device)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    rows = packing.load(sorted(args.data.glob("*.npz")))
    validation = packing.load(sorted(args.validation.glob("*.npz"))) if args.validation else None
    batch = max(1, args.batch_tokens // rows.token_ids.shape[1])
    per_epoch = len(rows) // batch
    if not per_epoch:
        raise SystemExit(f"{args.data} holds {len(rows)} rows, fewer than a batch of {batch}: make more, or lower --batch-tokens")
    steps = args.steps or round(per_epoch * args.epochs)
    sys.stderr.write(f"{parameters / 1e6:.1f}M parameters, {rows.num_tokens / 1e6:.0f}M tokens, {steps} steps of {batch} rows, {device}\n")

    decay = [p for p in model.parameters() if p.dim() > 1]
    other = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": decay, "weight_decay": args.weight_decay}, {"params": other, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=args.lr, betas=(0.9, 0.95), fused=True)
    step_loss = torch.compile(loss_of) if device.type == "cuda" else loss_of
    progress = Progress()
    checkpoint = args.out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        progress = Progress(**state["progress"])

    def load(source: packing.Rows, index: Any) -> tuple[Tensor, Tensor, Tensor]:
        tensors = (torch.from_numpy(array[index].astype(kind)) for array, kind in zip(
            (source.token_ids, source.document, source.trained), (np.int64, np.int32, np.bool_), strict=True
        ))
        token_ids, document, trained = (tensor.to(device, non_blocking=True) for tensor in tensors)
        return token_ids, document, trained

    def validate() -> float:
        assert validation is not None
        total, count = 0.0, 0
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            for start in range(0, len(validation) - batch + 1, batch) if len(validation) >= batch else [0]:
                loss, tokens = step_loss(model, *load(validation, slice(start, start + batch)))
                total, count = total + loss.item(), count + int(tokens)
        return total / count

    order = np.random.default_rng(args.seed)
    epochs = [order.permutation(len(rows)) for _ in range(-(-steps // per_epoch))]
    started, running = time.monotonic() - progress.seconds, torch.zeros((), device=device)
    while progress.step < steps:
        epoch, at = divmod(progress.step, per_epoch)
        chosen = np.sort(epochs[epoch][at * batch : (at + 1) * batch])
        rate = learning_rate(progress.step, peak=args.lr, steps=steps, warmup=args.warmup)
        for group in optimizer.param_groups:
            group["lr"] = rate
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss, count = step_loss(model, *load(rows, chosen))
        (loss / count).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        running += (loss / count).detach()
        progress.step += 1
        progress.tokens += int((rows.document[chosen] > 0).sum())
        last = progress.step == steps
        if progress.step % args.log_every == 0 or last:
            mean = running.item() / (args.log_every if progress.step % args.log_every == 0 else progress.step % args.log_every)
            running.zero_()
            progress.seconds = time.monotonic() - started
            entry = {"step": progress.step, "tokens": progress.tokens, "loss": round(mean, 5), "lr": rate}
            if validation is not None and (progress.step % (10 * args.log_every) == 0 or last):
                entry["validation_loss"] = round(validate(), 5)
            progress.curve.append(entry)
            speed = progress.tokens / progress.seconds
            sys.stderr.write(f"{json.dumps(entry)}  {progress.seconds:.0f} s, {speed / 1e3:.0f}k tok/s\n")
        if progress.step % args.save_every == 0 and not last:
            unfinished = checkpoint.with_suffix(".part")
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "progress": asdict(progress)}, unfinished)
            unfinished.rename(checkpoint)
    save_model(model.cpu(), args.out)
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
    checkpoint.unlink(missing_ok=True)
    return progress


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
