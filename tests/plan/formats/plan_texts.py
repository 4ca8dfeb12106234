"""Valid texts of the formats that models write, and the tools that they use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestra.plan.tool_spec import ToolSpec


def tool(name: str, *parameters: str, required: tuple[str, ...] = (), **types: Any) -> ToolSpec:
    """A tool whose parameters take anything, or the JSON type given by name."""
    properties: dict[str, Any] = {parameter: {} for parameter in parameters}
    properties |= {parameter: kind if isinstance(kind, dict) else {"type": kind} for parameter, kind in types.items()}
    return ToolSpec(name=name, parameters={"type": "object", "properties": properties, "required": list(required)})


TOOLS: Mapping[str, ToolSpec] = {
    spec.name: spec for spec in (tool("search", "query", "limit"), tool("math", "problem"), tool("finish", "answer", "why"))
}

LLMCOMPILER = (
    """Thought: first the heights
1. search("height of Mount Everest")
2. search("height of K2, in metres", limit=2)  # the second
Thought: now compare
3. math("$1 - $2")
4. finish({"answer": $3, "of": ["$1", $2.title, None]}, why=\"\"\"it is "so" ($$5)
2nd line\"\"\")
5. join($4)<END_OF_PLAN>
""",
    """1. search(First for Women)
2. search('it\\'s (not) 3. easy', 5)
3. math((1 + 2) * $2)
4. finish(true, "costs $100, see ${2}")
5. join()
""",
    """4. search("a",
    limit = 1.5)
5. math("${4} and $4")
6. join("the answer is $5", [$4, {"x": 1}])""",
)

JSON_LINES = (
    """{"id": "1", "tool": "search", "args": {"query": "tallest mountain", "limit": 2.0}}
{"id": "2", "tool": "search", "args": {"query": "costs $100, see $1.title", "limit": "$1[0]"}, "after": ["1"], "thought": "why not"}
{"id": 3, "tool": "math", "args": ["$$5 and ${2}"]}
{"output": ["$3", "about $2"]}
""",
    """[
  {"id": "capital", "tool": "search", "args": {"query": "capital of France"}, "timeout_s": 5},
  {
    "id": "size", "tool": "finish",
    "args": {"answer": {"of": ["$capital"], "deep": [[{"a": null}]]}, "why": "size of ${capital}: \\"big\\""},
    "effect": "pure"
  },
  {"join": "$size"}
]""",
    """{"id": "1", "prompt": "Name a city", "system": "Be brief", "difficulty": 2}
{"id": "2", "prompt": "Is $1 large?", "n": 3, "enough": 2}
{"id": "3", "inputs": ["$2[0]", "$2[1]"], "how": "vote", "edges": {"2": {"on_failure": "fallback", "fallback": "$1"}}}
{"id": "4", "kind": "plan", "nodes": [{"id": "1", "tool": "math", "args": {"problem": "${input.x} + 1"}}], "output": "$1",
 "args": {"x": "$3"}}
{"output": "$4", "goal": "a city"}
""",
)

DOCUMENTS = (
    """{"nodes": [
  {"id": "1", "tool": "search", "args": {"query": "tallest mountain"}},
  {"id": "2", "tool": "math", "args": ["$1.height - $$1 - $7"], "after": "1"}
], "output": "$2", "goal": "compare"}
""",
    """```json
{"version": 2, "nodes": [
  {"kind": "tool", "id": "1", "tool": "search", "arguments": {"query": "a $5 note"}},
  {"kind": "model", "id": "2", "prompt": {"$text": ["Sum up ", {"$ref": "1.title"}]}, "depends_on": ["1"]},
  {"kind": "plan", "id": "3", "arguments": {"x": {"$ref": "2"}}, "output": {"$ref": "1"},
   "nodes": [{"kind": "tool", "id": "1", "tool": "math", "arguments": {"problem": {"$ref": "input.x"}}}]}
], "output": {"$ref": "3"}}
```
""",
)

OPENAI_TOOLS = (
    """[{"id": "call_1", "type": "function", "function": {"name": "search",
  "arguments": "{\\"query\\": \\"about $1\\", \\"limit\\": 2}"}},
 {"id": "functions.math:1", "type": "function", "function": {"name": "math",
  "arguments": "{\\"problem\\": [1, {\\"$ref\\": \\"1\\"}]}"}}]
""",
    """{"role": "assistant", "content": null, "tool_calls": [
 {"id": "call_1", "type": "function", "function": {"name": "search", "arguments": "{\\"query\\": \\"costs $100\\"}"}},
 {"id": "call_2", "type": "function", "function": {"name": "math", "arguments": {"problem": "$1 and $$2"}}}]}
""",
)
