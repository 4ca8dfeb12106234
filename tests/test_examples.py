"""The programs in `examples/`, run as a user runs them."""

from __future__ import annotations

import ast
import operator
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.vllm
@pytest.mark.timeout(180)
def test_fork_and_join_prints_a_verified_answer_and_its_threads() -> None:
    pytest.importorskip("vllm")
    done = subprocess.run([sys.executable, EXAMPLES / "fork_and_join.py"], capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert value_of(lines[0]) == 24
    assert lines[1].split()[:2] == ["0", "finished"]
    assert lines[-1].startswith("work ")


def value_of(expression: str) -> int:
    """The value of an answer that uses 3, 5, 7 and 11 once each; anything else fails."""
    binary = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.floordiv}
    used: list[int] = []

    def walk(node: ast.expr) -> int:
        if isinstance(node, ast.Constant):
            used.append(node.value)
            return int(node.value)
        assert isinstance(node, ast.BinOp)
        return int(binary[type(node.op)](walk(node.left), walk(node.right)))

    value = walk(ast.parse(expression, mode="eval").body)
    assert sorted(used) == [3, 5, 7, 11]
    return value
