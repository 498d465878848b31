"""Odd keys, odd values, and JSON as broken writers write it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any, NamedTuple

BRAIN = "\U0001f9e0"
"""Four bytes of UTF-8, two characters of Java's."""


class Raw(NamedTuple):
    """Text that is written into JSON unchanged."""

    text: str


class Pairs(list[tuple[str, Any]]):
    """An object whose keys may repeat."""


def written(value: Any, *, ascii_: bool, blanks: bool) -> str:
    """A value as JSON; ``Raw`` as it stands."""
    if isinstance(value, Raw):
        return value.text
    comma, colon = (", ", ": ") if blanks else (",", ":")
    if isinstance(value, dict):
        value = Pairs(value.items())
    if isinstance(value, Pairs):
        inner = (
            json.dumps(key, ensure_ascii=ascii_) + colon + written(item, ascii_=ascii_, blanks=blanks)
            for key, item in value
        )
        return "{" + comma.join(inner) + "}"
    if isinstance(value, list):
        return "[" + comma.join(written(item, ascii_=ascii_, blanks=blanks) for item in value) + "]"
    return json.dumps(value, ensure_ascii=ascii_)


ECS_NAMES = (
    "service", "host", "event", "log", "error", "user", "process", "message", "tags", "data_stream", "_id", "_index",
    "_source", "_routing", "@timestamp", "neuroflow", "agent", "ecs", "labels", "trace", "facts", "context",
)  # fmt: skip
OUR_NAMES = (
    "event", "timestamp", "@timestamp", "level", "component", "logger", "service", "duration", "duration_seconds",
    "elapsed", "total_duration", "error", "errors", "error_message", "error_type", "exception", "error_traceback",
    "success", "status", "action", "outcome", "task_id", "task_name", "process_name", "pid", "iostream", "metrics",
    "workflow_run_id", "run_id", "pipeline_run_id", "pipeline", "pipeline_name", "stage", "session_id", "session",
    "subject_id", "subject", "participant", "participant_id", "message", "msg", "entity_type", "entity_id",
    "old_value", "new_value", "triggered_by", "user_id", "details", "attempt", "exit_code", "stages",
    "stages_completed", "trigger", "trigger_type", "line_bytes", "continuation", "procedure", "event_type", "job_id",
    "tool", "end_time",
)  # fmt: skip
RUN_NAMES = ("run_id", "workflow_run_id", "task_id", "stage", "session_id", "subject_id", "pipeline", "entity_id")
"""What names the documents of runs."""
METRICS = (
    "workflow_run_id", "started_at", "completed_at", "stages_executed", "stages_successful", "stages_failed",
    "pipelines_queued", "pipelines_completed", "pipelines_failed", "total_duration_seconds", "stage_durations",
)  # fmt: skip

