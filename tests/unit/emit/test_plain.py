from __future__ import annotations

import json
import numbers
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

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


class Standing:
    """A single value as numpy, torch, cupy and jax have it: it has no dimensions, and stands for a Python value."""

    def __init__(self, own: Any, shape: Any = (), kind: str = "") -> None:
        self._own = own
        self.shape = shape
        self.dtype = type("Dtype", (), {"kind": kind})

    def item(self) -> Any:
        return self._own

    def astype(self, unit: str) -> Standing:
        assert unit == "timedelta64[us]"
        return Standing(timedelta(seconds=1.5))

    def __str__(self) -> str:
        return "as text"


class Bare:
    """One without a shape."""

    def item(self) -> bool:
        return False


class Never(datetime):
    """Like pandas' NaT: an invalid time that differs from itself."""

    def __eq__(self, _other: object) -> bool:
        return False

    def __ne__(self, _other: object) -> bool:
        return True

    __hash__ = datetime.__hash__


class Colour(Enum):
    RED = "red"
    GREEN = 2
    BOTH = ("red", 2)


class Level(IntEnum):
    HIGH = 3


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
        """Any value gives a line of strict JSON in ASCII without line ends, and no key is lost."""
        line = json_line(entry)
        assert line.isascii()
        assert len(line.splitlines()) == 1
        assert len(orjson.loads(line)) == len(entry)

    def test_not_a_number_becomes_null(self) -> None:
        """NaN and infinities have no form in JSON."""
        line = json_line({"a": float("nan"), "b": [float("inf"), -float("inf")], "c": 1.5})
        assert json.loads(line) == {"a": None, "b": [None, None], "c": 1.5}

    def test_keys_that_become_equal_stay_two(self) -> None:
        """Readers would drop or reject a key that comes twice."""
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
            (Fraction(1, 2), 0.5),
            (timedelta(minutes=1, milliseconds=500), 60.5),
            (date(2026, 11, 23), "2026-11-23"),
            (time(12, 30), "12:30:00"),
            (Never(2026, 1, 1), None),
            (Colour.RED, "red"),
            (Colour.GREEN, 2),
            (Colour.BOTH, ["red", 2]),
            (Level.HIGH, 3),
            (memoryview(b"x"), "x"),
            (Standing(own=False), False),
            (Standing(5), 5),
            (Standing(0.5), 0.5),
            (Standing(float("nan")), None),
            (Standing("x"), "x"),
            (Standing(datetime(2026, 11, 23, tzinfo=UTC)), "2026-11-23T00:00:00+00:00"),
            (Standing(10**18, kind="M"), "as text"),  # nanoseconds, of which item() makes a bare number
            (Standing(10**18, kind="m"), 1.5),
            (Standing([1, 2], shape=(2,)), "as text"),
            (Standing(object()), "as text"),
            (Bare(), False),
            ({"a": Standing(own=True), "b": [Standing(2)]}, {"a": True, "b": [2]}),
            (MagicMock(spec=["item", "__str__"], __str__=lambda _: "a mock"), "a mock"),
            pytest.param(10**5000, "<int that can't be shown>", id="huge"),
        ],
    )
    def test_values_json_lacks_become_text(self, value: Any, shown: Any) -> None:
        """Objects become their own text."""
        assert plain(value) == shown

    def test_a_value_inside_itself_ends(self) -> None:
        """Cycles are cut where they close, also when they branch."""
        value: dict[str, Any] = {"name": "x"}
        value["left"] = value["right"] = value
        mark = "<dict inside itself or too deep>"
        assert plain(value) == {"name": "x", "left": mark, "right": mark}

    def test_depth_is_bounded(self) -> None:
        """Nesting beyond readers' limits becomes text instead of raising."""
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


class TestNumpy:
    def test_its_scalars(self) -> None:
        """The real ones, where numpy is installed; it is no dependency."""
        numpy = pytest.importorskip("numpy")
        for value, shown in [
            (numpy.bool_(0), False),
            (numpy.int64(5), 5),
            (numpy.uint8(5), 5),
            (numpy.float32(0.5), 0.5),
            (numpy.float64("nan"), None),
            (numpy.str_("x"), "x"),
            (numpy.bytes_(b"x"), "x"),
            ((numpy.array([1]) == 1)[0], True),
            (numpy.array([1, 2]), "[1 2]"),
            (numpy.datetime64("2026-11-23T01:02:03.5", "ms"), "2026-11-23T01:02:03.500"),
            (numpy.datetime64("2026-11-23", "ns"), "2026-11-23T00:00:00.000000000"),
            (numpy.datetime64("NaT"), None),
            (numpy.timedelta64(1500, "ms"), 1.5),
            (numpy.timedelta64(1500, "ns"), 1e-06),
            (numpy.timedelta64("NaT"), None),
            (numpy.longdouble("1e4000"), None),
            (numpy.array(0.5), 0.5),
            (numpy.ma.masked, None),
        ]:
            assert plain(value) == shown
            assert type(plain(value)) is type(shown)


class TestText:
    def test_valid_text_is_kept(self) -> None:
        """Characters that UTF-8 can encode are not escaped."""
        assert text("naïve 🧠 \u2028") == "naïve 🧠 \u2028"
