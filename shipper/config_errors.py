"""Errors of the configuration's values as sentences.  Pure."""

from __future__ import annotations

import difflib
from datetime import date
from typing import Any, get_args

from pydantic import BaseModel

# YAML reads 0123 as 83 and 12:34 as 754: the original text is lost.
_YAML_TYPES: dict[type, str] = {int: "a number", float: "a number", bool: "true or false", date: "a date"}
# Characters of a long sentence that are shown, of its beginning and of its end.
_MAX_SHOWN = 300
# Other characters that a name may contain.
_ALLOWED = {"space": "_ and -", "namespace": "_ and . (100 characters at most, the first a letter or a digit)"}


def sentence_of(detail: Any, sections: type[BaseModel]) -> str:
    """One pydantic error as a sentence, without the value, which may be a secret.

    Args:
        detail: the error.
        sections: the model that was validated.
    """
    loc = detail["loc"]
    key = ".".join(str(part) for part in loc)
    if detail["type"] == "extra_forbidden":
        valid = _valid_keys(loc[:-1], sections)
        near = difflib.get_close_matches(str(loc[-1]), valid, n=1, cutoff=0.0)
        hint = f"; nearest valid key: {near[0]}" if near else ""
        return f"{key}: unknown key{hint}"
    if detail["type"] == "string_type" and (kind := _YAML_TYPES.get(type(detail["input"]))):
        return f"{key}: YAML reads this as {kind}; put it in quotes"
    if detail["type"] == "string_pattern_mismatch":
        return f"{key}: write lower-case letters, digits, {_ALLOWED[str(loc[-1])]}"
    message = detail["msg"].removeprefix("Value error, ")
    return f"{key}: {message[0].lower()}{message[1:]}"


def shortened(sentence: str) -> str:
    """A sentence that repeats a value of any length, with its beginning, and its end, which tells what to do."""
    return sentence if len(sentence) <= 2 * _MAX_SHOWN else f"{sentence[:_MAX_SHOWN]} … {sentence[-_MAX_SHOWN:]}"


def _valid_keys(loc: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    for part in loc:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        candidates = [annotation, *get_args(annotation)]
        model = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return list(model.model_fields)
