"""Exceptions in JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
import structlog

from shipper.parse import exceptions, traceback


def transformed(raising: Any, *, show_locals: bool = False) -> Any:
    """The form that structlog's ``dict_tracebacks`` gives to the exception, after JSON."""
    try:
        raising()
    except BaseException:  # noqa: BLE001 - whatever it raises
        transform = structlog.tracebacks.ExceptionDictTransformer(show_locals=show_locals)
        return json.loads(json.dumps(transform(sys.exc_info())))  # type: ignore[arg-type] # there is one
    raise AssertionError


def grouped() -> None:
    """A group with a note and a group inside."""
    group = ExceptionGroup("g", [ValueError("one"), ExceptionGroup("h", [KeyError("two")])])
    group.add_note("a note")
    raise group


def test_structlogs_chain_of_exceptions() -> None:
    """The last exception is the error; the traceback has Python's order and form."""

    def chained() -> None:
        try:
            try:
                int("x")
            except ValueError as error:
                raise KeyError("k") from error
        except KeyError:
            raise RuntimeError("no such scan: 5")  # noqa: B904 - the context is what is looked for

    found = exceptions.of(transformed(chained))
    assert found is not None
    assert ("RuntimeError", "no such scan: 5", True) == (found.type, found.message, found.whole)
    assert found.stack_trace is not None
    assert ("RuntimeError", "no such scan: 5") == traceback.exception_of(found.stack_trace)
    places = [
        found.stack_trace.index(text)
        for text in ("ValueError: ", "direct cause", "KeyError: ", "During", "RuntimeError")
    ]
    assert sorted(places) == places
    assert f'  File "{__file__}", line ' in found.stack_trace


def test_a_group_of_exceptions() -> None:
    """The group is the error; the text contains its note and its exceptions."""
    found = exceptions.of(transformed(grouped))
    assert found is not None
    assert ("ExceptionGroup", "g (2 sub-exceptions)", True) == (found.type, found.message, found.whole)
    assert found.stack_trace is not None
    for text in ("a note", "ValueError: one", "KeyError: "):
        assert text in found.stack_trace


def test_values_of_local_variables_are_not_in_the_text() -> None:
    """Local variables are not in the text, so the original value is kept."""

    def failing() -> None:
        secret_scan = "s1"
        raise ValueError(secret_scan.upper())

    found = exceptions.of(transformed(failing, show_locals=True))
    assert found is not None
    assert ("ValueError", "S1", False) == (found.type, found.message, found.whole)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"type": "E", "message": "m", "stack_trace": "s"}, ("E", "m", "s", True)),
        ({"type": "TypeError", "message": "m", "stack": "s", "code": 5}, ("TypeError", "m", "s", False)),
        ({"name": "Error", "message": "m", "stack": None}, ("Error", "m", None, True)),
        ({"class": "E", "message": "m", "stacktrace": ["a", "b\n"]}, ("E", "m", "a\nb", True)),
        ({"values": [{"type": "A"}, {"type": "E", "value": "v"}]}, ("E", "v", None, False)),
        ({"exc_type": "E", "exc_value": "v", "frames": []}, ("E", "v", "E: v", True)),
        (
            ["Traceback (most recent call last):", "  File\n", "E: v"],
            ("E", "v", "Traceback (most recent call last):\n  File\nE: v", True),
        ),
    ],
)
def test_other_shapes(value: Any, expected: tuple[Any, ...]) -> None:
    """Objects with type, message and text under the names that loggers use, and lists of lines, are recognised."""
    assert expected == exceptions.of(value)


@pytest.mark.parametrize(
    "value", [{}, [], {"a": 1}, {"message": "m"}, ["a", "b"], [{"a": 1}], [None], 5, "x", True, {"type": 5}]
)
def test_what_tells_of_no_exception(value: Any) -> None:
    """Other values stay unchanged."""
    assert None is exceptions.of(value)


def test_no_depth_is_too_deep() -> None:
    """Groups nest to a limit; deeper ones are kept beside the text."""
    value: Any = {"exc_type": "E", "exc_value": "v", "frames": []}
    for _ in range(200):
        value = {"exc_type": "G", "exc_value": "g", "frames": [], "exceptions": [[value]]}
    found = exceptions.of([value])
    assert found is not None
    assert ("G", False) == (found.type, found.whole)
