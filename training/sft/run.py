"""Supervised fine-tuning on packed demonstrations, from scratch or from a checkpoint, on the CPU or on one or several GPUs.

    python -m orchestra.training.countdown_demos --problems 1000000 --out data/countdown
    python -m orchestra.training.countdown_demos --problems 2000 --split validation --out data/countdown-validation
    python -m orchestra.training.sft --data data/countdown --validation data/countdown-validation --out models/countdown

    python -m orchestra.training.planner.data --samples 3000000 --out data/planner
    python -m orchestra.training.sft --data data/planner --out models/planner --hidden 384 --layers 6
    torchrun --nproc-per-node 2 -m orchestra.training.sft --data data/planner --out models/planner
    python -m orchestra.training.sft --init models/planner --data data/planner:0.7 data/selected:0.3 --lr 3e-4 --out models/second

Vocabulary, tokenizer and card come with the rows (`sft/language.py`), the context is their width. Completion-only loss: prompts and
results blocks, which we inject, are never trained. Every demonstration sees only itself, at positions 0, 1, 2 …, exactly as at
inference. Weights are kept in fp32, the forward pass runs in bf16 on a GPU, the saved model is bf16.

A run that is started again with the same arguments goes on from its last checkpoint, or says that it is at its end; the number of
processes may change. Ctrl-C saves a checkpoint first, in several processes within ten steps (torchrun ends them after 30 s). OUT gets
`metrics.jsonl` on the way and `training.json` at the end: arguments, data size, seconds and loss curve; the numbers of the shipped
model are in its folder. A loss that is no number ends the run, with the rows that led to it in `nan-batch.npz`.

On one shared CPU core 2,000 planning tasks take 3 s, and half an epoch of them (38 steps of 4,096 tokens, `--hidden 128
--layers 2`) 10 s: the loss falls to 3.9. `tests/training/test_sft_planner.py` is the same, smaller still.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers.utils import logging as transformers_logging

from orchestra.errors import ConfigError

from ..amount import amount
from ..arguments import add_schedule, make_out, number, whole
from ..checkpoint import Interrupted, heeding_ctrl_c
from ..memory import first_line, ran_out
from ..run_folder import FACTS, as_json, claim, finished, forget_after, replace_text
from ..versions import check_versions
from .card import card_of
from .checkpoint import CHECKPOINT, Progress, load_checkpoint, report, save_checkpoint
from .data import Mixture, Share, share
from .language import Language, common
from .model import build_model, loss_of, make_optimizer, save_model
from .processes import Processes, joined

NAN_BATCH = "nan-batch.npz"
AGREE_EVERY = 10
"""Steps after which several processes ask each other for Ctrl-C: the CPU waits for the GPU then."""
LR_FLOOR = 0.1
"""The rate of the last step, as a share of the peak."""
NOT_OF_THE_RUN = ("out", "validation", "log_every", "save_every", "accumulate")
"""Arguments that may change when a run goes on: they change nothing that it computes, but for rounding."""


def learning_rate(step: int, *, peak: float, steps: int, warmup: int, floor: float = LR_FLOOR) -> float:
    """Linear warm-up, then cosine to the share `floor` of the peak."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (floor + (1 - floor) / 2 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup))))


def train(args: argparse.Namespace) -> Progress:
    """Train and save.

    Raises `ConfigError` for data, a checkpoint or a machine that it cannot work with, and for a loss that is no number, and `Interrupted` after a
    Ctrl-C.
    """
    try:
        with joined() as processes, heeding_ctrl_c() as heard:
            return _train(args, processes, heard)
    except RuntimeError as error:
        if not ran_out(error):
            raise
        raise ConfigError(
            f"out of memory ({first_line(error)}): raise --accumulate (now {args.accumulate}; the result is the same but"
            f" for rounding), or lower --batch-tokens (now {args.batch_tokens}), or train a smaller model with --hidden and --layers"
        ) from error


