"""Valid lines → broken ones. Each has a mark that no damage touches, so that it can be searched for."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

from tests.fuzz import odd
from tests.fuzz.odd import Pairs, written

# It ends with a letter: else digits behind it, of which a backspace removes some, could make it another line's mark.
MARK = re.compile(r"fuzz\d{7}z")
BYTE_MARK = re.compile(rb"fuzz\d{7}z")
_JUNK = (
    b"\xff", b"\xfe\xff", b"\xc3(", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xe2\x82", b"\x00",
    b"\x00" * 64, b"\x01\x02\x03", b"\x07", b"\x08", b"\x0b", b"\x0c", b"\x7f", b"\r", b"\x1b[31m", b"\x1b[0m",
    b"\x1b",
    b"\x1b]0;t\x07", b"\x85", "\x85".encode(), "\u2028".encode(), "\ufeff".encode(), "\ufffd".encode(),
    odd.BRAIN.encode(), b'"', b"'", b"\\", b"{", b"}", b"[", b"]", b",", b":", b"=", b" ", b"\t", b"%", b"NaN",
    b"\\ud800", b"\\u0000", b"\\x", b"/*", b"//",
)  # fmt: skip


def mark_of(number: int) -> str:
    """The mark of a line."""
    return f"fuzz{number:07d}z"


def json_line(dice: random.Random, pairs: Pairs, mark: str) -> bytes:
    """An object as a line, with broken values."""
    for _ in range(dice.choice((0, 1, 1, 2, 3))):
        dice.choice(_OF_OBJECTS)(dice, pairs)
    dice.choice(_PLACES)(dice, pairs, mark)
    said: Any = pairs
    kind = dice.random()
    if kind < 0.01:
        said = [pairs]
    elif kind < 0.015:
        said = written(pairs, ascii_=True, blanks=True)
    elif kind < 0.02:
        said = Pairs([("log", pairs)])
    return written(said, ascii_=dice.random() < 0.5, blanks=dice.random() < 0.7).encode("utf-8", "surrogatepass")


def damaged(dice: random.Random, line: bytes) -> bytes:
    """A line with broken bytes; its marks stay, except those that a cut removes."""
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        line = dice.choice(_OF_BYTES)(dice, line)
    return line


def insert(dice: random.Random, line: bytes, mark: str) -> bytes:
    """The mark anywhere in a line, except inside a character."""
    at = dice.randrange(len(line) + 1)
    while at < len(line) and 0x80 <= line[at] < 0xC0:
        at += 1
    return line[:at] + mark.encode() + line[at:]


def _replace(dice: random.Random, pairs: Pairs) -> None:
    if pairs:
        at = dice.randrange(len(pairs))
        pairs[at] = pairs[at][0], odd.value_for(dice, pairs[at][0])


def _rename(dice: random.Random, pairs: Pairs) -> None:
    if pairs:
        at = dice.randrange(len(pairs))
        pairs[at] = odd.key(dice), pairs[at][1]


def _add(dice: random.Random, pairs: Pairs) -> None:
    key = odd.key(dice)
    pairs.insert(dice.randrange(len(pairs) + 1), (key, odd.value_for(dice, key)))


def _double(dice: random.Random, pairs: Pairs) -> None:
    if pairs:
        key, _ = dice.choice(pairs)
        pairs.append((key, odd.value_for(dice, key)))


def _delete(dice: random.Random, pairs: Pairs) -> None:
    if pairs:
        del pairs[dice.randrange(len(pairs))]


def _shuffle(dice: random.Random, pairs: Pairs) -> None:
    dice.shuffle(pairs)


def _name_a_run(dice: random.Random, pairs: Pairs) -> None:
    key = dice.choice(odd.RUN_NAMES)
    pairs[:] = [pair for pair in pairs if pair[0] != key]
    pairs.append((key, odd.value_for(dice, key)))


def _measure(dice: random.Random, pairs: Pairs) -> None:
    pairs[:] = [pair for pair in pairs if pair[0] not in {"metrics", "event"}]
    pairs += [("metrics", odd.metrics(dice)), ("event", "metrics.workflow_completed")]


def _restamp(dice: random.Random, pairs: Pairs) -> None:
    key = dice.choice(("@timestamp", "timestamp"))
    pairs[:] = [pair for pair in pairs if pair[0] != key]
    pairs.append((key, dice.choice(odd.STAMPS)))


def _confide(dice: random.Random, pairs: Pairs) -> None:
    pairs.insert(0, dice.choice(odd.SECRETS))


_OF_OBJECTS: tuple[Callable[[random.Random, Pairs], None], ...] = (
    _replace, _replace, _rename, _add, _add, _double, _delete, _shuffle, _name_a_run, _measure, _restamp,
    _confide,
)  # fmt: skip


# Where a mark is put.  A key that comes twice keeps its last value: so it goes last, and alone under its key.


def _put(pairs: Pairs, key: str, value: Any) -> None:
    pairs[:] = [pair for pair in pairs if pair[0] != key]
    pairs.append((key, value))


def _in_event(_: random.Random, pairs: Pairs, mark: str) -> None:
    said = next((value for key, value in reversed(pairs) if key == "event" and type(value) is str), "")
    _put(pairs, "event", f"{said} {mark}".lstrip())


def _beside(_: random.Random, pairs: Pairs, mark: str) -> None:
    _put(pairs, "note", mark)


def _under_a_known_key(dice: random.Random, pairs: Pairs, mark: str) -> None:
    key = dice.choice(odd.OUR_NAMES)
    value: Any = dice.choice((mark, mark, f"{odd.text(dice)} {mark}", [mark], [None, {"a": mark}], {"id": mark}))
    _put(pairs, key, value)


def _under_an_odd_key(dice: random.Random, pairs: Pairs, mark: str) -> None:
    _put(pairs, dice.choice((*odd.ODD_KEYS, *odd.ECS_NAMES)), dice.choice((mark, [mark], {"a": [mark]})))


def _as_a_key(dice: random.Random, pairs: Pairs, mark: str) -> None:
    before = dice.choice(("", "a.", "k" * 300, odd.BRAIN * 100, "\0"))
    pairs.append((before + mark, dice.choice((1, True, 0.5, "x", ["x", None], {"a": {"b": ["x"]}}, odd.deep(30)))))


def _in_the_deep(dice: random.Random, pairs: Pairs, mark: str) -> None:
    depth = dice.choice((2, 10, 11, 12, 13, 20, 100, 101, 300, 900, 1023, 1024, 2000))
    _put(pairs, "deep", odd.deep(depth, of=dice.choice(("list", "dict", "both")), core=f'"{mark}"'))


def _in_a_long_text(dice: random.Random, pairs: Pairs, mark: str) -> None:
    key = dice.choice(("event", "note", "error", "run_id", "pipeline", "component", "exception", "message", "level"))
    said = odd.long_text(dice)
    at = dice.choice((0, len(said) // 2, len(said)))
    _put(pairs, key, said[:at] + mark + said[at:])


def _among_many(dice: random.Random, pairs: Pairs, mark: str) -> None:
    if dice.random() < 0.02:
        many = Pairs((f"k{number}", number) for number in range(10_000))
        many.insert(dice.randrange(10_000), ("here", mark))
        pairs.extend(many)
    else:
        _put(pairs, dice.choice(("errors", "error", "tags", "list")), [odd.text(dice), mark, None, 1])


def _in_metrics(dice: random.Random, pairs: Pairs, mark: str) -> None:
    key = dice.choice((*odd.METRICS, "other"))
    inner = odd.metrics(dice)
    _put(inner, key, dice.choice((mark, {mark: 1.5}, {"qsiprep": mark}, [mark])))
    _put(pairs, "metrics", inner)


_PLACES: tuple[Callable[[random.Random, Pairs, str], None], ...] = (
    _in_event, _in_event, _in_event, _beside, _beside, _beside, _beside, _under_a_known_key, _under_a_known_key,
    _under_a_known_key, _under_a_known_key, _under_a_known_key, _under_an_odd_key, _under_an_odd_key, _as_a_key,
    _as_a_key, _in_the_deep, _in_a_long_text, _among_many, _in_metrics,
)  # fmt: skip


def _span(dice: random.Random, line: bytes) -> tuple[int, int]:
    """A piece of the line that neither contains nor cuts a mark."""
    marks = [found.span() for found in BYTE_MARK.finditer(line)]
    bounds = [0, *(edge for span in marks for edge in span), len(line)]
    free = [(bounds[at], bounds[at + 1]) for at in range(0, len(bounds), 2)]
    first, last = dice.choice([one for one in free if one[0] < one[1]] or free)
    start = dice.randint(first, last)
    return start, dice.randint(start, min(last, start + dice.choice((1, 8, 64, 4096))))


def _flip(dice: random.Random, line: bytes) -> bytes:
    start, end = _span(dice, line)
    flipped = bytes(byte ^ (1 << dice.randrange(8)) for byte in line[start : min(end, start + 8)])
    return line[:start] + flipped.replace(b"\n", b"?") + line[min(end, start + 8) :]


def _junk(dice: random.Random, line: bytes) -> bytes:
    at, _ = _span(dice, line)
    return line[:at] + dice.choice(_JUNK) + line[at:]


def _drop(dice: random.Random, line: bytes) -> bytes:
    start, end = _span(dice, line)
    return line[:start] + line[end:]


def _again(dice: random.Random, line: bytes) -> bytes:
    start, end = _span(dice, line)
    return line[:end] + line[start:]


def _cut_right(dice: random.Random, line: bytes) -> bytes:
    marks = [found.end() for found in BYTE_MARK.finditer(line)]
    return line[: dice.randint(dice.choice(marks), len(line))] if marks else line


def _cut_left(dice: random.Random, line: bytes) -> bytes:
    marks = [found.start() for found in BYTE_MARK.finditer(line)]
    return line[dice.randint(0, dice.choice(marks)) :] if marks else line


def _wrap(dice: random.Random, line: bytes) -> bytes:
    before, after = dice.choice((
        (b" ", b" "), (b"\t", b""), (b"'", b"'"), (b'"', b'"'), (b"[", b"]"), (b"{", b"}"), (b"{{", b"}}"), (b"",
        b"}"),
        (b"\xef\xbb\xbf", b""), (b"\x00" * 4096, b""), (b"", b"\x00" * 16), (b"data: ", b""), (b"  File ", b""),
        (b"[2026-11-23 12:41:11,377: WARNING/X-1] ", b""), (b"2026-11-23 12:42:04 [info     ] ", b""), (b"", b"\r"),
        (b"Traceback (most recent call last): ", b""), (b"=== STDERR ===", b""), (b"=" * 72, b""), (b"", b" " * 5000),
    ))  # fmt: skip
    return before + line + after


_OF_BYTES: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _flip, _flip, _junk, _junk, _drop, _again, _cut_right, _cut_left, _wrap,
)  # fmt: skip

__all__ = ["BYTE_MARK", "MARK", "damaged", "insert", "json_line", "mark_of"]
