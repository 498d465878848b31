"""Celery worker and beat lines: ``[2026-11-23 12:41:11,027: INFO/MainProcess] message``.

Celery redirects standard output into its log, so an application's own JSON or console line arrives wrapped and
relabelled WARNING: the inner line decides level and time.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from shipper.parse import console, console_values, foreign_prefixes, json_dialects, structlog, traceback
from shipper.parse.format_prefixes import ANSI, HEAD
from shipper.parse.records import Record, with_outcome

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_LIFE = re.compile(
    r"Task (?P<name>[^\s\[]++)\[(?P<id>[^\]\s]++)\] "
    r"(?:(?P<received>received)|succeeded in (?P<seconds>[0-9.e+-]+)s: (?P<result>.*)"
    r"|(?P<retried>retry: .*)|(?:raised (?:un)?expected|INTERNAL ERROR): (?P<raised>.*)"
    r"|(?P<rejected>reject(?: requeue=\w+)?): (?P<reason>.*)|(?P<ignored>ignored)|(?P<other>.*))",
    re.DOTALL,
)
_RETRY = re.compile(r"retry: Retry (?:in \S+?s|at .+?): (?P<error>.*)", re.DOTALL)
_REVOKED = re.compile(r"Discarding revoked task: (?P<name>[^\s\[]++)\[(?P<id>[^\]\s]++)\]")
_LIMIT = re.compile(
    r"(?P<kind>Soft|Hard) time limit \((?P<limit>[0-9]++(?:\.[0-9]++)?)s\)"
    r" exceeded for (?P<name>[^\s\[]++)\[(?P<id>[^\]\s]++)\]"
)
_HANDLER = re.compile(r"Task handler raised error: (?P<raised>.*)", re.DOTALL)
_UNREGISTERED = "Received unregistered task of type "
TASK_PREFIXES = (
    "Task ", "Discarding revoked task: ", "Soft time limit ", "Hard time limit ", "Scheduler: Sending ", _UNREGISTERED
)  # fmt: skip
"""Prefixes of Celery's messages about tasks."""
_NAME_IN_HEADERS = re.compile(r"'task': '(?P<name>[^']++)'")
_ID_IN_HEADERS = re.compile(r"'id': '(?P<id>[^']++)'")
# Task loggers: the formats of current and of older Celery.
_IN_TASK = re.compile(
    rf"(?:(?P<name>[A-Za-z_][\w.]*+)\[(?P<id>{_UUID})\]:|\[(?P<old_name>[A-Za-z_][\w.]*+)\((?P<old_id>[^)\s]++)\)\]:?)"
    r" (?P<message>.*)",
    re.DOTALL,
)
_DUE = re.compile(r"Scheduler: Sending due task (?P<entry>\S++) \((?P<name>[^)]++)\)")
_ERROR_CALL = re.compile(r"(?P<type>[A-Za-z_][\w.]*+)\((?P<args>.*)\)", re.DOTALL)
# The inner line decides these; those of the prefix are dropped.
_DECIDED = frozenset({"timestamp", "level"})
_OWN_LOGGERS = frozenset({"celery", "celery.beat"})
Reader = Callable[[str], Record | None]
_INNER: dict[str | None, Callable[[re.Match[str], str, str], Record]] = {
    "console": console.record,
    "design": console.of_pairs,
}


def record(head: re.Match[str], first: str, below: str, read_json: Reader = structlog.parse) -> Record:
    """The record of a line with this head, and of the lines joined to it.

    Args:
        head: the prefix.
        first: what follows it.
        below: the lines joined to it.
        read_json: parser of the inner JSON line.
    """
    stamp, level, process = head.group("at", "celery_level", "celery")
    found = _unwrapped(first, below, read_json)
    if found is None:
        found = _own_record(first, below, level, read_json)
    if "timestamp" not in found and "@timestamp" not in found:
        found["timestamp"] = stamp
    found.setdefault("level", level)
    found.setdefault("process_name", process)
    return found


def inside(fields: Record, first: str, below: str, read_json: Reader = structlog.parse) -> Record | None:
    """The record of Celery or the application after a foreign prefix; None if it is neither.

    Args:
        fields: of the prefix; the inner line decides time and level.
        first: what follows it.
        below: the lines joined to it.
        read_json: parser of the inner JSON line.
    """
    found = _unwrapped(first, below, read_json)
    if found is None:
        found = _own_record(first, below, fields.get("level", ""), read_json)
        if "action" not in found and "task_id" not in found:
            return None
        if not found.get("level"):
            found.pop("level", None)
        if "logger" in fields and found.get("logger") in _OWN_LOGGERS:
            del found["logger"]  # its name stands in the prefix
    timed = "timestamp" in found or "@timestamp" in found
    others = [str(value) for key, value in fields.items() if found.get(key, value) != value and key not in _DECIDED]
    if others:
        found.setdefault("prefix", " ".join(others))
    return {key: value for key, value in fields.items() if key != "timestamp" or not timed} | found


