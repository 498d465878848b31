from __future__ import annotations

from shipper.views.hits import flat


def test_leaves_have_their_full_names() -> None:
    """Objects become dotted names, the time first, the others sorted; lists stay lists."""
    doc = flat(
        {"neuroflow": {"run_id": "2", "extra": {"a.b": "1"}}, "tags": ["x"], "@timestamp": "t", "log": {"offset": 0}}
    )
    assert list(doc.items()) == [
        ("@timestamp", "t"), ("log.offset", 0), ("neuroflow.extra.a.b", "1"), ("neuroflow.run_id", "2"),
        ("tags", ["x"]),
    ]  # fmt: skip


def test_two_spellings_of_one_name_lose_nothing() -> None:
    """Both ``a.b`` and ``a: {b}`` of a flattened field are shown."""
    assert flat({"a.b": 1, "a": {"b": 2}}) == {"a.b": [1, 2]}
    assert flat({"a.b": [1], "a": {"b": 2}}) == {"a.b": [1, 2]}


def test_empty_things_are_shown() -> None:
    """Null, an empty text and an empty object are shown."""
    assert flat({"a": None, "b": {}, "c": ""}) == {"a": None, "b": {}, "c": ""}
