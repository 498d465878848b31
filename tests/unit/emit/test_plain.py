from __future__ import annotations

import json
import numbers
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipper.emit.plain import json_line, plain, text


class Status(str, Enum):  # noqa: UP042 - the application's enums are made this way
    QUEUED = "queued"


@numbers.Integral.register
class WholeOfAnotherLibrary:
    def __int__(self) -> int:
        return 5


@numbers.Real.register
class RealOfAnotherLibrary:
    def __float__(self) -> float:
        return 0.5


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no")


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(categories=None))
    | st.binary()
    | st.datetimes()
    | st.decimals()
    | st.sets(st.integers()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.none() | st.floats(), inner),
    max_leaves=20,
)


class TestJsonLine:
    @settings(suppress_health_check=[HealthCheck.too_slow])  # the first draw builds tables
    @given(st.dictionaries(st.text(st.characters(categories=None)) | st.integers(), anything))
    def test_any_entry_is_one_line_that_a_strict_reader_takes(self, entry: dict[Any, Any]) -> None:
        """Whatever is put in, the line is ASCII, without line ends, strict JSON, and no key is lost."""
        line = json_line(entry)
        assert line.isascii()
        assert len(line.splitlines()) == 1
        assert len(orjson.loads(line)) == len(entry)

    def test_not_a_number_becomes_null(self) -> None:
        """NaN and infinities have no form in JSON."""
        line = json_line({"a": float("nan"), "b": [float("inf"), -float("inf")], "c": 1.5})
        assert json.loads(line) == {"a": None, "b": [None, None], "c": 1.5}

    def test_keys_that_become_equal_stay_two(self) -> None:
        """A key that comes twice would be dropped or refused by readers."""
        assert json.loads(json_line({1: "a", "1": "b"})) == {"1": "a", "1_": "b"}


class TestPlain:
    @pytest.mark.parametrize(
        ("value", "shown"),
        [
            (Path("/data/x"), "/data/x"),
            (datetime(2026, 11, 23, 12, 0, tzinfo=UTC), "2026-11-23T12:00:00+00:00"),
            (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
            (Decimal("1.10"), "1.10"),
            (Status.QUEUED, "queued"),
            ({3}, "{3}"),
            (b"caf\xc3\xa9 \xff", "café \\xff"),
            (KeyError("x"), "KeyError('x')"),
            ("bad \udce9 byte", "bad \\udce9 byte"),
            (10**30, "1000000000000000000000000000000"),
            ((1, 2), [1, 2]),
            (True, True),
            (WholeOfAnotherLibrary(), 5),
            (RealOfAnotherLibrary(), 0.5),
            (Broken(), "<Broken that can't be shown>"),
            pytest.param(10**5000, "<int that can't be shown>", id="huge"),
        ],
    )
    def test_values_json_lacks_become_text(self, value: Any, shown: Any) -> None:
        """Objects keep what they say about themselves."""
        assert plain(value) == shown

    def test_a_value_inside_itself_ends(self) -> None:
        """Cycles are cut where they close, also when they branch."""
        value: dict[str, Any] = {"name": "x"}
        value["left"] = value["right"] = value
        mark = "<dict inside itself or too deep>"
        assert plain(value) == {"name": "x", "left": mark, "right": mark}

    def test_depth_is_bounded(self) -> None:
        """Nesting beyond what readers take is shown as text instead of raising."""
        value: list[Any] = []
        for _ in range(100_000):
            value = [value]
        assert orjson.loads(json_line({"v": value}))

    def test_containers_that_raise_are_shown_as_text(self) -> None:
        """A mapping whose methods fail does not take the line with it."""

        class Rude(dict[str, Any]):
            def items(self) -> Any:
                raise RuntimeError("no")

        assert plain({"a": 1, "b": Rude(x=1)}) == {"a": 1, "b": "{'x': 1}"}


class TestText:
    def test_valid_text_is_kept(self) -> None:
        """Nothing is escaped that UTF-8 can hold."""
        assert text("naïve 🧠 \u2028") == "naïve 🧠 \u2028"
