"""Steps that are recorded once and replayed, without a GPU: they compute what steps do that are not, on memory that stays where it is."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Hashable
from typing import Any

import pytest
from hypothesis import given, settings

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from decoded_rows import VOCABULARY, Sequenced, assert_as_alone, model, row, run, some_rows
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from orchestra.engine import attention
from orchestra.engine.cuda_graphs import CudaGraphs
from orchestra.engine.decoder import Decoder
from orchestra.engine.drawing import How

pytestmark = pytest.mark.usefixtures("one_thread")


class Recorded(CudaGraphs):
    """Graphs that are no graphs: replaying one runs its work, once it has been made sure that no memory moved under it."""

    def __init__(self, decoding: Decoder) -> None:
        super().__init__(torch.device("cpu"))
        self.decoding = decoding
        self.recorded: dict[Hashable, tuple[list[int], Callable[[], Any]]] = {}
        self.num_replayed = 0

    def memory(self) -> list[int]:
        cache = self.decoding._cache._layers.values()
        return [
            self.decoding._inputs.data_ptr(),
            self.decoding._prompts.data_ptr(),
            *(buffer.data_ptr() for pair in cache for buffer in pair),
        ]

    def run(self, key: Hashable, work: Callable[[], Any]) -> Any:
        if key not in self.recorded:
            work()
            self.recorded[key] = self.memory(), work
        memory, recorded = self.recorded[key]
        assert memory == self.memory()
        self.num_replayed += 1
        return recorded()

    def forget(self) -> None:
        self.recorded.clear()


@settings(max_examples=20, deadline=None)
@given(some_rows)
def test_graphs_are_those_of_the_buffers_there_are(rows: list[Sequenced]) -> None:
    decoding = Decoder(model(), static=True)
    decoding._graphs = graphs = Recorded(decoding)
    run(rows, decoding)
    assert graphs.num_replayed
    assert_as_alone(rows)


def test_work_that_cannot_be_recorded_is_done_each_time_and_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any) -> None:
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(torch.cuda, "device", lambda _: torch.inference_mode())
    monkeypatch.setattr(CudaGraphs, "_on_the_side", lambda _, work: work())
    monkeypatch.setattr(CudaGraphs, "_recorded", refuse)
    rows = [row(length, 5, seed=length) for length in (1, 7, 130)]
    decoding = Decoder(model(), static=True)
    decoding._graphs = CudaGraphs(torch.device("cpu"))
    with caplog.at_level(logging.WARNING):
        run(rows, decoding)
    assert_as_alone(rows)
    assert [record.message for record in caplog.records] == [
        "decoding goes on without CUDA graphs, several times slower for a small model: operation not permitted when stream is capturing"
    ]


def test_one_query_a_row_takes_products_of_matrices_and_gives_what_sdpa_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []

    def counted(*args: Any, **kwargs: Any) -> Any:
        called.append(args)
        return original(*args, **kwargs)

    original = attention.one_query
    monkeypatch.setattr(attention, "one_query", counted)
    rows = [row(length, 5, seed=length, temperature=1.0) for length in (1, 7, 130)]
    with attention._OneQuery():
        run(rows, Decoder(model(), static=True))
    assert len(called) == 2 * 5  # in both layers of five steps, and not when prompts are read
    assert_as_alone(rows)


class OnTheDevice(TorchDispatchMode):
    """Refuses operations on anything but tensors of the device, and their values."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves((args, kwargs, result)):
            assert not isinstance(leaf, torch.Tensor) or leaf.device.type == "meta", func
        return result


@pytest.mark.parametrize("how", [How(), How(nucleus=True, top=5)])
def test_what_is_recorded_reads_no_value_and_nothing_that_lies_elsewhere(how: How) -> None:
    decoding = Decoder(copy.deepcopy(model()).to("meta"), static=True)  # tensors without values: whatever asks for one fails
    decoding._inputs = torch.zeros(8, 6, dtype=torch.float64, device="meta")
    decoding._how = how
    decoding._cache.reserve(8, 128)
    with torch.inference_mode(), OnTheDevice(), attention._OneQuery():
        assert decoding._read(4, 32).shape == (4, VOCABULARY)
        assert decoding._pass(8, 128).shape == (8, 3 + how.top)
