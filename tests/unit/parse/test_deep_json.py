from __future__ import annotations

import json

import pytest

from shipper.parse import deep_json


def test_what_lies_too_deep_becomes_text() -> None:
    """A hundred levels stay structure; deeper values become JSON text."""
    shallow = deep_json.flattened('{"a": ' + "[" * 150 + '1, "]["' + "]" * 150 + ', "b": "c"}')
    assert shallow is not None
    value = json.loads(shallow)
    assert value["b"] == "c"
    for _ in range(99):
        value = value["a"] if isinstance(value, dict) else value[0]
    assert value == ["[" * 51 + '1, "]["' + "]" * 51]


@pytest.mark.parametrize("text", ["[" * 2000, '{"a": "' + "x" * 2**20 + '"}'])
def test_what_cannot_be_flattened_is_refused(text: str) -> None:
    """Unbalanced brackets and very long texts raise."""
    assert deep_json.flattened(text) is None


def test_any_depth_can_be_written() -> None:
    """Deep values are written as a recursive writer would write them."""
    value: object = {"a": [1, None, True, 'x"é'], "b": {}, "c": []}
    assert deep_json.written(value) == '{"a":[1,null,true,"x\\"é"],"b":{},"c":[]}'
    for _ in range(20_000):
        value = [value]
    assert deep_json.written(value) == "[" * 20_000 + '{"a":[1,null,true,"x\\"é"],"b":{},"c":[]}' + "]" * 20_000
