from __future__ import annotations

import pytest

from shipper.views.snapshot import MAX_PAGE, PAGE_BYTES, next_size


@pytest.mark.parametrize(
    ("size", "taken", "then"),
    [
        (200, 200 * 100, 800), (800, 800 * 100, MAX_PAGE), (200, 200 * 2**20, 4), (4, 4 * 2**20, 4),
        (200, 2 * PAGE_BYTES, 100), (1, 100 * PAGE_BYTES, 1), (1, 0, 4),
    ],
)  # fmt: skip
def test_pages_fit_their_documents(size: int, taken: int, then: int) -> None:
    """Small documents make pages grow step by step to a limit; large ones shrink them at once, not to nothing."""
    assert next_size(size, taken) == then
