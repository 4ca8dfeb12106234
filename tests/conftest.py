"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# By default an example that takes 200 ms fails its test, and on a busy machine any does. `timeout` in pyproject.toml bounds whole tests.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
