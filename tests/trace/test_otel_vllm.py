"""vLLM's own spans, below ours."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.vllm
@pytest.mark.timeout(180)
def test_a_span_of_vllm_lies_below_that_of_each_request() -> None:
    for package in ("vllm", "opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"):
        pytest.importorskip(package)
    program = Path(__file__).with_name("traced_vllm.py")
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["requests"] == found["ours"] == found["below"] > 10