ODD_KEYS = (
    "", " ", ".", "..", ".a", "a.", "a..b", "a.b", "error.message", "neuroflow.run_id", "event.duration", "a\0b",
    "\0",
    "\n", "\t", "\x1b[31m", "\x7f", "\u2028", "\ufeff", "\ud800", BRAIN, BRAIN * 300, "€" * 300, "k" * 256, "k" * 257,
    "k" * 4096, "_id", "__proto__", "constructor", "*", "a*", "<script>", "%{x}", "${HOME}", "{{x}}", "null", "true",
    "0", "-1", "{", "[", '"', "\\", "/", "//", "é", "e\u0301", "İ",
)  # fmt: skip
STAMPS: tuple[Any, ...] = (
    "1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z",
    "0000-00-00T00:00:00Z", "2262-04-11T23:47:16.854775807Z", "2262-04-12T00:00:00Z", "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59.999999-12:00", "2261-12-31T23:59:59.999999-12:00", "10000-01-01T00:00:00Z",
    "2026-02-30T00:00:00Z", "2026-11-23T24:00:00Z", "2026-11-23T25:00:00Z", "2026-11-23T12:60:00Z",
    "2026-06-30T23:59:60Z", "2026-11-23T12:44:12+23:59", "2026-11-23T12:44:12-00:00", "2026-11-23T12:44:12+05:45",
    "2026-11-23T12:44:12+00:00:30", "2026-11-23T12:44:12+24:00", "2026-11-23T12:44:12 +0200", "2026-11-23T12:44:12z",
    "2026-11-23T12:44:12.1234567891Z", "2026-11-23T12:44:12,5Z", "2026-11-23T12:44:12.Z", "2026-11-23T12:44Z",
    "2026-11-23", "20261123T124412Z", "2026-W48-1T12:00:00Z", "2026-327T12:00:00Z", "2026-11-23T12:44:12[UTC]",
    "2026-11-23 12:44:12", "2026-11-23t12:44:12", "23/11/2026 12:44", "Nov 23 12:44:12", "now", "yesterday", "", "0",
    "٢٠٢٦-11-23T12:44:12Z", "1795437852", 0, -1, 1795437852, 1795437852.25, 1795437852123, 1795437852123456789, 1e18,
    10**30, True, ["2026-11-23T12:44:12Z"], {"$date": "2026-11-23T12:44:12Z"}, [], {},
)  # fmt: skip
DURATIONS: tuple[Any, ...] = (
    -1, -0.0, -1e-9, 1e-12, 0, 2**31, 2**53, 9223372036, 9223372037, 9223372036.854775, 2**63 - 1, 2**63, 2**64,
    1e300,
    -1e300, "-1s", "0s", "1e9s", "NaN", "NaNs", "inf", "Infinitys", "12.3", "12,3s", "1h 7m", "1d 2h 3m 4.5s", "s",
    "",
    "9223372036s", "9223372037s", "9" * 400 + "s", "9" * 5000 + "d", "1.1.1s", "1m1m", "٣s", "0x10", "1:02:03",
    [1], {"seconds": 1}, True, None, Raw("NaN"), Raw("Infinity"), Raw("-Infinity"), Raw("1e400"), Raw("-1e400"),
)  # fmt: skip
NUMBERS: tuple[Any, ...] = (
    0, -0.0, -1, 127, 2**31 - 1, 2**31, -(2**31) - 1, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64 - 1,
    2**64, 10**30, -(10**30), 123456789012345678901234567890, 1e308, -1e308, 5e-324, 0.1, 1e16, 12345678901234567.0,
    Raw("NaN"), Raw("Infinity"), Raw("-Infinity"), Raw("1e400"), Raw("-1E+400"), Raw("1E5"), Raw("00"), Raw("0x1"),
    Raw("-"), Raw("+1"), Raw(".5"), Raw("1."), Raw("9" * 400), Raw("9" * 5000), Raw("0." + "1" * 5000), Raw("1_000"),
)  # fmt: skip
SECRETS = (
    ("password", "hunter2secret"), ("api_token", ["hunter2secret", None]), ("secret", {"a": "hunter2secret"}),
    ("url", "https://u:hunter2secret@h/"), ("said", "Authorization: Bearer hunter2secret"),
)  # fmt: skip
TEXTS = (
    "", " ", "\0", "a\0b", "\n", "a\nb\r\nc", "\r", "\t", "\x1b[31mred\x1b[0m", "\x1b", "\x07\x08\x7f",
    "\x85\u2028\u2029",
    "\ud800", "\udc00\ud800", "a\udfff", "\ufffe\uffff", "\ufeff", BRAIN, "é", "e\u0301" * 50, "İ", "ß", "\u202e",
    "null", "true", "NaN", "0", "-1", "1e400", "12.3s", "2026-11-23T12:44:12Z", "{}", "[]", '{"a": 1}', "[1, [2]]",
    "{'a': 1}",
    "'", '"', "\\", "\\ud800", "\\u0000", "%s %d", "{}{0}", "${HOME}", "../../etc/hosts", "a/b", "a b", "sub-001",
    "ses-01", "ses-", "sub-", "success", "failure", "stdout", "stderr", "neuroflow", "workflow.completed", "a.failed",
    "pipeline.queued", "Traceback (most recent call last):\n  File \"x\"\nKeyError: 'x'",
    "=== STDERR ===",
    "a" * 255, "a" * 256, "a" * 257, "a" * 1024, "a" * 1025,
)  # fmt: skip
_RUN_TEXTS = (
    "", "\n", "a\nb", "a/b", "/", "..", "a\0b", "_x", "-1", "a b", "#", "?", "%2F", "é" * 300, BRAIN * 128,
    BRAIN * 200,
    "r" * 498, "r" * 499, "r" * 500, "r" * 501, "r" * 512, "r" * 513, "r" * 1024, "r" * 1025, ":", "a:b", '"', "\\",
    "\ud800", "{}", "null",
)  # fmt: skip


def deep(depth: int, *, of: str = "both", core: str = "1") -> Raw:
    """So many levels of arrays, objects, or both in turn."""
    opening, closing = {"list": ("[", "]"), "dict": ('{"d":', "}"), "both": ('[{"d":', "}]")}[of]
    return Raw(opening * depth + core + closing * depth)


def text(dice: random.Random) -> str:
    """Any text, rarely a long one."""
    return dice.choice(TEXTS) if dice.random() < 0.97 else long_text(dice)


