"""Real answers with faults, as a server or a proxy may send them with any status."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any, NamedTuple

import orjson

PAGE = b"<html><head><title>Sign in</title></head><body>Please sign in</body></html>"
_ELSE: tuple[Any, ...] = (
    None, True, False, 0, -1, 201, 10**18, 10**30, 1.5, "", "text", "404", "9" * 5000, [], [[]], [None], {}, {"a": 1},
    {"reason": ["why"]},
)  # fmt: skip
# What the status 200 of a bulk answer turns into most harmfully is left to the items' own unit tests.


class Answer(NamedTuple):
    """One answer over HTTP; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def bent(answer: Answer, dice: random.Random) -> Answer:
    """The answer with one fault; the same seed gives the same fault."""
    ways = [_shape, _shape, _shape, _text, _someone_else]
    return dice.choice(ways)(answer, dice)


def _shape(answer: Answer, dice: random.Random) -> Answer:
    """A key or an element is missing, or has another type."""
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return _text(answer, dice)
    known = list(_places(said))  # no value is changed twice: what was a number would be another one then
    for _ in range(dice.choice((1, 1, 1, 2, 5))):
        there = {(id(holder), key) for holder, key in _places(said)}
        places = [place for place in known if (id(place[0]), place[1]) in there]
        if not places:
            return answer._replace(body=dice.choice((b"null", b"[]", b"17", b'"text"')))
        holder, key = place = dice.choice(places)
        known = [one for one in known if one is not place]
        # An element of a list is not taken out: who asked can't know how many there were.
        if isinstance(holder, dict) and dice.random() < 0.4:
            del holder[key]
        else:
            other = deepcopy(dice.choice([one for one in _ELSE if type(one) is not type(holder[key])]))
            holder[key] = [holder[key]] if dice.random() < 0.2 else other
    return answer._replace(body=_dumps(said))


def _dumps(said: Any) -> bytes:
    try:
        return orjson.dumps(said)
    except TypeError:  # a number of more than 64 bits
        import json  # noqa: PLC0415 - only then

        return json.dumps(said).encode()


def _text(answer: Answer, dice: random.Random) -> Answer:
    """The text is cut or replaced."""
    body = answer.body
    at = dice.randrange(len(body) + 1)
    bodies: list[Callable[[], bytes]] = [
        lambda: body[:at],
        lambda: body[:at] + b"\xff\xfe" + body[at:],
        lambda: b"", lambda: b"null", lambda: b"[]", lambda: b"{}", lambda: b"NaN", lambda: body[:at] + b"NaN",
        lambda: b'{"status": 1e400}',
        lambda: b'{"a":' * 600 + b"1" + b"}" * 600,
        lambda: b"[" * 5000 + b"]" * 5000,
        lambda: body + body,
    ]  # fmt: skip
    kinds = ["application/json", "application/vnd.elasticsearch+json;compatible-with=8", "text/plain", "", "nonsense"]
    headers = {**answer.headers, "content-type": dice.choice(kinds)} if dice.random() < 0.3 else answer.headers
    return answer._replace(body=dice.choice(bodies)(), headers=headers)


def _someone_else(_answer: Answer, dice: random.Random) -> Answer:
    """A proxy, a login page or a load balancer without a backend answers."""
    page = dice.choice(
        [PAGE, PAGE * 100, "Bücher".encode("latin-1"), b"", b'{"error": "no upstream"}', b'{"message": 7}']
    )
    kind = dice.choice(["text/html", "text/html; charset=iso-8859-1", "application/json", "application/octet-stream"])
    status = dice.choice([200, 200, 200, 204, 301, 404, 408, 429, 500, 502, 503, 504])
    headers = (
        {"content-type": kind, "location": "https://login.example/?next=1"}
        if status == 301
        else {"content-type": kind}
    )
    return Answer(status, headers, b"" if status == 204 else page)


def _places(said: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a JSON value: what holds it, and the key or index there."""
    holders = [said]
    while holders:
        holder = holders.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
        for key in keys:
            yield holder, key
            holders.append(holder[key])
