"""Questions may be answered at once in tests, except where a test is about that."""

import pytest

from dashboard.tui.screens import confirm


@pytest.fixture(autouse=True)
def quick_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirm, "SEEN", 0.0)