def long_text(dice: random.Random) -> str:
    """A text at or over one of the limits."""
    sign = dice.choice(("a", "a", "€", BRAIN, "é"))
    if dice.random() < 0.01:
        return sign * (2**20 // len(sign.encode()) + dice.choice((0, 1)))
    length = dice.choice((4095, 4096, 8190, 8191, 8192, 32766, 32767, 102_400))
    # By characters or by bytes: limits are in either.
    return sign * (length if dice.random() < 0.5 and length < 32766 else length // len(sign.encode()))


def key(dice: random.Random) -> str:
    """Any key."""
    kind = dice.random()
    if kind < 0.3:
        return dice.choice(ECS_NAMES)
    if kind < 0.55:
        return dice.choice(OUR_NAMES)
    return dice.choice(ODD_KEYS)


def value(dice: random.Random) -> Any:
    """Any value, rarely a large one."""
    return dice.choices(_VALUES, _WEIGHTS)[0](dice)


def value_for(dice: random.Random, name: str) -> Any:
    """A value that is odd for this key, or any value."""
    if dice.random() < 0.4:
        return value(dice)
    if name in {"@timestamp", "timestamp", "started_at", "completed_at", "created", "end_time"}:
        return dice.choice(STAMPS)
    if "duration" in name or name == "elapsed":
        return dice.choice(DURATIONS)
    if name == "metrics":
        return metrics(dice)
    if name == "stage_durations":
        return Pairs((key(dice), value(dice)) for _ in range(dice.randrange(6)))
    if dice.random() < 0.01:
        return _long_way(dice)
    if name in RUN_NAMES and dice.random() < 0.7:
        return dice.choice(_RUN_TEXTS)
    return value(dice)


def metrics(dice: random.Random) -> Pairs:
    """The metrics of a workflow, some of them invalid."""
    return Pairs((name, value_for(dice, name)) for name in METRICS if dice.random() < 0.8)


def _object(dice: random.Random) -> Pairs:
    return Pairs((key(dice), _small(dice)) for _ in range(dice.randrange(5)))


def _objects(dice: random.Random) -> list[Pairs]:
    return [_object(dice) for _ in range(dice.randrange(4))]


def _list(dice: random.Random) -> list[Any]:
    return [_small(dice) for _ in range(dice.randrange(6))]


def _small(dice: random.Random) -> Any:
    kind = dice.random()
    if kind < 0.4:
        return dice.choice(TEXTS)
    if kind < 0.7:
        return dice.choice(NUMBERS)
    if kind < 0.9:
        return dice.choice((None, True, False, [], {}, [None], [[]], {"a": None}))
    return Pairs([(key(dice), _list(dice) if dice.random() < 0.5 else dice.choice(TEXTS))])


def _deep(dice: random.Random) -> Raw:
    depth = dice.choice((5, 11, 12, 13, 20, 21, 99, 100, 101, 254, 255))
    return deep(depth, of=dice.choice(("list", "dict", "both")))


def _deepest(dice: random.Random) -> Raw:
    return deep(dice.choice((500, 1000, 1024, 2000)), of=dice.choice(("list", "dict", "both")))


def _long_way(dice: random.Random) -> Pairs:
    """Keys whose path has the maximal length, above a value of maximal length."""
    sign = dice.choice(("k", "€", BRAIN))
    inner: Any = dice.choice(("€", "v")) * 8191
    for _ in range(dice.choice((1, 5, 6, 7, 8, 9, 10))):
        inner = Pairs([(sign * dice.choice((200, 255, 256)), inner)])
    return Pairs([("way", inner)])


def _many_keys(dice: random.Random) -> Pairs:
    shape = dice.choice(("k%d", "k.%d", "%d", "k%d.a.b", BRAIN + "%d"))
    return Pairs((shape % number, number) for number in range(10_000))


def _many_items(dice: random.Random) -> Raw:
    item = dice.choice(("1", '"a"', "{}", "[]", "null", '{"a":1}', '""'))
    return Raw("[" + ",".join([item] * dice.choice((1000, 20_000, 70_000))) + "]")


_VALUES: tuple[Callable[[random.Random], Any], ...] = (
    text,
    lambda dice: dice.choice(NUMBERS),
    lambda dice: dice.choice((None, True, False)),
    _object, _objects, _list,
    lambda dice: dice.choice(STAMPS),
    lambda dice: dice.choice(DURATIONS),
    _deep, _deepest, _many_keys, _many_items,
)  # fmt: skip
_WEIGHTS = (30, 16, 8, 12, 6, 8, 4, 4, 4, 0.5, 0.04, 0.06)
