"""A fuzz run inside this process: no line stops it or is lost, and Elasticsearch would accept every document."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.fuzz import PLACES, FuzzRun
from tests.fuzz.inside import Inside
from tests.fuzz.limits import Fields, faults, fields_of_logs
from tests.fuzz.mutations import BYTE_MARK

FIELDS: Fields = {
    "at": {"type": "date_nanos"},
    "n": {"type": "long"},
    "x": {"type": "double"},
    "k": {"type": "keyword", "ignore_above": 32766},
    "short": {"type": "keyword", "ignore_above": 1024},
    "f": {"type": "flattened", "ignore_above": 8191, "depth_limit": 20},
    "m": {"type": "match_only_text"},
}


def pass_through(fuzz_run: FuzzRun) -> None:
    """Process a fuzz run; gives the documents and their faults."""
    inside = Inside()
    marks: set[str] = set()
    for place, data in fuzz_run.files():
        inside.take(place, data)
        marks.update(found.decode() for found in BYTE_MARK.findall(data))
    inside.runs()
    assert not inside.faults
    assert marks == inside.marks.keys()
    assert {1} == set(inside.marks.values())


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.thorough)])
def test_every_line_becomes_a_document_that_the_cluster_takes(seed: int) -> None:
    """Each mark is in one document, and all documents fit their mappings."""
    pass_through(FuzzRun(3000, seed))


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_any_small_fuzz_run_passes(seed: int) -> None:
    """Any seed passes."""
    pass_through(FuzzRun(60, seed))


def test_the_same_seed_is_the_same_run() -> None:
    """A seed always gives the same lines, and another seed others."""
    first = list(FuzzRun(200, 3).files())
    assert first == list(FuzzRun(200, 3).files())
    assert first != list(FuzzRun(200, 4).files())


def test_a_fuzz_run_has_everything_in_it() -> None:
    """A run contains every kind of file and every kind of damage, and each mark in one file."""
    files = dict(FuzzRun(3000, 5).files())
    assert files.keys() >= set(PLACES)
    data = b"\n".join(files.values())
    marks = BYTE_MARK.findall(data)
    assert 2500 < len(marks) == len(set(marks))
    for wanted in (
        b"NaN",
        b"1e400",
        b"\0",
        b"\xff",
        b"\\ud800",
        b"[" * 2000,
        b"k" * 4096,
        b'"": ',
        b"\r\n",
        b"=== STD",
    ):
        assert wanted in data
    assert max(map(len, data.split(b"\n"))) > 2**18


@pytest.mark.parametrize(
    ("document", "name"),
    [
        ({"at": "2262-04-12T00:00:00Z"[:4] + "x"}, "at"),
        ({"at": 0}, "at"), ({"n": 2**63}, "n"), ({"n": True}, "n"), ({"n": [1, "2"]}, "n"), ({"x": "1"}, "x"),
        ({"k": "€" * 11_000}, "k"), ({"k": {"a": 1}}, "k"), ({"m": 1}, "m"), ({"f": "text"}, "f"),
        ({"f": {"a\0b": 1}}, "f"),
        ({"f": {"a" * 9000: "€" * 8191}}, "f"),
        ({"f": {"a.": 1}}, "f"),
        ({"f": {"a": {"b": None}}}, "f"),
        ({"f": {"a": 1, "b": [{"c": 1}, "x"]}}, "f"),
        ({"f": {"a": 1, "a.b": 1}}, "f"),
        ({"f": {"\uff41": 1}}, "f"), ({"strange": 1}, "strange"),
    ],
)  # fmt: skip
def test_what_the_cluster_would_refuse_is_seen(document: dict[str, Any], name: str) -> None:
    """The judge finds each kind of rejected document."""
    [fault] = faults(document, FIELDS)
    assert fault.startswith(f"{name}: ")


def test_what_the_cluster_takes_is_no_fault() -> None:
    """Values that are too long to be indexed are accepted."""
    document = {
        "at": "2026-11-23T12:44:12.123456789Z", "n": [1, -(2**63)], "x": 1e300, "k": "€" * 10_000,
        "short": "€" * 40_000,
        "f": {"a": ["€" * 40_000, None], "b": [{"c": {}}], "c" * 256: "€" * 8191},
        "m": "€" * 40_000,
    }  # fmt: skip
    assert [] == faults(document, FIELDS)


def test_mappings_are_read_to_their_leaves() -> None:
    """The fields are those of the mapping files."""
    fields = fields_of_logs()
    assert "flattened" == fields["neuroflow.extra"]["type"]
    assert "date_nanos" == fields["@timestamp"]["type"]
    assert "neuroflow" not in fields
