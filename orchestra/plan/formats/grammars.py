"""Grammars, in the EBNF of xgrammar, that hold a model to a text format, so that every text decoded to its end can be parsed.

Known tools, their arguments by name and (as far as `_Values` knows JSON Schema) by type; text refers to nodes by `${1}`.
Without `max_nodes` references are to any number and nodes are numbered at will. With it (up to `UNROLLED`) nodes are numbered
without gaps and refer to earlier ones only, so that the plan also verifies. `max_text` bounds the characters of each string: a
weak model may never close one otherwise. What a grammar cannot exclude is a key that stands twice in an object of arbitrary
keys; the parser refuses it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ...errors import ConfigError
from ..tool_spec import ToolSpec
from . import dollar_refs
from .base import Tools

UNROLLED = 32
"""Nodes up to which a grammar is unrolled: xgrammar 0.2.8 compiles 32 nodes of four tools in 0.4 s, 200 in 10 s."""
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_TOOL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_SHARED = r"""
char ::= [^"\\$\x00-\x1f\x7f] | "\\" ["\\/bfnrt] | "$$"
integer ::= "-"? ("0" | [1-9] [0-9]{0,14})
number ::= integer ("." [0-9]{1,15})? ([eE] [+-]? [0-9]{1,2})?
boolean ::= "true" | "false"
null ::= "null"
"""


def llmcompiler_grammar(tools: Tools, *, max_nodes: int | None, max_text: int | None, known: Collection[str] = ()) -> str:
    """For `llmcompiler`. Raises `ConfigError` for tools that the text cannot name."""
    for spec in tools.values():
        wrong = [name for name in spec.parameter_names if not _NAME.fullmatch(name)]
        if wrong or not _TOOL.fullmatch(spec.name) or spec.name == "join":
            name = f"the parameter {wrong[0]!r} of {spec.name}" if wrong else f"a tool called {spec.name!r}"
            raise ConfigError(f"LLMCompiler's text cannot hold {name}: plan with JSON lines instead")
    thought = f'("Thought: " [^\\n(\\x00-\\x1f] [^\\n(\\x00-\\x1f]{_times(max_text)} "\\n")?'

    def call(spec: ToolSpec, number: str, arguments: str, _earlier: str) -> str:
        return f'{thought} {number} {_quoted(f". {spec.name}(")} {arguments} ")\\n"'

    def join(number: str, output: str) -> str:
        return f'{number} ". join(" {output}? ")"'

    return _Grammar(tools, max_text, lambda name: f"{name}=", as_calls=True).plan(call, join, max_nodes, known)


def json_lines_grammar(tools: Tools, *, max_nodes: int | None, max_text: int | None, known: Collection[str] = ()) -> str:
    """For `json_lines`."""
    thought = f'("\\"thought\\": \\"" char{_times(max_text)} "\\", ")?'

    def call(spec: ToolSpec, number: str, arguments: str, earlier: str) -> str:
        tool = _quoted(f'", "tool": {json.dumps(spec.name, ensure_ascii=False)}, "args": {{')
        after = f'(", \\"after\\": [" ({earlier} (", " {earlier}){{0,15}})? "]")?' if earlier else ""
        return f'"{{" {thought} "\\"id\\": \\"" {number} {tool} {arguments} "}}" {after} "}}\\n"'

    def output(_number: str, output: str) -> str:
        return f'"{{\\"output\\": " ({output} | "null") "}}"'

    return _Grammar(tools, max_text, lambda name: f"{json.dumps(name, ensure_ascii=False)}: ").plan(call, output, max_nodes, known)


class _Grammar:
    """Rules by their names."""

    def __init__(self, tools: Tools, max_text: int | None, key: Callable[[str], str], *, as_calls: bool = False) -> None:
        """With `as_calls` the first argument needs no name, and references no quotes."""
        if not tools:
            raise ConfigError("a grammar for plans needs at least one tool")
        self._tools = tools
        self._max_text = max_text
        self._key = key
        self._as_calls = as_calls
        self._rules: dict[str, str] = {}

    def plan(
        self,
        call: Callable[[ToolSpec, str, str, str], str],
        end: Callable[[str, str], str],
        max_nodes: int | None,
        known: Collection[str],
    ) -> str:
        """The grammar. `call` and `end` write a node and the last line from the rules of their parts."""
        if max_nodes is None or max_nodes > UNROLLED:
            self._rules["ids"] = "[1-9] [0-9]{0,3}"
            self._step("", call, "ids", "ids")
            self._rules["root"] = f"step{'+' if max_nodes is None else f'{{1,{max_nodes}}}'} {end('ids', self._output('', 'ids'))}"
            return self._text()
        first = max((int(node) for node in known if node.isdecimal()), default=0) + 1
        earlier = self._rule("ids_0", " | ".join(f'"{node}"' for node in sorted(known)))
        for place in range(max_nodes + 1):
            suffix, number = f"_{place}", f'"{first + place}"'
            if place:
                earlier = self._rule(f"ids{suffix}", " | ".join([*([earlier] if earlier else []), f'"{first + place - 1}"']))
            self._rules[f"end{suffix}"] = end(number, self._output(suffix, earlier))
            if place == max_nodes:
                self._rules[f"plan{suffix}"] = f"end{suffix}"
                break
            self._step(suffix, call, number, earlier)
            following = f"step{suffix} plan_{place + 1}"
            self._rules[f"plan{suffix}"] = f"{following} | end{suffix}" if place else following
        self._rules["root"] = "plan_0"
        return self._text()

    def _rule(self, name: str, body: str) -> str:
        """The name of a new rule; "" for a rule that would be empty."""
        if body:
            self._rules[name] = body
        return name if body else ""

    def _text(self) -> str:
        rules = (f"{name} ::= {body}" for name, body in self._rules.items() if name != "root")
        return "\n".join([f"root ::= {self._rules['root']}", *rules]) + _SHARED

    def _step(self, suffix: str, call: Callable[[ToolSpec, str, str, str], str], number: str, earlier: str) -> None:
        values = _Values(self._rules, suffix, earlier, self._max_text, bare=self._as_calls)
        quoted = f'"\\"" {earlier} "\\""' if earlier else ""
        calls = []
        for index, spec in enumerate(self._tools.values()):
            values.definitions = {**spec.parameters.get("definitions", {}), **spec.parameters.get("$defs", {})}
            values.owner = f"t{index}"
            self._rules[f"t{index}{suffix}"] = values.members(spec.parameters, self._key, first_without_key=self._as_calls)
            self._rules[f"call{index}{suffix}"] = call(spec, number, f"t{index}{suffix}", quoted)
            calls.append(f"call{index}{suffix}")
        self._rules[f"step{suffix}"] = " | ".join(calls)

    def _output(self, suffix: str, earlier: str) -> str:
        values = _Values(self._rules, f"{suffix}_out", earlier, self._max_text, bare=self._as_calls)
        text = values.rule({"type": "string"})
        return f'({text} | "[" {text} (", " {text}){{0,15}} "]")'


class _Values:
    """Rules for arguments of one node, in JSON whose strings hold references to `earlier` nodes."""

    def __init__(self, rules: dict[str, str], suffix: str, earlier: str, max_text: int | None, *, bare: bool) -> None:
        self._rules = rules
        self._suffix = suffix
        reference = f' | "${{" {earlier} "}}"' if earlier else ""
        rules[f"string{suffix}"] = f'"\\"" (char{reference}){_times(max_text)} "\\""'
        bare_reference = f' | "$" {earlier}' if bare else ""
        self._whole = f' | "\\"$" {earlier} "\\""{bare_reference}' if earlier else ""
        self._made: dict[str, str] = {}
        self.definitions: Mapping[str, Any] = {}
        self.owner = ""

    def rule(self, schema: Any) -> str:
        """The name of the rule for values of `schema`; what the schema says beyond types, members and choices is left to the
        verifier."""
        key = json.dumps([self.owner if "$ref" in str(schema) else "", schema], sort_keys=True)
        if key not in self._made:
            name = self._made[key] = f"v{len(self._made)}{self._suffix}"  # named before it is written: it may hold itself
            self._rules[name] = self._body(schema)
        return self._made[key]

    def _body(self, schema: Any) -> str:
        match schema:
            case {"const": constant}:
                return _literal(constant) + self._whole
            case {"enum": [*choices]}:
                return " | ".join(map(_literal, choices)) + self._whole
            case {"$ref": str(target)} if (name := target.rpartition("/")[2]) in self.definitions:
                return self.rule(self.definitions[name])
            case {"anyOf": [*choices]} | {"oneOf": [*choices]}:
                return " | ".join(self.rule(choice) for choice in choices)
            case {"type": [*types]}:
                return " | ".join(self.rule({**schema, "type": kind}) for kind in types)
            case {"type": "string"}:
                return f"string{self._suffix}{self._whole}"
            case {"type": "integer" | "number" | "boolean" | "null" as kind}:
                return f"{kind}{self._whole}"
            case {"type": "array"}:
                item = self.rule(schema.get("items", {}))
                return f'"[" ({item} (", " {item})*)? "]"{self._whole}'
            case {"type": "object", "properties": {**properties}} if properties:
                return f'"{{" {self.members(schema, _json_key)} "}}"{self._whole}'
            case {"type": "object"}:
                item = f'"\\"" char* "\\": " {self.rule({})}'
                return f'"{{" ({item} (", " {item})*)? "}}"{self._whole}'
        return " | ".join(self.rule({"type": kind}) for kind in ("string", "number", "boolean", "null", "array", "object"))

    def members(self, schema: Mapping[str, Any], key: Callable[[str], str], *, first_without_key: bool = False) -> str:
        """The properties of an object in their order, with commas; those not required may be missing."""
        required = set(schema.get("required", ()))
        items: list[tuple[bool, str]] = []
        for name, value in schema.get("properties", {}).items():
            written = _quoted(key(name)) if items or not first_without_key else f"({_quoted(key(name))})?"
            items.append((name in required, f"{written} {self.rule(value)}"))
        choices: list[str] = []
        for index, (must, item) in enumerate(items):
            rest = "".join(f' ", " {later}' if needed else f' (", " {later})?' for needed, later in items[index + 1 :])
            choices.append(item + rest)
            if must:
                return f"({' | '.join(choices)})"
        return f"({' | '.join([*choices, _EMPTY])})"


_EMPTY = '""'


def _json_key(name: str) -> str:
    return f"{json.dumps(name, ensure_ascii=False)}: "


def _literal(constant: Any) -> str:
    return _quoted(json.dumps(dollar_refs.write(constant), ensure_ascii=False))


def _quoted(text: str) -> str:
    """`text` as a terminal of the grammar."""
    return json.dumps(text, ensure_ascii=False)


def _times(most: int | None) -> str:
    return "*" if most is None else f"{{0,{most}}}"
