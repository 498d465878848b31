from __future__ import annotations

import json
from typing import Any

import pytest

from shipper.document.unmapped import SAFE_KEYS, as_text, sanitized


def nested(depth: int, value: Any) -> Any:
    """A value in so many lists."""
    for _ in range(depth):
        value = [value]
    return value


def test_ordinary_fields_stay_as_they_are() -> None:
    """Plain values, short lists and objects, keys with dots and blanks."""
    fields: dict[str, Any] = {"a": 1, "b.c": "d", "service ": True, "c": [1.5, None], "d": [{"e": 1}]}
    assert sanitized(dict(fields)) == fields


@pytest.mark.parametrize(
    ("key", "safe"),
    [
        ("", "_"), ("\0", "\u2400"), ("a\0b", "a\u2400b"), ("k" * 256, "k" * 256), (".", "_._"), ("a..b", "a._.b"),
        ("a" * 255 + ".", "a" * 255 + "_"), ("a.b.c.d.e.f.g.h.i.j", "a_b_c_d_e_f_g_h_i_j"),
    ],
)  # fmt: skip
def test_keys_that_would_cost_the_document(key: str, safe: str) -> None:
    """Unsafe keys are replaced, at the top and below."""
    assert sanitized({key: {key: [{key: 1}]}}) == {safe: {safe: [{safe: 1}]}}


def test_long_keys_are_cut_and_kept_in_the_text_below() -> None:
    """The text of a key of four kilobytes is kept, with its value."""
    assert sanitized({"k" * 257: [1]}) == {"k" * 256: f'{{"{"k" * 257}":[1]}}'}
    assert sanitized({"a": {"k" * 257: "v"}}) == {"a": {"k" * 256: f'{{"{"k" * 257}":"v"}}'}}


def test_keys_that_become_the_same_share_a_list() -> None:
    """None of their values is lost."""
    assert sanitized({"": 1, "_": [2], "a": 3}) == {"_": [1, [2]], "a": 3}
    assert sanitized({"\0": 1, "\u2400": 2, "a": {"": 3, "_": 4}}) == {"\u2400": [1, 2], "a": {"_": [3, 4]}}
    long = {f"{'k' * 300}{number}": number for number in range(3)}
    assert [{key: long[key]} for key in long] == [json.loads(text) for text in sanitized(long)["k" * 256]]


@pytest.mark.parametrize(
    ("fields", "safe"),
    [
        ({"a": 1, "a-": 2, "a.b": 3}, {"a": {"_": 1}, "a-": 2, "a.b": 3}),
        ({"a": 1, "a.b.c": 3}, {"a": {"_": 1}, "a.b.c": 3}),
        ({"a": {"b": 1}, "a.b.c": 3}, {"a": {"b": {"_": 1}}, "a.b.c": 3}),
        ({"a": ["x", {"b": 1}]}, {"a": [{"_": "x"}, {"b": 1}]}),
        ({"a": [{"b": 1}, {"b": [{"c": 2}]}]}, {"a": [{"b": {"_": 1}}, {"b": [{"c": 2}]}]}),
        ({"a": 1, "a._": 2, "a._._": 3, "a._._._": 4}, {"_": '{"a":{"_":{"_":{"_":1}}},"a._":{"_":{"_":2}}'}),
        ({"a": {"b": 1}, "a.b": "2"}, {"a": {"b": 1}, "a.b": "2"}),
        ({"a": [{"b": 1}, {"b": 2}]}, {"a": [{"b": 1}, {"b": 2}]}),
    ],
)
def test_no_value_stands_beside_an_object_of_its_name(fields: dict[str, Any], safe: dict[str, Any]) -> None:
    """The value goes into the object; keys that are only one of both stay as they are."""
    found = sanitized(fields)
    if "_" in found:
        found["_"] = found["_"][: len(safe["_"])]
    assert found == safe


def test_what_is_empty_is_text() -> None:
    """An index with synthetic ``_source`` would return neither the value nor the key above it."""
    assert {"a": "[]", "b": {"c": "{}"}, "d": ["[]", 1]} == sanitized({"a": [], "b": {"c": {}}, "d": [[], 1]})


def test_nulls_say_nothing() -> None:
    """Keys with null are omitted; null in a list is kept."""
    assert sanitized({"a": {"b": None, "c": [1, None]}, "d": [None, {"e": None}], "f": None}) == {
        "a": {"c": [1, None]},
        "d": [{}],
    }


def test_keys_with_misplaced_characters_are_kept_in_the_text_below() -> None:
    """Keys with full-width characters are replaced; their text is kept."""
    assert sanitized({"\uff41\ufffd": 1}) == {"\u25a1\u25a1": '{"\uff41\ufffd":1}'}


def test_keys_that_are_used_once_keep_none_out() -> None:
    """Ten thousand keys of one line don't stay in memory."""
    sanitized({f"k{number}": number for number in range(10_500)})
    assert len(SAFE_KEYS) <= 10_000
    sanitized({"usual": 1})
    assert "usual" in SAFE_KEYS


def test_deep_values_end_in_text() -> None:
    """Eleven levels are kept, deeper ones become JSON text."""
    assert sanitized({"a": nested(11, 1)}) == {"a": nested(11, 1)}
    assert sanitized({"a": nested(13, 1)}) == {"a": nested(11, "[[1]]")}
    assert sanitized({"a": nested(5000, "x")}) == {"a": nested(11, "[" * 4989 + '"x"' + "]" * 4989)}


def test_long_ways_end_in_text() -> None:
    """Key and value are one term: the path of keys has a maximal length."""
    long = "k" * 256
    value: Any = 1
    for _ in range(10):
        value = {long: value}
    found, depth = sanitized(value), 0
    while isinstance(found, dict):
        found, depth = found[long], depth + 1
    assert (6, f'{{"{long}":{{"{long}":{{"{long}":{{"{long}":1}}}}}}}}') == (depth, found)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"), (17, "17"), (0.5, "0.5"), (True, "true"), (None, "null"), (["a", None], '["a",null]'),
        ({"a": {"b": 1}}, '{"a":{"b":1}}'),
        ({"a": 2**70}, '{"a":1180591620717411303424}'),
        (nested(400, 1), "[" * 400 + "1" + "]" * 400),
    ],
)  # fmt: skip
def test_any_value_as_text(value: Any, text: str) -> None:
    """Texts as they are, anything else as JSON, at any depth."""
    assert text == as_text(value)
