"""What a model that is held to a grammar can write, by xgrammar itself."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from plan_texts import tool

from orchestra.errors import ConfigError
from orchestra.plan.finding import errors
from orchestra.plan.formats.document import Document
from orchestra.plan.formats.grammars import UNROLLED
from orchestra.plan.formats.json_lines import JsonLines
from orchestra.plan.formats.llmcompiler import LLMCompiler
from orchestra.plan.tool_spec import ToolSpec

TREE = {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}, "leaf": {"type": "boolean"}}}
TOOLS = {
    "search": tool("search", required=("query",), query="string", limit="integer", lang={"enum": ["en", "$x", None, 3]}),
    "now": ToolSpec(name="now"),
    "grow": ToolSpec(
        name="grow",
        parameters={
            "type": "object",
            "properties": {"size": {"anyOf": [{"type": "number"}, {"type": "null"}]}, "tree": {"$ref": "#/$defs/Tree"}},
            "required": ["tree"],
            "$defs": {"Tree": TREE},
        },
    ),
}
FORMATS = [LLMCompiler(), JsonLines(), LLMCompiler({"1", "2"}), JsonLines({"1", "2"})]


@pytest.fixture(scope="module")
def xgrammar() -> Any:
    return pytest.importorskip("xgrammar")


def accepts(xgrammar: Any, grammar: str, text: str) -> bool:
    return bool(xgrammar.testing._is_grammar_accept_string(xgrammar.Grammar.from_ebnf(grammar), text))


@pytest.mark.parametrize("max_nodes", [None, 5, 5 * UNROLLED])
@pytest.mark.parametrize(
    ("calls", "fits"),
    [
        ([("search", {"query": "a"})], True),
        ([("search", {"query": "costs $$5 ${1}", "limit": 2})], None),
        ([("now", {}), ("search", {"query": "about ${1}", "limit": "$1", "lang": "$$x"})], True),
        ([("now", {}), ("grow", {"size": None, "tree": {"kids": [{"leaf": True}, "$1"]}})], True),
        ([("other", {})], False),
        ([("search", {"limit": 2})], False),
        ([("search", {"query": "a", "more": 1})], False),
        ([("search", {"query": 5})], False),
        ([("search", {"query": "a", "limit": "two"})], False),
        ([("search", {"query": "a", "lang": "fr"})], False),
        ([("search", {"query": "costs $5"})], False),
        ([("grow", {"tree": {"leaf": 5}})], False),
        ([], False),
    ],
)
def test_only_calls_of_the_tools_fit(xgrammar: Any, calls: list[tuple[str, Any]], fits: bool | None, max_nodes: int | None) -> None:
    """None: a reference to a node that is not earlier, which only unrolled grammars see."""
    expected = max_nodes != 5 if fits is None else fits
    lines = [json.dumps({"id": str(number), "tool": name, "args": args}) for number, (name, args) in enumerate(calls, 1)]
    text = "".join(f"{line}\n" for line in [*lines, '{"output": null}'])
    assert accepts(xgrammar, JsonLines().grammar(TOOLS, max_nodes=max_nodes), text[:-1]) == expected
    written = [[f"{key}={json.dumps(value)}" for key, value in args.items()] for _, args in calls]
    steps = [
        f"{number}. {name}({', '.join(args)})\n" for number, ((name, _), args) in enumerate(zip(calls, written, strict=True), 1)
    ]
    text = "".join(["Thought: well\n" if steps else "", *steps, f"{len(steps) + 1}. join()"])
    assert accepts(xgrammar, LLMCompiler().grammar(TOOLS, max_nodes=max_nodes), text) == expected


def test_calls_may_be_written_as_people_write_them(xgrammar: Any) -> None:
    for max_nodes in (None, 5):
        grammar = LLMCompiler().grammar(TOOLS, max_nodes=max_nodes)
        assert accepts(xgrammar, grammar, '1. search("a", limit=2)\n2. search($1, lang="en")\n3. grow(tree=$2)\n4. join($3)')
        assert accepts(xgrammar, grammar, '1. search("a")\n2. join(["$1", "so ${1}"])')
        assert not accepts(xgrammar, grammar, '1. search("a", 2)\n2. join()')


def test_an_unrolled_grammar_counts_and_ends(xgrammar: Any) -> None:
    grammar = LLMCompiler({"1", "2"}).grammar(TOOLS, max_nodes=2, max_text=3)
    assert accepts(xgrammar, grammar, '3. search(query="${2}")\n4. now()\n5. join("$4")')
    assert not accepts(xgrammar, grammar, "1. now()\n2. join()")
    assert not accepts(xgrammar, grammar, "3. now()\n5. join()")
    assert not accepts(xgrammar, grammar, "3. now()\n4. now()\n5. now()\n6. join()")
    assert not accepts(xgrammar, grammar, '3. search(query="abcd")\n4. join()')


@pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.name)
@pytest.mark.parametrize("limits", [{}, {"max_nodes": 8, "max_text": 20}])
def test_whatever_a_model_decodes_to_its_end_is_a_plan(
    xgrammar: Any, format_: LLMCompiler | JsonLines, limits: dict[str, int]
) -> None:
    """The model is a die over bytes."""
    info = xgrammar.TokenizerInfo([bytes([byte]) for byte in range(256)] + [b"</s>"], stop_token_ids=[256])
    compiled = xgrammar.GrammarCompiler(info).compile_grammar(xgrammar.Grammar.from_ebnf(format_.grammar(TOOLS, **limits)))
    chance = random.Random(7)
    ended = 0
    for _ in range(30):
        text = decode(xgrammar, compiled, chance)
        if text is None:
            continue
        ended += 1
        parsed = format_.parse(text, TOOLS)
        assert errors(parsed.findings) == [], text
        earlier = {"1", "2"}
        for node in parsed.plan.nodes:
            assert not limits or set(node.waits_for) <= earlier
            earlier.add(node.id)
    assert ended > 10


def decode(xgrammar: Any, compiled: Any, chance: random.Random) -> str | None:
    """A text, or None when it would not end."""
    matcher = xgrammar.GrammarMatcher(compiled)
    mask = xgrammar.allocate_token_bitmask(1, 257)
    text = bytearray()
    while len(text) < 3_000:
        matcher.fill_next_token_bitmask(mask)
        words = mask[0].tolist()
        allowed = [token for token in range(257) if words[token // 32] >> (token % 32) & 1]
        ascii_only = [token for token in allowed if token < 128]
        token = chance.choice(ascii_only if ascii_only and chance.random() < 0.98 else allowed)
        for liked, share in ((256, 0.8), (ord('"'), 0.25), (ord("$"), 0.3)):
            if liked in allowed and chance.random() < share:
                token = liked
        if token == 256:
            return text.decode(errors="replace")
        assert matcher.accept_token(token)
        text.append(token)
    return None


def test_schemas_compile(xgrammar: Any) -> None:
    for schema in (JsonLines().schema(TOOLS), Document().schema(TOOLS)):
        grammar = xgrammar.Grammar.from_json_schema(schema)
        assert xgrammar.testing._is_grammar_accept_string(grammar, '{"output": null}') == ("nodes" not in str(schema))


def test_tools_that_the_text_cannot_name_are_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="'user-id' of who: plan with JSON lines"):
        LLMCompiler().grammar({"who": tool("who", "user-id")})
    with pytest.raises(ConfigError, match="a tool called 'join'"):
        LLMCompiler().grammar({"join": tool("join")})
    with pytest.raises(ConfigError, match="at least one tool"):
        JsonLines().grammar({})
