from __future__ import annotations

from typing import Any

import pytest

from shipper.document.extra import as_text, tame


def nested(depth: int, value: Any) -> Any:
    """A value in so many lists."""
    for _ in range(depth):
        value = [value]
    return value


def test_ordinary_fields_stay_as_they_are() -> None:
    """Plain values, short lists and objects, keys with dots and blanks."""
    fields: dict[str, Any] = {"a": 1, "a.b": None, "service ": True, "c": [1.5, {"d": "e"}], "f": {}}
    assert tame(dict(fields)) == fields


@pytest.mark.parametrize(
    ("key", "safe"),
    [("", "_"), ("\0", "\ufffd"), ("a\0b", "a\ufffdb"), ("k" * 256, "k" * 256)],
)
def test_keys_that_would_cost_the_document(key: str, safe: str) -> None:
    """They are mended, on top and below."""
    assert tame({key: {key: [{key: 1}]}}) == {safe: {safe: [{safe: 1}]}}


def test_a_key_that_is_too_long_is_whole_in_the_text_below_it() -> None:
    """Cut, it would say something else."""
    long = "k" * 257
    assert {"k" * 256: f'{{"{long}":[1]}}'} == tame({long: [1]})


def test_keys_that_become_the_same_share_a_list() -> None:
    """Neither takes the other's place."""
    assert {"\ufffd": [1, 2], "_": 3} == tame({"\0": 1, "\ufffd": 2, "": 3})


def test_deep_values_end_in_text() -> None:
    """Eleven levels are kept, what lies below is JSON text."""
    assert tame({"a": nested(11, 1)}) == {"a": nested(11, 1)}
    assert tame({"a": nested(13, 1)}) == {"a": nested(11, "[[1]]")}
    assert tame({"a": nested(5000, "x")}) == {"a": nested(11, "[" * 4989 + '"x"' + "]" * 4989)}


def test_long_ways_end_in_text() -> None:
    """Key and value travel as one term: keys that are long together leave no room for the next one."""
    long = "k" * 256
    value: Any = 1
    for _ in range(10):
        value = {long: value}
    found, depth = tame(value), 0
    while isinstance(found, dict):
        found, depth = found[long], depth + 1
    assert (6, f'{{"{long}":{{"{long}":{{"{long}":{{"{long}":1}}}}}}}}') == (depth, found)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (17, "17"),
        (0.5, "0.5"),
        (True, "true"),
        (None, "null"),
        (["a", None], '["a",null]'),
        ({"a": {"b": 1}}, '{"a":{"b":1}}'),
        ({"a": 2**70}, '{"a":1180591620717411303424}'),
        (nested(400, 1), "[" * 400 + "1" + "]" * 400),
    ],
)
def test_any_value_as_text(value: Any, text: str) -> None:
    """Texts as they are, the rest in JSON's words, however deep."""
    assert text == as_text(value)
