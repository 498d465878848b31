"""What an answer has to look like before it is taken apart.  Pure.

A server, or a proxy in between, may answer anything with status 200: half of an answer, a login page, another number
of items.  So every answer of Elasticsearch or Kibana is held against a *shape* first, at the one place where it comes
in; behind that its parts can be named without asking.  What doesn't fit is no answer: the error is one of the
transport, which whoever asks handles already, by asking again or with a sentence and an exit code.

A shape is

* a type: a value of it (``bool`` is no ``int``); ``object``: anything;
* ``None``: null;
* a function: a value that it is true of, ``number`` for example;
* ``(a, b)``: a value of either shape;
* ``[a]``: a list of values of this shape;
* ``{"name": a, "other?": b}``: an object that has these keys, those with a question mark perhaps, and any others;
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
"""See above; its parts are of too many types to be told apart usefully."""


class NoAnswerError(TransportError):
    """What came can't be understood: nothing is known of what became of the request."""


def understood(answer: ApiResponse[Any], shape: Shape, asked: str) -> Any:
    """The body of an answer that has a shape.

    Args:
        answer: of Elasticsearch, or of whoever spoke in its place.
        shape: what is going to be taken out of it.
        asked: what was asked for, for the message: ``a search``.

    Raises:
        NoAnswerError: it has another shape.  The message says where; it quotes nothing, for answers hold log lines.
    """
    body = answer.body
    if (wrong := misfit(body, shape)) is not None:
        raise NoAnswerError(f"the answer to {asked} can't be understood: {wrong} (a proxy in between?)")
    return body


def json_of(data: bytes) -> Any:
    """What a JSON text says.

    Raises:
        ValueError: it is none, or is nested deeper than anything that we ask for: following it down, or printing it,
            would end in an error of another kind.
    """
    if (found := _all_created(data)) is not None:
        return found
    found = orjson.loads(data)
    try:
        orjson.dumps(found)
    except TypeError:  # its limit is 254, that of reading is 1024
        raise ValueError("nested too deep") from None
    return found


_CREATED = b'{"create":{"status":201}}'
_BEFORE, _BEHIND = b'{"errors":false,"items":[', b"]}"


def _all_created(data: bytes) -> Any:
    """What nearly every bulk answer says, without an object for each item; None where it says anything else.

    Ours are asked for with a ``filter_path`` that leaves nothing but the status of a document that was created.
    """
    count, rest = divmod(len(data) - len(_BEFORE) - len(_BEHIND) + 1, len(_CREATED) + 1)
    if rest or data != b"%b%b%b" % (_BEFORE, b",".join([_CREATED] * count), _BEHIND):
        return None
    return {"errors": False, "items": [{"create": {"status": 201}}] * count}


@contextmanager
def taken_apart(what: str) -> Iterator[None]:
    """What a document holds is taken apart inside, by code that knows the documents as we write them.

    Args:
        what: whose content it is, for the message.

    Raises:
        NoAnswerError: it holds something else.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise NoAnswerError(
            f"{what} can't be understood ({type(error).__name__}; a proxy in between, or written by somebody else?)"
        ) from error


def misfit(found: Any, shape: Shape) -> str | None:
    """Where a value has another shape, in words; None where it fits."""
    wrong = _misfit(found, shape)
    return None if wrong is None else f"it{wrong[0]} {wrong[1]}"


def number(found: Any) -> bool:
    """A number that can be reckoned with: JSON's 1e400 is none."""
    return type(found) is int or (type(found) is float and isfinite(found))


def moment(found: Any) -> bool:
    """A time as we write it into documents: ISO 8601."""
    try:
        return isinstance(found, str) and datetime.fromisoformat(found) is not None
    except ValueError:
        return False


# Where and what.  Built on the way back only: every value of every hit comes by here.
_Wrong = tuple[str, str]


def _misfit(found: Any, shape: Shape) -> _Wrong | None:
    if type(found) is shape:
        return None
    if isinstance(shape, dict):
        return _misfit_of_object(found, shape)
    if isinstance(shape, type):
        fits = isinstance(found, shape) and (shape is object or type(found) is not bool)
        return None if fits else ("", f"is {_kind(found)}")
    if isinstance(shape, list):
        if not isinstance(found, list):
            return "", f"is {_kind(found)}, not a list"
        (each,) = shape
        for place, one in enumerate(found):
            if (wrong := _misfit(one, each)) is not None:
                return f"[{place}]{wrong[0]}", wrong[1]
        return None
    if isinstance(shape, tuple):
        wrongs = [_misfit(found, either) for either in shape]
        return None if None in wrongs else wrongs[0]
    if shape is None:
        return None if found is None else ("", f"is {_kind(found)}, not null")
    return None if shape(found) else ("", f"is {_kind(found)} that is no {shape.__name__}")


def _misfit_of_object(found: Any, shape: dict[Any, Shape]) -> _Wrong | None:
    if not isinstance(found, Mapping):
        return "", f"is {_kind(found)}, not an object"
    for name, inner in shape.items():
        if name is str:
            for key, one in found.items():
                if (wrong := _misfit(one, inner)) is not None:
                    return f".{_shown(key)}{wrong[0]}", wrong[1]
        elif name in found:
            if (wrong := _misfit(found[name], inner)) is not None:
                return f".{name}{wrong[0]}", wrong[1]
        elif name[-1] != "?":
            return f".{name}", "is missing"
        elif (key := name[:-1]) in found and (wrong := _misfit(found[key], inner)) is not None:
            return f".{key}{wrong[0]}", wrong[1]
    return None


def _shown(key: str) -> str:
    """A key as far as a sentence may show it: names of indices and fields, and nothing that a log line says."""
    return key if re.fullmatch(r"[\w.:-]{1,80}", key) else "…"


def _kind(found: Any) -> str:
    kinds: dict[type, str] = {
        dict: "an object", list: "a list", str: "a text", bool: "a truth value", int: "a number", float: "a number",
        type(None): "nothing",
    }  # fmt: skip
    return kinds.get(type(found), "something else")
