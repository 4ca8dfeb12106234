"""The benchmark of engines side by side: what it counts, and that it says what went wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="an engine of transformers decodes with torch")
transformers = pytest.importorskip("transformers", reason="the engine that needs no GPU")

from orchestra.evals.benchmarks import shared_engine

from orchestra.countdown import notation


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(notation.ID),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=64,
        **dict.fromkeys(["eos_token_id", "bos_token_id", "pad_token_id"]),
    )
    path = tmp_path_factory.mktemp("tiny")
    transformers.LlamaForCausalLM(config).save_pretrained(path)
    return path


def run(folder: Path, out: Path, *flags: str, engines: tuple[str, ...] = ("transformers", "transformers:bfloat16")) -> int:
    sizes = ["--requests", "3", "9", "--max-tokens", "4", "--rounds", "3", "--warmups", "1"]
    return shared_engine.main(["--model", str(folder), *sizes, "--out", str(out), "--engines", *engines, *flags])


def test_every_engine_is_timed_in_every_round_and_shown(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a.json"
    assert run(folder, out) == 0
    result = json.loads(out.read_text())
    for spec in ("transformers", "transformers:bfloat16"):
        for num in ("3", "9"):
            row = result["sampled"][spec][num]
            assert len(row["seconds"]) == 3 and len(row["warmup_seconds"]) == 1
            assert all(1 <= tokens <= 4 * int(num) for tokens in row["tokens"])
            assert row["tokens_per_second"] == pytest.approx(sorted(shared_engine.speeds(row))[1], abs=1)
    shown = capsys.readouterr().err
    assert "round 3 of 3: 9 requests, transformers:bfloat16" in shown and "median (least to most) of 3 rounds" in shown
    assert shared_engine.main(["--show", str(out)]) == 0
    assert "transformers (float32)" in capsys.readouterr().err


@pytest.mark.parametrize("engine", ["llama", "transformers:int3"])
def test_an_engine_that_there_is_not_is_named(
    folder: Path, tmp_path: Path, engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, tmp_path / "a.json", engines=(engine,)) == 1
    assert f"'{engine}'" in capsys.readouterr().err


def test_a_file_without_numbers_is_refused_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.json").write_text("[]")
    assert shared_engine.main(["--show", str(tmp_path / "a.json")]) == 1
    assert "holds no numbers of shared_engine" in capsys.readouterr().err


def test_two_rounds_are_too_few(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        run(folder, tmp_path / "a.json", "--rounds", "2")


def test_groups_share_a_problem_and_only_some_engines_get_seeds() -> None:
    problems = shared_engine.from_split("test", seed=0, limit=2)
    made = shared_engine.requests(problems, 16, first=100, max_tokens=5, seeded=True)
    assert len({request.prompt for request in made}) == 2 and made[0].prompt == made[7].prompt != made[8].prompt
    assert [request.sampling.seed for request in made] == list(range(100, 116))
    assert {request.sampling.seed for request in shared_engine.requests(problems, 9, first=0, max_tokens=5, seeded=False)} == {None}
