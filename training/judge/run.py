"""Train a judge of running traces on a recorded pool: will two of them end in the same answer, or will one end in the right one?

    python -m orchestra.training.judge --pool pool.jsonl.gz --init models/countdown-6m --lengths 24 48 --out judges/countdown
    python -m orchestra.training.judge --pool pool.jsonl.gz --init Qwen/Qwen3-0.6B --lengths 500 --max-length 2048 --lr 2e-5 --out judges/qwen
    python -m orchestra.training.judge --pool math.jsonl.gz --vocabulary 4096 --lengths 128 256 --out judges/math     # from scratch

DeepPrune's recipe (arXiv 2510.08483): prefixes of traces of one problem, focal loss, the rarer class twice. Problems are split by a hash of
their ids; `--fold` holds out others, so that five judges with `--held-out 0.2 --fold 0` to `4` together are tested on every problem. What is
reported, before training and after, is the area under the ROC curve *inside* held-out problems; the pooled one stands beside what knowing only
the problem would get (`evals/ranking.py` says why). With `--even`, each problem gives as many questions of either answer as it can.

OUT becomes a folder for `ClassifierJudge`; it holds `metrics.jsonl`, and `training.json` with every argument. A run that was broken off, by
Ctrl-C too, goes on from its last checkpoint when it is started again with the same arguments. It trains in bf16 on a GPU, and on the CPU where
there is none.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from orchestra.evals.ranking import worth
from transformers.utils import logging as transformers_logging

from orchestra.errors import ConfigError
from orchestra.sample.judges.classifier import padded, probabilities
from orchestra.sample.judges.reading import ASKED
from orchestra.sample.pool import Pool, PooledProblem

from ..arguments import add_schedule, make_out, number, whole
from ..checkpoint import METRICS, Checkpoint, Interrupted, heeding_ctrl_c
from ..memory import first_line, ran_out
from ..run_folder import FACTS, as_json, claim, finished, replace_text
from ..sft.run import learning_rate
from ..versions import check_versions
from .focal_loss import focal_loss
from .model import SMALLEST_VOCABULARY, Scratch, byte_tokenizer, learned_tokenizer, start_from
from .pairs import examples, oversampled, split
from .questions import Questions, stop_at_nan


def train(args: argparse.Namespace, pool: Pool) -> dict[str, Any]:
    """Train, save, and return the last metrics.

    Raises `ConfigError` for a pool that no judge can be trained on, a folder of another run, memory that ran out and a loss that is no
    number, and `Interrupted` after a Ctrl-C.
    """
    try:
        return _train(args, pool)
    except RuntimeError as error:
        if not ran_out(error):
            raise
        smaller = "take a smaller checkpoint" if args.init else f"lower --hidden ({args.hidden}) and --layers ({args.layers})"
        raise ConfigError(
            f"out of memory ({first_line(error)}): lower --batch (now {args.batch}) or --max-length (now {args.max_length}), or {smaller}"
        ) from error


def _train(args: argparse.Namespace, pool: Pool) -> dict[str, Any]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    lengths = tuple(args.lengths)
    may_change = ("out", "log_every", "save_every")
    if ended := finished(args.out, as_json(vars(args)), may_change=may_change):
        sys.stderr.write(f"{args.out} is trained already: remove it to train again\n")
        last_of_it: dict[str, Any] = ended["last"]
        return last_of_it
    trained_on, held_out = split(pool.problems, args.held_out, args.fold)
    questions = examples(trained_on, args.question, lengths, most=args.questions, even=args.even, seed=args.seed)
    questions = oversampled(questions, args.oversample)
    start = start_from(_beginning(args, trained_on), args.question, lengths, max_length=args.max_length, seed=args.seed)
    training = Questions.read(questions, start.reader)
    testing = Questions.read(examples(held_out, args.question, lengths, most=args.test_questions, seed=args.seed), start.reader)
    model = start.model.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=args.weight_decay)
    per_epoch = -(-len(questions) // args.batch)
    steps = args.steps or max(1, round(per_epoch * args.epochs))
    checkpoint = Checkpoint(args.out, {**as_json(vars(args)), "problems": len(pool.problems), "pool": pool.name})
    claim(args.out, checkpoint.arguments, may_change=may_change)
    done, seconds = checkpoint.load(model, optimizer)
    size = f"{sum(parameter.numel() for parameter in model.parameters()) / 1e6:.1f}M parameters"
    sys.stderr.write(
        f"{size}, {len(trained_on)} problems and {len(held_out)} held out, {len(questions)} questions"
        f" ({sum(one.label for one in questions)} yes), {steps} steps, {device}{f', on from step {done}' if done else ''}\n"
    )
    if not done:
        report(args.out, {"step": 0, "held_out": rank(model, testing, args.batch)})
    precision = torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
    order: list[int] = []
    started, losses, norms = time.monotonic() - seconds, list[torch.Tensor](), list[torch.Tensor]()
    batches: list[list[int]] = []
    last: dict[str, Any] = {}
    with heeding_ctrl_c() as interrupted:
        while done < steps:
            epoch, place = divmod(done, per_epoch)
            if not place or not order:
                order = random.Random(f"{args.seed}/{epoch}").sample(range(len(questions)), len(questions))
            batch = order[place * args.batch : (place + 1) * args.batch]
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(done, peak=args.lr, steps=steps, warmup=min(args.warmup, steps // 10))
            ids, mask = padded([training.rows[i] for i in batch], model.config.pad_token_id)
            labels = torch.tensor([questions[i].label for i in batch], device=device)
            model.train()
            with precision:
                logits = model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits
            loss = focal_loss(logits, labels, gamma=args.gamma, alpha=args.alpha)
            torch.autograd.backward(loss)
            norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0))
            batches.append(batch)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            losses.append(loss.detach())
            done += 1
            logs, saves = done % args.log_every == 0 or done == steps, done % args.save_every == 0 or interrupted
            if logs or saves:
                stop_at_nan(norms, batches, training, done, args.out)
                norms, batches = [], []
            if logs:
                seconds = time.monotonic() - started
                last = {"step": done, "loss": round(torch.stack(losses).mean().item(), 5), "seconds": round(seconds, 1)}
                if done % (10 * args.log_every) == 0 or done == steps:
                    last["held_out"] = rank(model, testing, args.batch)
                report(args.out, last)
                losses = []
            if done < steps and saves:
                checkpoint.save(model, optimizer, done, time.monotonic() - started)
            if done < steps and interrupted:
                raise Interrupted(f"stopped after {done} of {steps} steps; the same command goes on from {checkpoint.path}")
    start.save(args.out)
    facts = {
        "arguments": as_json(vars(args)),
        "pool": pool.name,
        "problems": [len(trained_on), len(held_out)],
        "questions": len(training.rows),
        "yes": sum(example.label for example in questions),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        "last": last,
    }
    replace_text(args.out / FACTS, json.dumps(facts, indent=1) + "\n")
    checkpoint.path.unlink(missing_ok=True)
    return last


def _beginning(args: argparse.Namespace, trained_on: Sequence[PooledProblem]) -> str | Scratch:
    if args.init is not None:
        return str(args.init)
    texts = (text for problem in trained_on for text in (problem.text, *(trace.text or "" for trace in problem.traces)))
    tokenizer = learned_tokenizer(texts, args.vocabulary) if args.vocabulary else byte_tokenizer()
    return Scratch(hidden=args.hidden, layers=args.layers, tokenizer=tokenizer)


@torch.no_grad()
def rank(model: Any, questions: Questions, batch: int) -> dict[str, Any]:
    """Areas under the ROC curve over questions of held-out problems, each length for itself."""
    model.eval()
    scores: list[float] = [0.0] * len(questions.rows)
    order = sorted(range(len(scores)), key=lambda place: len(questions.rows[place]))
    precision = torch.autocast(model.device.type, torch.bfloat16, enabled=model.device.type == "cuda")
    for start in range(0, len(order), 4 * batch):
        chosen = order[start : start + 4 * batch]
        ids, mask = padded([questions.rows[place] for place in chosen], model.config.pad_token_id)
        with precision:
            found = probabilities(model(input_ids=ids.to(model.device), attention_mask=mask.to(model.device)).logits).tolist()
        for place, score in zip(chosen, found, strict=True):
            scores[place] = score
    areas = {}
    for length in sorted({example.length for example in questions.examples}):
        places = [place for place, example in enumerate(questions.examples) if example.length == length]
        chosen_examples = [questions.examples[place] for place in places]
        areas[f"{length:g}"] = worth(
            [scores[place] for place in places],
            [example.label for example in chosen_examples],
            [example.problem.id for example in chosen_examples],
        )
    return areas


def report(out: Path, entry: dict[str, Any]) -> None:
    line = json.dumps(entry)
    sys.stderr.write(line + "\n")
    with (out / METRICS).open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def length(text: str) -> float:
    """ "64" tokens, or "50%" of the trace."""
    value = float(text.removesuffix("%")) / 100 if text.endswith("%") else float(text)
    if value <= 0 or (text.endswith("%") and value >= 1) or (not text.endswith("%") and value != int(value)):
        raise argparse.ArgumentTypeError(f"a length is a number of tokens such as 64, or a share such as 50%, got {text!r}")
    return value


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="orchestra.training.judge", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data = parser.add_argument_group("data and output")
    data.add_argument("--pool", type=Path, required=True, help="recorded traces with texts or token ids")
    data.add_argument("--question", choices=ASKED, default="same_answer")
    data.add_argument("--lengths", type=length, nargs="+", required=True, help="prefixes: tokens, or shares such as 50%%")
    data.add_argument("--questions", type=whole(), default=64, help="most a problem and length")
    data.add_argument("--even", action="store_true", help="as many of either answer from each problem as there are")
    data.add_argument("--test-questions", type=whole(), default=256, help="most a held-out problem and length")
    data.add_argument("--held-out", type=float, default=0.3, help="share of the problems")
    data.add_argument("--fold", type=whole(0), default=0, help="which problems are held out, from 0")
    data.add_argument("--out", type=Path, required=True, help="folder for the judge")
    shape = parser.add_argument_group("model")
    shape.add_argument("--init", help="folder or Hub id of a transformers checkpoint; without it, a small Llama from scratch")
    shape.add_argument(
        "--vocabulary", type=whole(0), default=0, help="tokens to learn from the traces, for a model from scratch; 0 for bytes"
    )
    shape.add_argument("--max-length", type=whole(8), default=1024, help="tokens of a question")
    shape.add_argument("--hidden", type=whole(64, multiple_of=64), default=256, help="of the one from scratch")
    shape.add_argument("--layers", type=whole(), default=4, help="of the one from scratch")
    optimisation = parser.add_argument_group("optimisation")
    optimisation.add_argument("--gamma", type=number(least=0), default=2.0, help="of the focal loss")
    optimisation.add_argument("--alpha", type=number(above=0, most=1), default=0.5, help="weight of yes in it")
    optimisation.add_argument("--oversample", type=whole(), default=2, help="how often the rarer class is shown")
    optimisation.add_argument("--lr", type=number(above=0), default=2e-4)
    optimisation.add_argument("--warmup", type=whole(0), default=100, help="steps")
    optimisation.add_argument("--weight-decay", type=number(least=0), default=0.01)
    optimisation.add_argument("--batch", type=whole(), default=64, help="questions")
    add_schedule(optimisation, epochs=2.0, save_every=500)
    args = parser.parse_args(argv)
    if not 0 < args.held_out < 1:
        parser.error(f"--held-out is a share between 0 and 1, got {args.held_out}")
    if args.fold < 0 or args.held_out * (args.fold + 1) > 1 + 1e-9:
        parser.error(f"--fold {args.fold} of --held-out {args.held_out} begins beyond the last problem: count folds from 0")
    if args.vocabulary and (args.init or args.vocabulary < SMALLEST_VOCABULARY):
        parser.error(f"--vocabulary is for a model from scratch (no --init), of {SMALLEST_VOCABULARY} tokens at least, or 0")
    make_out(parser, args.out)
    return args


def main() -> None:
    from orchestra.sample.pool_file import read_pool

    args = parse()
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        check_versions()
        train(args, read_pool(args.pool))
    except Interrupted as stop:
        sys.stderr.write(f"{stop}\n")
        raise SystemExit(130) from None
    except ConfigError as error:
        raise SystemExit(str(error)) from None
