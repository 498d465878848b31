"""Whole files of every format, and the exact documents of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shipper.config import Dataset, Format, Shipper
from shipper.document.ecs import Documents
from shipper.parse.dispatch import parse
from shipper.tail.block import Block, Origin
from shipper.tail.splitter import Splitter

GOLDEN = Path(__file__).parents[1] / "golden"
READ_AT = 1_795_438_800 * 10**9  # 2026-11-23T13:00:00Z
LAST_CHANGE = 1_795_438_799 * 10**9
# What a file's name begins with → format of its lines, stream, folder.
KINDS: dict[str, tuple[Format, Dataset, str]] = {
    "structlog": ("structlog", "app", "/var/log/neuroflow"),
    "stdlib": ("structlog", "app", "/var/log/neuroflow"),
    "console": ("console", "pipeline", "/var/log/neuroflow/qsiprep"),
    "celery": ("celery", "celery", "/var/log/neuroflow/celery"),
    "huey": ("celery", "celery", "/var/log/neuroflow"),
    "voxelops": ("voxelops", "pipeline", "/data/derivatives/logs"),
    "pipeline": ("pipeline", "pipeline", "/var/log/neuroflow/pipelines/mriqc"),
    "audit": ("audit", "audit", "/var/log/neuroflow/audit"),
}


def documents_of(name: str, data: bytes) -> list[dict[str, Any]]:
    """The documents of a whole file."""
    kind, _, file_name = name.partition("-")
    of, dataset, folder = KINDS[kind]
    splitter = Splitter(0, 2**20)
    lines, offsets, _ = splitter.feed(data)
    last, ends, _ = splitter.take_rest()
    block = Block(
        Origin(b"golden-01", f"{folder}/{file_name}", f"{folder}/{file_name}", of, dataset),
        lines + last,
        offsets[:-1] + ends,
        unterminated=bool(last),
        final=True,
        read_at_ns=READ_AT,
        modified_ns=LAST_CHANGE,
    )
    settings = Shipper(host_name="node-1", environment="test", timezone="Asia/Jerusalem")
    return Documents(settings, "0.0.0").of(parse(block))


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.glob("*.log")))
def test_file_becomes_exactly_the_expected_documents(name: str) -> None:
    """The documents equal the expected ones in every field."""
    expected = json.loads((GOLDEN / name).with_suffix(".expected.json").read_text(encoding="utf-8"))
    found = documents_of(name, (GOLDEN / name).read_bytes())
    # Through JSON and back, as they travel.
    assert expected == json.loads(json.dumps(found))


def test_every_expectation_has_its_file() -> None:
    """Each file of expected documents has its log."""
    assert [] == [
        path.name
        for path in GOLDEN.glob("*.expected.json")
        if not (GOLDEN / path.name.replace(".expected.json", ".log")).exists()
    ]
