from __future__ import annotations

from typing import Any

import orjson
import pytest

from shipper.parse.shapes import Shaped, Shapes, record_of

RECORDS: list[dict[str, Any]] = [
    {"event": "a.b", "level": "info", "timestamp": "2026-03-02T10:00:00.000000Z"},
    {"event": "a.c", "level": "info", "path": "/x", "timestamp": "2026-03-02T10:00:00.000000Z"},
    {"event": "a.d", "level": "info", "number": 7, "timestamp": "2026-03-02T10:00:00.000000Z"},
]
LINES = [orjson.dumps(record) for record in RECORDS]


def learned() -> Shapes:
    """The shapes of these lines."""
    shapes = Shapes()
    shapes.sampled = shapes.sightings = 1
    for line, record in zip(LINES, RECORDS, strict=True):
        shapes.learn(line, dict(record))
    return shapes


def taken(shapes: Shapes, lines: list[bytes]) -> list[Shaped]:
    """The lines that are recognised, up to the first that is not."""
    found: list[Shaped] = []
    shapes.take(lines, 0, len(lines), found)
    return found


@pytest.mark.parametrize("order", ["0", "000", "012012012", "0001000100010", "0102012001", "221100"])
def test_lines_are_recognised_in_any_order(order: str) -> None:
    """Which shape is tried first depends on the lines before; what a line is does not."""
    shapes = learned()
    for _ in range(2):
        found = taken(shapes, [LINES[int(one)] for one in order])
        assert [RECORDS[int(one)] for one in order] == [record_of(line) for line in found]


def test_a_forgotten_shape_is_not_expected_either() -> None:
    """Lines of a shape that was forgotten are parsed, wherever they stand."""
    shapes = learned()
    lines = [LINES[0], LINES[1], LINES[0], LINES[1]]
    shape = taken(shapes, lines)[1][0]
    shapes.forget(shape)
    assert 1 == len(taken(shapes, lines))
