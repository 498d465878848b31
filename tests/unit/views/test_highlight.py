from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.views.highlight import Marks, new_marks

MARKS = Marks("secret")
IN, OUT = MARKS.begin, MARKS.end


def marked(text: str) -> str:
    """A text with brackets for marks."""
    return text.replace("<", IN).replace(">", OUT)


@pytest.mark.parametrize(
    ("value", "highlighted", "expected"),
    [
        ("a b c", "a <b> c", "a <b> c"),
        ("a b c", "<a> <b> c", "<a> <b> c"),
        ("a b and more", "a <b>", "a <b> and more"),
        ("another text", "a <b> c", "another text"),
        ("\x1b[31mfailed\x1b[0m", "\x1b[<31mfailed>\x1b[0m", "\x1b[31m<failed>\x1b[0m"),
    ],
)
def test_marks_go_into_the_value(value: str, highlighted: str, expected: str) -> None:
    """Marks stand around the words, behind colour codes; a fragment of another text changes nothing."""
    assert marked(expected) == MARKS.into(value, marked(highlighted))


def test_marked_words_look_different() -> None:
    """Text between marks is reversed in the column's style."""
    text = MARKS.text(marked("a [red]<b> c"), "green")
    assert "a [red]b c" == text.plain
    assert [(0, 7, "green"), (7, 8, "green reverse"), (8, 10, "green")] == [
        (span.start, span.end, str(span.style)) for span in text.spans
    ]


def test_error_in_the_message_is_not_repeated() -> None:
    """Marks in the message do not hide that it contains the error."""
    doc = {"message": "it failed", "error.message": "failed", "log.offset": 1}
    assert {"message": marked("it <failed>"), "log.offset": 1} == MARKS.doc(
        doc, {"message": [marked("it <failed>")], "error.message": [marked("<failed>")]}
    )


PRINTED = st.text(st.characters(exclude_categories=["Cc", "Cs"]))


@given(PRINTED, PRINTED, PRINTED)
def test_other_marks_are_text(before: str, word: str, behind: str) -> None:
    """Marks that a log contains are literal."""
    other = new_marks()
    value = f"{before}{other.begin}{word}{other.end}{behind}"
    assert value == MARKS.plain(value)
    assert value == MARKS.text(value, "").plain
    assert value == MARKS.plain(MARKS.into(value, f"{before}{IN}{other.begin}{OUT}"))
