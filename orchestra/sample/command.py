"""`orchestra sample`: one problem, many tries at once, and the answer that a policy makes of them."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from ..chat import ChatModel, EngineChat, open_chat
from ..errors import ConfigError
from ..trace.page import write_page
from ..trace.record import Decode, record
from .bench import Bench
from .display import LiveSample, account_line
from .named import named, names, read_policy
from .policy import Policy
from .sampling import Sampled, sample
from .tree import sample_tree


def run(args: argparse.Namespace) -> int:
    """Exit status 0 with an answer, 1 without one. The answer goes to standard output, everything else to standard error."""
    policy = policy_of(args)
    chat = open_chat(args.model, model=args.model_name, max_requests=max(16, policy.most), gpu_memory=args.gpu_memory)
    if not isinstance(chat, EngineChat) and (lacking := "page" if args.page else "top-p" if args.top_p is not None else None):
        raise ConfigError(
            f"{chat.name} is a text endpoint, for which there is no `--{lacking}`: leave it out, or run the model with vllm or transformers"
        )
    console = Console(stderr=True, highlight=False)

    async def main() -> Sampled:
        async with chat:
            with LiveSample(console) as live:
                return await sample(
                    args.problem,
                    chat,
                    policy=policy,
                    max_tokens=args.max_tokens or 16_384,
                    temperature=0.6 if args.temperature is None else args.temperature,
                    top_p=0.95 if args.top_p is None else args.top_p,
                    seed=args.seed,
                    bench=Bench(slots=args.slots),
                    observer=live.observe,
                )

    sampled = asyncio.run(main())
    return show(sampled, args, console, decode=_decode(chat))


def _decode(chat: ChatModel) -> Decode:
    """Token ids to text, where the model's tokens are known."""
    if not isinstance(chat, EngineChat):
        return lambda ids: f"{len(ids)} tokens"
    tokenizer = chat.tokenizer

    def decode(ids: Sequence[int]) -> str:
        detokenizer = tokenizer.detokenizer()
        return detokenizer.feed(ids) + detokenizer.end()

    return decode


def policy_of(args: argparse.Namespace) -> Policy:
    """Raises `ConfigError` for a policy that needs what a command line cannot give."""
    spec = args.policy if args.seconds is None else f"{args.policy} | budget:seconds={args.seconds:g}"
    policy = read_policy(spec)
    if arms := policy.needs.arms:
        raise ConfigError(f"{spec!r} needs the arm {', '.join(sorted(arms))}: give it in Python, `sample(…, bench=Bench(arms=…))`")
    return policy


def show(sampled: Sampled, args: argparse.Namespace, console: Console, *, decode: Decode) -> int:
    """Print the answer and its account; write the page and the JSON that were asked for."""
    outcome = sampled.outcome
    if args.json:
        sys.stdout.write(json.dumps(_as_json(sampled), ensure_ascii=False) + "\n")
    elif sampled.answer is not None:
        sys.stdout.write(sampled.answer + "\n")
    if outcome.error:
        console.print(f"[bold red]the engine failed[/]: {escape(outcome.error)}", soft_wrap=True)
    elif sampled.answer is None:
        console.print("[bold yellow]no answer[/]: no trace that voted stated one that can be read", soft_wrap=True)
    console.print(f"[dim]{escape(outcome.why)} · {account_line(outcome)}[/]", soft_wrap=True)
    if args.page is not None:  # last: a page that cannot be written costs nobody the answer
        _write_page(sampled, args.page, decode)
        console.print(f"[dim]timeline: {escape(str(args.page))}[/]", soft_wrap=True)
    return 0 if sampled.answer is not None else 1


def _write_page(sampled: Sampled, path: Path, decode: Decode) -> None:
    tree = sample_tree(sampled.outcome, sampled.traces)
    if tree is None:
        raise ConfigError("no trace has begun, so there is no timeline")
    facts = {"answer": sampled.answer or "none", "why": sampled.outcome.why}
    write_page([record(tree, decode=decode, title="sample", facts=facts)], path, title="sample")


def _as_json(sampled: Sampled) -> dict[str, Any]:
    outcome = sampled.outcome
    return {
        "answer": sampled.answer,
        "why": outcome.why,
        "posterior": outcome.posterior,
        "error": outcome.error,
        "account": {**asdict(outcome.account), "work": outcome.account.work},
        "traces": [
            {"id": trace.id, "answer": trace.answer_text, "tokens": trace.usage.sampled, "text": trace.text}
            for trace in sampled.traces
        ],
    }


def policies(args: argparse.Namespace) -> int:
    """`orchestra policies`: what there is, where it comes from, what it takes."""
    console = Console(highlight=False)
    for name in names():
        about = named(name)
        console.print(f"[bold]{name}[/][dim]:{escape(about.usage)}[/]", soft_wrap=True)
        console.print(f"    {escape(about.summary)}", soft_wrap=True)
        if about.needs:
            console.print(f"    [dim]needs {escape(about.needs)}[/]", soft_wrap=True)
    return 0
