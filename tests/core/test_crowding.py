"""When workers are more than the cores that they keep busy: by what each gets, which is less the more they are."""

import pytest

from supervisor.core.crowding import crowded


@pytest.mark.parametrize(
    ("percents", "cpus", "expected"),
    [
        ([50.0, 50.0], 1, 2),
        ([66.0, 66.0, 66.0], 2, 3),
        ([25.0] * 8, 2, 8),
        ([66.0, 66.0, 66.0, 0.5], 2, 3),
        ([99.0, 99.0], 2, None),
        ([99.0, 99.0, 1.0], 2, None),
        ([30.0, 30.0, 30.0], 2, None),
        ([180.0, 10.0, 10.0], 2, None),
        ([None, 66.0, None], 1, None),
        ([], 2, None),
    ],
)
def test_a_worker_counts_from_half_of_an_equal_share(
    percents: list[float | None], cpus: int, expected: int | None
) -> None:
    assert crowded(percents, cpus) == expected
