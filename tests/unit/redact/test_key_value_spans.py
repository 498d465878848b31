from __future__ import annotations

import pytest

from shipper.redact.key_value_spans import name_around, value_after, words


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        (["api", "key"], "apiKey"), (["x", "api", "key"], "X-Api-Key"), (["api", "key"], "APIKey"),
        (["db", "password"], "db.password2"), (["straße"], "Straße"), ([], "--"),
    ],
)  # fmt: skip
def test_words(wanted: list[str], name: str) -> None:
    """Names are split at signs, blanks and as in camelCase; digits at the end are ignored."""
    assert wanted == list(words(name))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("db_token.x", "a db_token.x=1"),
        ("token", "\x1b[36mtoken\x1b[0m=1"),
        ("token", "a\\ntoken=1"),
        ("--token", "'--token', 1"),
    ],
)
def test_name_is_taken_whole(name: str, text: str) -> None:
    """The name does not include a colour or an escape before it."""
    at = text.index("token")
    first, last = name_around(text, at, at + 5)
    assert name == text[first:last]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("b", "a=b c=d"), ("b;c", "a=b;c, d=e"), ("b", "a=b;c=d"), ("b c", 'a: "b c"'),
        ('b\\\\\\"c', 'a\\": \\"b\\\\\\"c\\", x'), ("b", "a=b)"), ("[b, {c: [d]}]", "a: [b, {c: [d]}] e"),
        ("[b, 'c", "a: [b, 'c"), ("b", 'a",\n "b"'), (None, 'a", "b": 1'), (None, "a b"), (None, "a"),
        (None, "a= b"), ("b", "a = b"),
    ],
)  # fmt: skip
def test_values(value: str | None, text: str) -> None:
    """From behind the sign to the next pair, the closing quote or bracket, or the line's end."""
    found = value_after(text, 0, 1, lambda _: False)
    if found is not None and found.link == " " and found.form == "bare":
        found = None  # for the caller to judge
    assert value == (found and text[found.start : found.end])
