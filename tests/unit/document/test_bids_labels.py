from __future__ import annotations

import pytest

from shipper.document.bids_labels import LABELS, bids_name


@pytest.mark.parametrize(
    ("key", "value", "name"),
    [
        ("participant", "001", "sub-001"),
        ("participant", "sub-001", "sub-001"),
        ("participant", "12", "sub-12"),
        ("subject_id", "12", "12"),
        ("subject_id", "012", "sub-012"),
        ("subject_id", "CTRL07", "sub-CTRL07"),
        ("session_id", "202007141404", "ses-202007141404"),
        ("session_id", "ses-01", "ses-01"),
        ("session", "baseline", "ses-baseline"),
        ("session", "7", "7"),
        ("session", "not a name", "not a name"),
        ("session", "", ""),
    ],
)
def test_names_have_their_prefix(key: str, value: str, name: str) -> None:
    """Names with and without prefix are one; database ids and sentences stay as they are."""
    assert name == bids_name(value, LABELS[key])
