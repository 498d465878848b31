"""Pairs of a console line, parsed strictly, or loosely where values with blanks are unquoted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.parse import console_values


def loosely(rest: str) -> dict[str, str]:
    """The pairs of a text that begins with the first."""
    return dict(console_values.loosely(rest, 0, [console_values.MAX_OPEN]))


@pytest.mark.parametrize(
    ("rest", "found"),
    [
        ("a=b", {"a": "b"}),
        ("a= b=1", {"a": "", "b": "1"}),
        ("cmd=docker run --rm x:1", {"cmd": "docker run --rm x:1"}),
        ("error=no room. Try: rm x exit_code=-1 z=2", {"error": "no room. Try: rm x", "exit_code": "-1", "z": "2"}),
        ("error=[Errno 2] No such file: '/a b' run_id=7", {"error": "[Errno 2] No such file: '/a b'", "run_id": "7"}),
        ("d={'k=1': [1, (2, 3)]} e=x y", {"d": "{'k=1': [1, (2, 3)]}", "e": "x y"}),
        ("error=can't g=won't h=say \"x\" i=1", {"error": "can't", "g": "won't", "h": 'say "x"', "i": "1"}),
        ("error=a ( b run_id=7", {"error": "a ( b", "run_id": "7"}),
        ("error=one\n\ntwo\n exit_code=1", {"error": "one\n\ntwo", "exit_code": "1"}),
    ],
)  # fmt: skip
def test_a_value_goes_on_to_the_next_key(rest: str, found: dict[str, str]) -> None:
    """A value may contain blanks, brackets and quotes; text in brackets at its beginning is no key."""
    assert found == loosely(rest)


@pytest.mark.parametrize(
    ("rest", "found"),
    [
        ("error=x FOO=1 exit_code=2 b=3 stage=s", {"error": "x FOO=1", "exit_code": "2 b=3", "stage": "s"}),
        # Taken for a key, ``zoom`` would leave none of the three behind it in order.
        (
            "error=a b zoom=9 exit_code=2 run_id=3 x=s",
            {"error": "a b zoom=9", "exit_code": "2", "run_id": "3", "x": "s"},
        ),
        # Of two runs of a length that counts whose keys stand where one is expected.
        ("@timestamp=2026 error=a b c=d", {"@timestamp": "2026", "error": "a b c=d"}),
        ("@timestamp=2026 error=a b c=d stage=s", {"@timestamp": "2026", "error": "a b c=d", "stage": "s"}),
        ("error=a b zoom=9 run_id=3", {"error": "a b zoom=9", "run_id": "3"}),
        ("a=1 a=2", {"a": "1 a=2"}),
    ],
)
def test_what_only_looks_like_a_key_is_text(rest: str, found: dict[str, str]) -> None:
    """The renderer sorts keys, so the longest sorted run counts."""
    assert found == loosely(rest)


@given(
    values=st.dictionaries(
        st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True),
        st.lists(st.from_regex(r"[A-Za-z0-9.,:;!/+-]{1,9}", fullmatch=True), min_size=1, max_size=5).map(" ".join),
        min_size=1,
        max_size=8,
    )
)
def test_bare_texts_come_back(values: dict[str, str]) -> None:
    """Unquoted values of any words come back, unless one looks like a pair."""
    assert values == loosely(" ".join(f"{key}={values[key]}" for key in sorted(values)))


@pytest.mark.parametrize(
    ("shown", "value"),
    [
        ("0.00013875961303710938", 0.00013875961303710938),
        ("-3.5762786865234375e-05", -3.5762786865234375e-05),
        ("-1.7976931348623157e+308", -1.7976931348623157e308),
        ("0.000138759613037109380", "0.000138759613037109380"),
        ("1234567890123456789", "1234567890123456789"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("6c83fab3-d064-4ba7-b365-689826337f17", "6c83fab3-d064-4ba7-b365-689826337f17"),
    ],
)
def test_long_numbers(shown: str, value: object) -> None:
    """A float keeps its digits; a long integer, or another spelling, is text."""
    assert (type(value), value) == (type(console_values.value(shown)), console_values.value(shown))