def _train(args: argparse.Namespace, processes: Processes, heard: Sequence[bool]) -> Progress:
    device = processes.device
    arguments = {name: value for name, value in _values(args).items() if name not in NOT_OF_THE_RUN}
    if ended := finished(args.out, _values(args), may_change=NOT_OF_THE_RUN):
        _say(processes, f"{args.out} is trained already: remove it to train again")
        return Progress.of(ended)
    language = common([one.folder for one in args.data] + ([args.validation] if args.validation else []))
    rows = Mixture(args.data, batch_tokens=args.batch_tokens, seed=args.seed, vocabulary=language.size, device=device)
    parts = args.accumulate * processes.size
    if rows.batch % parts:
        raise ConfigError(
            f"a batch of {rows.batch} rows ({args.batch_tokens} tokens) cannot be split into {parts} equal parts: give"
            f" --batch-tokens a multiple of {parts * rows.width}"
        )
    held_out = _held_out(args, language, device) if args.validation and processes.first else None
    model = build_model(args, language, width=rows.width).to(device)  # type: ignore[arg-type]
    optimizer = make_optimizer(model, args)
    progress = load_checkpoint(args.out, model, optimizer, arguments)
    if processes.first:
        claim(args.out, _values(args), may_change=NOT_OF_THE_RUN)
        forget_after(args.out, progress.step)
    steps = args.steps or max(1, round(rows.per_epoch * args.epochs))
    rows.plan(steps)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    size = f"{parameters / 1e6:.1f}M parameters, {amount(rows.num_tokens)} tokens"
    where = f"{device}, {processes.size} processes" if processes.size > 1 else f"{device}"
    resumed = f", on from step {progress.step}" if progress.step else ""
    _say(processes, f"{size}, {steps} steps of {rows.batch} rows, {where}{resumed}")
    if args.warmup > steps:
        _say(processes, f"--warmup {args.warmup} is longer than the {steps} steps: the rate never reaches --lr")

    step_loss: Callable[..., tuple[Tensor, Tensor]] = torch.compile(loss_of) if device.type == "cuda" else loss_of
    precision = torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")

    @torch.no_grad()
    def validate(source: Mixture) -> float:
        with precision:
            losses = [step_loss(model, *batch) for batch in source.all()]
        return sum(loss.item() for loss, _ in losses) / sum(int(count) for _, count in losses)

    started, running, norms = time.monotonic() - progress.seconds, torch.zeros((), device=device), list[Tensor]()
    while progress.step < steps:
        rate = learning_rate(progress.step, peak=args.lr, steps=steps, warmup=args.warmup, floor=args.lr_floor)
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch = rows.at(progress.step)
        count = torch.full((), max(1, batch.num_trained), device=device)  # filled there: a copy would wait for the GPU
        for part in range(args.accumulate):
            with precision:
                loss, _ = step_loss(model, *batch.part(slice(part * processes.size + processes.rank, None, parts)))
            torch.autograd.backward(loss / count)
            running = running + (loss / count).detach()
        processes.add([parameter.grad for parameter in model.parameters() if parameter.grad is not None])
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        progress.step += 1
        progress.tokens += batch.num_tokens
        last = progress.step == steps
        logs = progress.step % args.log_every == 0 or last
        # Several hear it at different steps, and must agree on one.
        stops = (processes.size == 1 or progress.step % AGREE_EVERY == 0) and processes.any(bool(heard))
        saves = (progress.step % args.save_every == 0 or stops) and not last
        if logs or saves:
            _stop_at_nan(norms, rows, progress.step, args.out, processes)
        if logs:
            processes.add([running])
            progress.seconds = time.monotonic() - started
            entry = {"step": progress.step, "tokens": progress.tokens, "loss": round(running.item() / len(norms), 5), "lr": rate}
            if held_out and (progress.step % (10 * args.log_every) == 0 or last):
                entry["validation_loss"] = round(validate(held_out), 5)
            progress.curve.append(entry)
            if processes.first:
                norm = torch.stack(norms).max().item()
                report(args.out, {**entry, "gradient_norm": round(norm, 4), "seconds": round(progress.seconds, 3)})
            speed = f"{progress.seconds:.0f} s, {progress.tokens / progress.seconds:,.0f} tok/s"
            _say(processes, f"{json.dumps(entry)}  {speed}")
            running, norms = torch.zeros((), device=device), []
        if saves and processes.first:
            progress.seconds = time.monotonic() - started
            save_checkpoint(args.out, model, optimizer, progress, arguments)
        if stops and not last:
            processes.any(True)  # the first may still save, and torchrun ends it when another has left
            raise Interrupted(f"stopped after {progress.step} of {steps} steps: the same command goes on from here")
    if processes.first:
        save_model(model, language, args.out)
        if language.domain == "countdown":
            card_of(rows.parts, init=args.init).write(args.out)
        write_facts(args, progress, parameters=parameters, rows=rows, processes=processes)
        (args.out / CHECKPOINT).unlink(missing_ok=True)
    return progress


def _held_out(args: argparse.Namespace, language: Language, device: torch.device) -> Mixture:
    return Mixture(
        [Share(args.validation, 0, 0)],
        batch_tokens=args.batch_tokens // args.accumulate,
        seed=0,
        vocabulary=language.size,
        device=device,
        few=True,
    )


