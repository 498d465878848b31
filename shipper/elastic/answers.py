"""Validates answers of Elasticsearch and Kibana against shapes.  Pure.

A server, or a proxy in between, may answer anything with status 200: half of an answer, a login page, another number
of items.  So every answer is validated once, where it arrives.  A mismatch raises a transport error, which callers
already handle: they ask again, or print a sentence and exit with a code.

A shape is

* a type: a value of it (``bool`` is no ``int``); ``object``: anything;
* ``None``: null;
* a predicate: a value for which it is true, for example ``number``;
* ``(a, b)``: a value of either shape;
* ``[a]``: a list of values of this shape;
* ``{"name": a, "other?": b}``: an object with these keys (a question mark: optional) and any others;
* ``{str: a}``: an object whose values all have this shape, whatever their keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from math import isfinite
from typing import Any

import orjson
from elastic_transport import ApiResponse, TransportError

Shape = Any
"""See above: its parts have too many types for a useful annotation."""


class NoAnswerError(TransportError):
    """An answer that can't be parsed or has the wrong shape: the outcome of the request is unknown."""


def validated(answer: ApiResponse[Any], shape: Shape, request: str) -> Any:
    """The body of an answer, validated.

    Args:
        answer: of Elasticsearch, or of a proxy.
        shape: of the body, as far as the caller reads it.
        request: its name, for the message: ``a search``.

    Raises:
        NoAnswerError: the body has another shape.  The message says where, without values: answers hold log lines.
    """
    body = answer.body
    if (wrong := mismatch(body, shape)) is not None:
        raise NoAnswerError(f"the answer to {request} can't be understood: {wrong} (is there a proxy in between?)")
    return body


def json_of(data: bytes) -> Any:
    """Parse JSON.

    Raises:
        ValueError: the data are no JSON, or are nested deeper than can be serialised again.
    """
    if (found := _all_created(data)) is not None:
        return found
    found = orjson.loads(data)
    try:
        orjson.dumps(found)
    except TypeError:  # orjson writes 254 levels (255 before 3.12) and reads 1024
        raise ValueError("nested too deep") from None
    return found


_CREATED = b'{"create":{"status":201}}'
_PREFIX, _SUFFIX = b'{"errors":false,"items":[', b"]}"


def _all_created(data: bytes) -> Any:
    """Parse a bulk answer in which every document was created, sharing one object; None for any other answer.

    The ``filter_path`` of bulk requests leaves only the status of a document that was created.
    """
    count, remainder = divmod(len(data) - len(_PREFIX) - len(_SUFFIX) + 1, len(_CREATED) + 1)
    if remainder or data != b"%b%b%b" % (_PREFIX, b",".join([_CREATED] * count), _SUFFIX):
        return None
    return {"errors": False, "items": [{"create": {"status": 201}}] * count}


@contextmanager
def decoding(what: str) -> Iterator[None]:
    """Turn the errors of code that reads a document of ours, but finds another one, into ``NoAnswerError``."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise NoAnswerError(
            f"{what} can't be understood ({type(error).__name__}; is there a proxy in between, or was it written by "
            "another program?)"
        ) from error


def mismatch(found: Any, shape: Shape) -> str | None:
    """Where and how a value differs from a shape, in words; None where it fits."""
    wrong = _mismatch(found, shape)
    return None if wrong is None else f"it{wrong[0]} {wrong[1]}"


def number(found: Any) -> bool:
    """Whether it is a finite number: JSON's 1e400 is not."""
    return type(found) is int or (type(found) is float and isfinite(found))


def moment(found: Any) -> bool:
    """Whether it is a time in ISO 8601."""
    try:
        return isinstance(found, str) and datetime.fromisoformat(found) is not None
    except ValueError:
        return False


# Path and fault.  The path is built only after a mismatch: every value of every hit is validated.
_Wrong = tuple[str, str]


def _mismatch(found: Any, shape: Shape) -> _Wrong | None:
    if type(found) is shape:
        return None
    if isinstance(shape, dict):
        return _object_mismatch(found, shape)
    if isinstance(shape, type):
        fits = isinstance(found, shape) and (shape is object or type(found) is not bool)
        return None if fits else ("", f"is {_kind(found)}")
    if isinstance(shape, list):
        if not isinstance(found, list):
            return "", f"is {_kind(found)}, not a list"
        (each,) = shape
        for place, one in enumerate(found):
            if (wrong := _mismatch(one, each)) is not None:
                return f"[{place}]{wrong[0]}", wrong[1]
        return None
    if isinstance(shape, tuple):
        wrongs = [_mismatch(found, either) for either in shape]
        return None if None in wrongs else wrongs[0]
    if shape is None:
        return None if found is None else ("", f"is {_kind(found)}, not null")
    return None if shape(found) else ("", f"is {_kind(found)} that is no {shape.__name__}")


def _object_mismatch(found: Any, shape: dict[Any, Shape]) -> _Wrong | None:
    if not isinstance(found, Mapping):
        return "", f"is {_kind(found)}, not an object"
    for name, inner in shape.items():
        if name is str:
            for key, one in found.items():
                if (wrong := _mismatch(one, inner)) is not None:
                    return f".{_display_name(key)}{wrong[0]}", wrong[1]
        elif name in found:
            if (wrong := _mismatch(found[name], inner)) is not None:
                return f".{name}{wrong[0]}", wrong[1]
        elif name[-1] != "?":
            return f".{name}", "is missing"
        elif (key := name[:-1]) in found and (wrong := _mismatch(found[key], inner)) is not None:
            return f".{key}{wrong[0]}", wrong[1]
    return None


def _display_name(key: str) -> str:
    """The key if it can be the name of an index or field, else an ellipsis: messages show nothing of a log line."""
    return key if re.fullmatch(r"[\w.:-]{1,80}", key) else "…"


def _kind(found: Any) -> str:
    kinds: dict[type, str] = {
        dict: "an object", list: "a list", str: "a text", bool: "a truth value", int: "a number", float: "a number",
        type(None): "nothing",
    }  # fmt: skip
    return kinds.get(type(found), "something else")
