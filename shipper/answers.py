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
    found = orjson.loads(data)
    try:
        orjson.dumps(found)
    except TypeError:  # its limit is 254, that of reading is 1024
        raise ValueError("nested too deep") from None
    return found


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
    return _misfit(found, shape, "it")


def number(found: Any) -> bool:
    """A number that can be reckoned with: JSON's 1e400 is none."""
    return type(found) is int or (type(found) is float and isfinite(found))


def moment(found: Any) -> bool:
    """A time as we write it into documents: ISO 8601."""
    try:
        return isinstance(found, str) and datetime.fromisoformat(found) is not None
    except ValueError:
        return False


def _misfit(found: Any, shape: Shape, at: str) -> str | None:
    wrong: str | None = None
    if isinstance(shape, type):
        # The commonest first: every value of every hit comes by here.
        if type(found) is not shape and not (isinstance(found, shape) and type(found) is not bool):
            wrong = f"{at} is {_kind(found)}"
    elif isinstance(shape, dict):
        wrong = _misfit_of_object(found, shape, at)
    elif isinstance(shape, list):
        if isinstance(found, list):
            (each,) = shape
            wrong = next(
                filter(None, (_misfit(one, each, f"{at}[{place}]") for place, one in enumerate(found))), None
            )
        else:
            wrong = f"{at} is {_kind(found)}, not a list"
    elif isinstance(shape, tuple):
        wrongs = [_misfit(found, either, at) for either in shape]
        wrong = None if None in wrongs else wrongs[0]
    elif shape is None:
        wrong = None if found is None else f"{at} is {_kind(found)}, not null"
    elif not shape(found):
        wrong = f"{at} is {_kind(found)} that is no {shape.__name__}"
    return wrong


def _misfit_of_object(found: Any, shape: dict[Any, Shape], at: str) -> str | None:
    if not isinstance(found, Mapping):
        return f"{at} is {_kind(found)}, not an object"
    for name, inner in shape.items():
        if name is str:
            wrongs = (_misfit(one, inner, f"{at}.{_shown(key)}") for key, one in found.items())
            if wrong := next(filter(None, wrongs), None):
                return wrong
            continue
        key = name.removesuffix("?")
        if key in found:
            if wrong := _misfit(found[key], inner, f"{at}.{key}"):
                return wrong
        elif key is name:
            return f"{at}.{key} is missing"
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
