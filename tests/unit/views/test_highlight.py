from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.views.highlight import Marks, new_marks

MARKS = Marks("secret")
IN, OUT = MARKS.begin, MARKS.end


def marked(text: str) -> str:
    """A text with brackets as marks."""
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
    """Around the words, behind a colour's code; a text that is not the value's changes nothing."""
    assert marked(expected) == MARKS.into(value, marked(highlighted))


def test_marked_words_look_different() -> None:
    """What stands between marks is reversed in the column's style, everything else is as it is."""
    text = MARKS.text(marked("a [red]<b> c"), "green")
    assert "a [red]b c" == text.plain
    assert [(0, 7, "green"), (7, 8, "green reverse"), (8, 10, "green")] == [
        (span.start, span.end, str(span.style)) for span in text.spans
    ]


def test_error_that_the_message_tells_is_not_told_twice() -> None:
    """Marks in the message don't hide that the error is part of it."""
    doc = {"message": "it failed", "error.message": "failed", "log.offset": 1}
    assert {"message": marked("it <failed>"), "log.offset": 1} == MARKS.doc(
        doc, {"message": [marked("it <failed>")], "error.message": [marked("<failed>")]}
    )


PRINTED = st.text(st.characters(exclude_categories=["Cc", "Cs"]))


@given(PRINTED, PRINTED, PRINTED)
def test_other_marks_are_text(before: str, word: str, behind: str) -> None:
    """A log that writes marks of its own, even of another process, is shown as it is."""
    other = new_marks()
    value = f"{before}{other.begin}{word}{other.end}{behind}"
    assert value == MARKS.plain(value)
    assert value == MARKS.text(value, "").plain
    assert value == MARKS.plain(MARKS.into(value, f"{before}{IN}{other.begin}{OUT}"))
