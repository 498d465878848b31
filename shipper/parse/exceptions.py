"""Exceptions in JSON → type, message and a traceback as Python prints it.  Pure.

structlog's ``dict_tracebacks`` writes a list of stacks, the raised exception first; other loggers an object with
type, message and text, or the lines of a traceback.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from shipper.parse import traceback

_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"
_TYPES = ("exc_type", "type", "class", "name", "kind", "exception.type")
_MESSAGES = ("exc_value", "message", "value", "msg", "exception.message")
_STACKS = ("extendedStackTrace", "stack_trace", "stacktrace", "stack", "traceback", "exception.stacktrace")
_SHOWN = frozenset({
    "exc_type", "exc_value", "exc_notes", "syntax_error", "is_cause", "frames", "is_group", "exceptions",
})  # fmt: skip
_OF_FRAME = frozenset({"filename", "lineno", "name", "line"})
_MAX_DEPTH = 10


class Error(NamedTuple):
    """An exception; ``whole``: the other fields hold all information of the source."""

    type: str | None
    message: str | None
    stack_trace: str | None
    whole: bool = True


def of(value: Any) -> Error | None:
    """The exception in a value; None if there is none."""
    if isinstance(value, dict):
        return _of_object(value)
    if not isinstance(value, list) or not value:
        return None
    if all(isinstance(item, str) for item in value):
        text = "\n".join(line.rstrip("\n") for item in value for line in item.rstrip("\n").split("\n"))
        if not any(map(traceback.state_of, map(str.encode, text.split("\n")))):
            return None
        kind, message = traceback.exception_of(text)
        return Error(kind, message, text)
    if all(_is_stack(item) for item in value):
        first = value[0]
        return Error(_text(first.get("exc_type")), _text(first.get("exc_value")), _printed(value), _is_whole(value))
    return None


def _is_stack(value: Any) -> bool:
    return isinstance(value, dict) and "exc_type" in value and isinstance(value.get("frames", []), list)


def _of_object(value: dict[str, Any]) -> Error | None:
    if _is_stack(value) and "frames" in value:
        return of([value])
    values = value.get("values")
    if isinstance(values, list) and values and isinstance(values[-1], dict):  # the raised one is last
        found = _of_object(values[-1])
        return found and found._replace(whole=False)
    kind, message, stack = (_first(value, keys) for keys in (_TYPES, _MESSAGES, _STACKS))
    if kind is None and stack is None:
        return None
    shown = value[stack] if stack else None
    return Error(
        value[kind] if kind else None,
        value[message] if message else None,
        "\n".join(line.rstrip("\n") for line in shown) if isinstance(shown, list) else shown,
        all(item is None or key in {kind, message, stack} for key, item in value.items()),
    )


def _first(value: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    """The first of these keys with a text, or for stacks a list of lines."""
    for key in keys:
        found = value.get(key)
        if isinstance(found, str) and found:
            return key
        if keys is _STACKS and isinstance(found, list) and found and all(isinstance(line, str) for line in found):
            return key
    return None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None if value is None else str(value)


def _printed(stacks: list[dict[str, Any]], depth: int = 0) -> str:
    """A chain of exceptions as Python prints it: the cause first."""
    parts: list[str] = []
    for at in range(len(stacks) - 1, -1, -1):
        parts.append(_one(stacks[at], depth))
        if at:
            parts.append(_CAUSE if stacks[at].get("is_cause") is True else _CONTEXT)
    return "".join(parts).rstrip("\n")


def _one(stack: dict[str, Any], depth: int) -> str:
    lines = []
    frames = [frame for frame in stack.get("frames") or [] if isinstance(frame, dict)]
    if frames:
        lines.append(traceback.START)
    for frame in frames:
        lines.append(f'  File "{frame.get("filename")}", line {frame.get("lineno")}, in {frame.get("name")}')
        if isinstance(source := frame.get("line"), str) and source:
            lines.append(f"    {source}")
    message = _text(stack.get("exc_value"))
    lines.append(f"{stack.get('exc_type')}: {message}" if message else str(stack.get("exc_type")))
    notes = stack.get("exc_notes")
    lines += [str(note) for note in notes] if isinstance(notes, list) else []
    below = stack.get("exceptions")
    if isinstance(below, list) and depth < _MAX_DEPTH:
        for number, inner in enumerate(below, 1):
            if isinstance(inner, list) and inner and all(_is_stack(item) for item in inner):
                lines.append(f"  +---------------- {number} ----------------")
                lines += [f"  | {line}".rstrip() for line in _printed(inner, depth + 1).split("\n")]
    return "\n".join(lines) + "\n"


def _is_whole(stacks: list[Any], depth: int = 0) -> bool:
    """Whether the printed text is complete; it has no values of local variables."""
    for stack in stacks:
        if any(value and key not in _SHOWN for key, value in stack.items()) or stack.get("syntax_error"):
            return False
        for frame in stack.get("frames") or []:
            if not isinstance(frame, dict) or any(value and key not in _OF_FRAME for key, value in frame.items()):
                return False
        for inner in stack.get("exceptions") or []:
            if depth >= _MAX_DEPTH or not isinstance(inner, list) or not all(map(_is_stack, inner)):
                return False
            if not _is_whole(inner, depth + 1):
                return False
    return True
