"""What a headline run may be told: how many problems, tries and tokens its parts take."""

from __future__ import annotations

from dataclasses import dataclass

from orchestra.errors import ConfigError

_COUNTS = (
    "limit",
    "validation",
    "swept",
    "serial_tries",
    "fork_tries",
    "scouts",
    "five",
    "five_window",
    "alone",
    "rounds",
    "requests",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The options of a run."""

    limit: int = 1000
    """Test problems."""
    validation: int = 500
    swept: int = 100
    """Validation problems on which temperatures are tried, 16 times each, and the ways to fork."""
    temperatures: tuple[float, ...] = (0.6, 1.0, 1.4, 2.0)
    serial_beam: int = 0
    wide_beam: int = 0
    """Of serial search in its whole context."""
    dials: tuple[tuple[int, int], ...] = ((0, 0),)
    """(beam, child beam) of forking; the first is the operating point."""
    again: float = 1.0
    """Temperature of second and later tries: a greedy one would be the same again."""
    serial_tries: int = 4
    fork_tries: int = 4
    fork_temperature: float = 0.5
    """Of several tries of the last dial, which is to be the cheapest."""
    scouts: int = 8
    """Serial searches beside a fork in the race."""
    scout_temperature: float = 1.0
    five: int = 100
    five_window: int | None = None
    """Of problems of five numbers, tried twice as wide, too; None: the window of four numbers."""
    alone: int = 40
    """Problems of a round that run one at a time."""
    loads: tuple[int, ...] = ()
    rounds: int = 3
    requests: int = 512
    """Decoded together by one engine."""
    shard: tuple[int, int] = (0, 1)
    """(i, n): every n-th problem from the i-th on; the part window is not divided."""

    def __post_init__(self) -> None:
        for name in _COUNTS:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"`{name}` must be at least 1, got {value}")
        if bad := [load for load in self.loads if load < 1]:
            raise ConfigError(f"`loads` are numbers of problems at once, got {bad[0]}")
        if bad_temperatures := [
            value for value in (*self.temperatures, self.again, self.fork_temperature, self.scout_temperature) if value <= 0
        ]:
            raise ConfigError(
                f"temperatures of several tries must be positive, got {bad_temperatures[0]}: greedy tries are all the same"
            )