def _own_record(first: str, below: str, level: str, read_json: Reader) -> Record:
    """The record of a message of Celery itself, or of a print."""
    message = f"{first}\n{below}" if below else first
    event, trace = traceback.split(message) if below else (message, None)
    found: Record = {"event": event, "level": level, "logger": "celery"}
    if trace:
        found["exception"] = trace
    if inside := _IN_TASK.fullmatch(first):
        inner = _unwrapped(inside["message"], below, read_json)
        if inner is not None:
            found = inner
        found.update(task_name=inside["name"] or inside["old_name"], task_id=inside["id"] or inside["old_id"])
    elif first.startswith(("Scheduler: ", "beat: ")):
        found["logger"] = "celery.beat"
    if first.startswith(TASK_PREFIXES):
        _tell(found, first, message)
    return found


def add_task(record: Record, event: str) -> None:
    """Add the task fields of a Celery message (see ``TASK_PREFIXES``) that another handler, as ``emit``'s, wrote."""
    logger = record.get("component") or record.get("logger") or record.get("name")  # as JSON of other handlers has it
    if type(logger) is not str or (logger != "celery" and not logger.startswith("celery.")) or "task_id" in record:
        return
    if "\n" not in event:
        event = event.replace("\\n", "\n")  # as the console format has it
    task_fields: Record = {}
    _tell(task_fields, event, event)
    for key, value in task_fields.items():
        record.setdefault(key, value)


def _tell(found: Record, first: str, message: str) -> None:
    """Add the task fields of a message to a record."""
    if first.startswith("Task ") and (life := _LIFE.fullmatch(first)):
        _life(found, life)
    elif due := _DUE.match(first):
        found.update(task_name=due["name"], schedule_entry=due["entry"], action="task.due")
    elif first.startswith(_UNREGISTERED):
        _unregistered(found, message)
    elif revoked := _REVOKED.match(first):
        found.update(task_name=revoked["name"], task_id=revoked["id"], action="task.revoked")
    elif limit := _LIMIT.match(first):
        found.update(task_name=limit["name"], task_id=limit["id"], timeout_seconds=float(limit["limit"]))
        if limit["kind"] == "Hard":
            found.update(with_outcome("task.timeout"))
        else:
            found["action"] = "task.soft_timeout"
    elif handler := _HANDLER.fullmatch(first):
        found.update(with_outcome("task.failed"))
        _error(found, handler["raised"])


def _unwrapped(message: str, below: str, read_json: Reader) -> Record | None:
    """The application's own record inside the prefix, with the lines joined to it."""
    if below and "\x1b" in below:
        below = ANSI.sub("", below)
    if message[:1] == "{":
        inner = read_json(message)
        if inner is not None and json_dialects.is_event(inner):
            json_dialects.adapt(inner)
            if below:
                console.add_below(inner, below)
            return inner
    elif message[:2] in {"20", "19"} or message[:1] in {"\x1b", "["}:
        if "\x1b" in message[:2]:
            message = ANSI.sub("", message)
        head = HEAD.match(message)
        if head and (read := _INNER.get(head.lastgroup)):
            return read(head, message[head.end() :], below)
        # A foreign line with time and level.
        found = foreign_prefixes.prefix(message) if head is None else None
        if found and found.end < len(message) and {"level", "timestamp"} <= found.fields.keys():
            event, trace = (
                traceback.split(f"{message[found.end :]}\n{below}") if below else (message[found.end :], None)
            )
            return {**found.fields, "event": event} | ({"exception": trace} if trace else {})
    return None


def _life(record: Record, life: re.Match[str]) -> None:
    """What happened to a task."""
    record.update(task_name=life["name"], task_id=life["id"])
    if life["received"]:
        record["action"] = "task.received"
    elif life["seconds"]:
        record.update(with_outcome("task.succeeded"))
        try:
            record["duration"] = float(life["seconds"])
        except ValueError:
            record["duration_text"] = life["seconds"]
    elif life["retried"]:
        record["action"] = "task.retried"
        if retry := _RETRY.fullmatch(life["retried"]):
            _error(record, retry["error"])
    elif life["raised"] is not None:
        record.update(with_outcome("task.failed"))
        _error(record, life["raised"])
    elif life["rejected"]:
        record.update(with_outcome("task.rejected"), error=life["reason"])
    elif life["ignored"]:
        record["action"] = "task.ignored"


def _unregistered(record: Record, message: str) -> None:
    """Add name and id of an unregistered task from its headers."""
    record.update(with_outcome("task.unregistered"))
    shown = message.partition("The full contents of the message headers:\n")[2].partition("\n")[0]
    if name := _NAME_IN_HEADERS.search(shown) or re.match(r"'(?P<name>[^'\n]++)'", message[len(_UNREGISTERED) :]):
        record["task_name"] = name["name"]
    if id_ := _ID_IN_HEADERS.search(shown):
        record["task_id"] = id_["id"]


def _error(record: Record, text: str) -> None:
    """The exception's type and message from its ``repr``."""
    call = _ERROR_CALL.fullmatch(text.strip())
    if call is None:
        record["error"] = text
        return
    record["error_type"] = call["type"]
    arguments = call["args"].strip().removesuffix(",")
    record["error"] = console_values.unquoted(arguments) if console_values.QUOTED.fullmatch(arguments) else arguments
