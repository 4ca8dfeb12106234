"""1,000 mutants of each text: parsers never raise, and what they accept is what the text says (see `oracles`)."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from llmcompiler_oracle import llmcompiler
from mutations import cut_up, mutants
from oracles import Refused, Unsure, accepted, document, exactly, json_lines, openai_tools
from plan_texts import DOCUMENTS, JSON_LINES, LLMCOMPILER, OPENAI_TOOLS, TOOLS

from orchestra.plan.formats.base import Parsed, PlanFormat, StreamedFormat, Tools
from orchestra.plan.formats.document import Document
from orchestra.plan.formats.json_lines import JsonLines
from orchestra.plan.formats.llmcompiler import LLMCompiler
from orchestra.plan.formats.openai_tools import OpenAITools
from orchestra.plan.node import Node

Oracle = Callable[[str, Tools], str]

CASES: list[tuple[PlanFormat, str, Oracle]] = [
    *((LLMCompiler(), text, llmcompiler) for text in LLMCOMPILER),
    *((JsonLines(), text, json_lines) for text in JSON_LINES),
    *((Document(), text, document) for text in DOCUMENTS),
    (OpenAITools(), OPENAI_TOOLS[0], lambda text, _: openai_tools(text, references=False)),
    (OpenAITools(references=True), OPENAI_TOOLS[1], lambda text, _: openai_tools(text, references=True)),
]
IDS = [f"{format_.name}-{place}" for place, (format_, _, _) in enumerate(CASES)]


def without_thoughts(parsed: Parsed) -> Parsed:
    nodes = [node.model_copy(update={"thought": ""}) for node in parsed.plan.nodes]
    return Parsed(parsed.plan.model_copy(update={"nodes": tuple(nodes)}), parsed.findings)


@pytest.mark.parametrize(("format_", "text", "oracle"), CASES, ids=IDS)
def test_the_oracle_agrees_about_the_text_itself(format_: PlanFormat, text: str, oracle: Oracle) -> None:
    parsed = format_.parse(text, TOOLS)
    assert accepted(parsed)
    assert exactly(without_thoughts(parsed) if isinstance(format_, LLMCompiler) else parsed) == oracle(text, TOOLS)


@pytest.mark.parametrize(("format_", "text", "oracle"), CASES, ids=IDS)
def test_what_is_accepted_of_a_mutant_is_what_it_says(format_: PlanFormat, text: str, oracle: Oracle) -> None:
    unsure = agreed = 0
    for mutant in mutants(text, count=1_000):
        parsed = format_.parse(mutant.text, TOOLS)
        if not accepted(parsed):
            continue
        try:
            said = oracle(mutant.text, TOOLS)
        except Unsure:
            unsure += 1
            continue
        except Refused as error:
            pytest.fail(f"accepted, but a careful reader says {error}: {mutant}")
        assert exactly(without_thoughts(parsed) if isinstance(format_, LLMCompiler) else parsed) == said, mutant
        agreed += 1
    assert agreed > 50, "the mutants are too far from plans to test anything"
    assert unsure <= agreed // 50


@pytest.mark.parametrize("text", [*LLMCOMPILER, *JSON_LINES])
def test_any_chunks_of_a_mutant_give_the_same_nodes_and_findings(text: str) -> None:
    format_: StreamedFormat = LLMCompiler() if text in LLMCOMPILER else JsonLines()
    chance = random.Random(text)
    for mutant in mutants(text, count=150, seed=1):
        whole, whole_nodes = streamed(format_, [mutant.text])
        for pieces in (list(mutant.text[:3_000]) + [mutant.text[3_000:]], cut_up(mutant.text, chance)):
            parsed, nodes = streamed(format_, pieces)
            assert (parsed, nodes) == (whole, whole_nodes), mutant
        kept = set(map(id, whole.plan.nodes))
        assert all(id(node) in kept for node in whole_nodes), mutant


def streamed(format_: StreamedFormat, pieces: list[str]) -> tuple[Parsed, list[Node]]:
    stream = format_.stream(TOOLS)
    nodes = [node for piece in pieces for node in stream.feed(piece)]
    return stream.close(), nodes