def _stop_at_nan(norms: list[Tensor], rows: Mixture, step: int, out: Path, processes: Processes) -> None:
    """Norms are of the last steps up to `step`. Looked at late, because reading one makes the CPU wait for the GPU."""
    finite = torch.isfinite(torch.stack(norms)).tolist()
    if all(finite):
        return
    bad = step - len(norms) + finite.index(False)
    if processes.first:
        rows.at(bad).save(out / NAN_BATCH)
    checkpoint = "the last checkpoint is kept" if (out / CHECKPOINT).exists() else "there is no checkpoint yet"
    raise ConfigError(
        f"the loss or its gradient is no number at step {bad + 1}: its rows are in {out / NAN_BATCH}, and {checkpoint}; look"
        " at the rows, or lower --lr, and begin in another --out"
    )


def write_facts(args: argparse.Namespace, progress: Progress, *, parameters: int, rows: Mixture, processes: Processes) -> None:
    """`training.json`: what was trained, on what, for how long, and the loss curve."""
    device = torch.cuda.get_device_name() if processes.device.type == "cuda" else "cpu"
    facts = {
        "parameters": parameters,
        "arguments": _values(args),
        "rows": rows.num_rows,
        "distinct_tokens": rows.num_tokens,
        "device": device if processes.size == 1 else f"{processes.size} × {device}",
        "torch": torch.__version__,
        **asdict(progress),
    }
    replace_text(args.out / FACTS, json.dumps(facts, indent=1) + "\n")


def _values(args: argparse.Namespace) -> dict[str, Any]:
    """As JSON has them."""
    shares = [f"{one.folder}:{one.first:g}-{one.last:g}" if one.first + one.last else str(one.folder) for one in args.data]
    return as_json(vars(args)) | {"data": shares[0] if len(shares) == 1 else shares}


def _say(processes: Processes, text: str) -> None:
    if processes.first:
        sys.stderr.write(text + "\n")


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="orchestra.training.sft", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data = parser.add_argument_group("data and output")
    data.add_argument(
        "--data", type=share, required=True, nargs="+", metavar="DIR[:WEIGHT[-LAST]]",
        help="folders of packed shards; a weight may change linearly to that of the last step (default: all rows alike)",
    )  # fmt: skip
    data.add_argument("--validation", type=Path, help="folder of packed shards of held-out problems")
    data.add_argument("--init", type=Path, help="folder of a model with the rows' tokenizer to go on from")
    data.add_argument("--out", type=Path, required=True, help="folder for the model")
    shape = parser.add_argument_group("model (Llama, heads of 64, tied embeddings; not with --init)")
    shape.add_argument("--hidden", type=whole(64, multiple_of=64), help="default: 384")
    shape.add_argument("--layers", type=whole(), help="default: 8")
    shape.add_argument("--intermediate", type=whole(), help="default: 8/3 of --hidden, rounded to 64")
    optimisation = parser.add_argument_group("optimisation")
    optimisation.add_argument("--lr", type=number(above=0), default=1.5e-3)
    optimisation.add_argument(
        "--lr-floor", type=number(least=0, most=1), default=LR_FLOOR, help="the last rate, as a share of --lr"
    )
    optimisation.add_argument("--warmup", type=whole(0), default=200, help="steps")
    optimisation.add_argument("--weight-decay", type=number(least=0), default=0.05)
    optimisation.add_argument("--batch-tokens", type=whole(), default=131_072, help="of all processes together")
    optimisation.add_argument("--accumulate", type=whole(), default=1, help="parts of a batch, for less memory")
    add_schedule(optimisation, epochs=1.0, save_every=1_000)
    args = parser.parse_args(argv)
    shaped = [name for name in ("hidden", "layers", "intermediate") if getattr(args, name) is not None]
    if args.init and shaped:
        parser.error(f"--{shaped[0]} is for a model from scratch: leave it out, or --init")
    if args.init and args.init.resolve() == args.out.resolve():
        parser.error("--init and --out are the same folder: give another --out")
    if not args.init:
        args.hidden, args.layers = args.hidden or 384, args.layers or 8
    make_out(parser, args.out)
    return args


def main() -> None:
    # bf16 matrix products with TF32 for what stays fp32: the model has no use for more.
    torch.set_float32_matmul_precision("high")
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    args = parse()
    try:
        check_versions()
        train(args)
    except Interrupted as stop:
        sys.stderr.write(f"{stop}\n")
        raise SystemExit(130) from None
    except ConfigError as error:
        raise SystemExit(str(error)) from None
