"""The stage on which each test runs its own keeper."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.keeper.stage import Stage


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    # Short paths: a socket's may have 107 bytes, and pytest's own directories are long.
    with tempfile.TemporaryDirectory(prefix="ck-") as base:
        made = Stage(Path(base))
        try:
            yield made
        finally:
            made.clear()
