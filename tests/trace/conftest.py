"""What tests of live spans share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .exported import Exported


@pytest.fixture
def exported() -> Exported:
    pytest.importorskip("opentelemetry.sdk")
    from .exported import Exported

    return Exported()
