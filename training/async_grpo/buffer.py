"""The queue between the thread that samples and the trainer that takes: it says when a round has been taken, and it breaks with its worker."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence

from .rows import Row


class Buffer(queue.Queue[tuple[Row | Exception, int | None]]):
    """A `queue.Queue` from which rows are taken one by one. `on_taken` is called with the number of a round, by the taking thread, after its last
    row."""

    def __init__(self, on_taken: Callable[[int], None]) -> None:
        super().__init__()
        self._on_taken = on_taken
        self.tokens_taken = 0
        """Of all rows so far."""

    def put_round(self, number: int, rows: Sequence[Row]) -> None:
        """Never blocks: how many rounds may wait is the worker's to decide."""
        for place, row in enumerate(rows, start=1):
            self.put((row, number if place == len(rows) else None))

    def fail(self, error: Exception) -> None:
        """Whoever waits for a row, or asks for more than there are, gets `error` at once."""
        self.put((error, None))

    def get(self, block: bool = True, timeout: float | None = None) -> Row:  # type: ignore[override]
        """The next row. Raises `queue.Empty`, or what the worker failed of when no row is left."""
        item, ended = super().get(block, timeout)
        if isinstance(item, Exception):
            self.put((item, None))  # for whoever asks again
            raise item
        if ended is not None:
            self._on_taken(ended)
        self.tokens_taken += len(item.input_ids)
        return item
