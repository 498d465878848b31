"""Documents of sessions that get later facts, without decoding the facts that they have.  Pure.

A session of many tasks has hundreds of facts, to which each write adds a few that are later.  The document depends
on the first fact and on the newest ones; all others stay the text that they are.  ``runs.document`` is the
specification.
"""

from __future__ import annotations

from array import array
from typing import Any, NamedTuple

import orjson

from shipper.document.fact_templates import TemplateFacts, as_json
from shipper.runs import kept
from shipper.runs.document import run_document
from shipper.runs.facts import Fact, decoded
from shipper.taxonomy import BIRTH_VERBS, rank

# Facts weigh more from this length on (``runs.kept``).
_MAX_FACT_BYTES = 1024
_MAX_KINDS = 32
_TIME_CHARS = 28  # of a key
_Newest = dict[tuple[str, ...], tuple[str, Fact]]


class Grown(NamedTuple):
    """All facts of a document, in the order of ``runs.kept``.

    Attributes:
        json: the facts.
        lengths: of each with its key, bytes.
        newest: verb and fields → key and fact of the newest one with these.
        last: the time of the newest.
    """

    json: bytes
    lengths: array[int]
    newest: _Newest
    last: str


def grown_of(facts: dict[str, Fact]) -> Grown | None:
    """The same facts; None where later ones can't be added this way.

    Args:
        facts: of a document, in the order of ``runs.kept``.
    """
    pieces = _pieces(facts)
    newest: _Newest = {}
    _note(newest, facts)
    if not pieces or not _are_plain(pieces, facts, newest):
        return None
    return Grown(b"{%b}" % b",".join(pieces), array("H", map(len, pieces)), newest, max(facts)[:_TIME_CHARS])


def with_later(
    identity: str, known: Grown, given: dict[str, Fact] | bytes | TemplateFacts
) -> tuple[dict[str, Any], Grown] | None:
    """A document without its facts, and these; None where the usual way has to make it.

    Args:
        identity: the document's id.
        known: the facts that it has.
        given: facts to add.
    """
    if BIRTH_VERBS[identity.partition(":")[0]]:
        return None  # its facts may be of several lives
    pieces = _pieces(given)
    pieces.sort(key=_order_of_piece)
    text = b",".join(pieces)
    added: dict[str, Fact] = orjson.loads(b"{%b}" % text)
    if len(added) != len(pieces) or next(iter(added), "")[:_TIME_CHARS] <= known.last:
        return None
    newest = known.newest.copy()
    _note(newest, added)
    dropped = max(0, len(known.lengths) + len(pieces) - kept.MAX_FACTS)
    if dropped >= len(known.lengths) or not _are_plain(pieces, added, newest):
        return None
    lengths = known.lengths + array("H", map(len, pieces))
    json = b"{%b,%b}" % (known.json[1 + dropped + sum(lengths[:dropped]) : -1], text)
    lengths = lengths[dropped:]
    first: dict[str, Fact] = orjson.loads(b"{%b}" % json[1 : 1 + lengths[0]])
    ((first_key, first_fact),) = first.items()
    if "at" not in first_fact:
        return None
    if dropped:
        begin = _order(first_key)
        newest = {kind: one for kind, one in newest.items() if _order(one[0]) >= begin}
    document = run_document(identity, first | dict(newest.values()))
    del document["facts"]
    return document, Grown(json, lengths, newest, next(reversed(added))[:_TIME_CHARS])


def _pieces(given: dict[str, Fact] | bytes | TemplateFacts) -> list[bytes]:
    """Each fact with its key, as JSON."""
    if isinstance(given, tuple):
        return as_json(given)
    if isinstance(given, bytes):
        parts = given[1:-2].split(b'},"')
        if all(part.count(b"{") == 1 for part in parts):  # no fact contains an object
            return [(b'"%b}' if at else b"%b}") % part for at, part in enumerate(parts)]
    return [orjson.dumps({key: fact})[1:-1] for key, fact in decoded(given).items()]


def _note(newest: _Newest, facts: dict[str, Fact]) -> None:
    for key, fact in facts.items():
        newest[fact["verb"], *fact] = key, fact


def _are_plain(pieces: list[bytes], facts: dict[str, Fact], newest: _Newest) -> bool:
    """Whether all facts weigh the same, none is of a stage, and their keys tell their order."""
    return (
        max(map(len, pieces)) < _MAX_FACT_BYTES
        and len(newest) <= _MAX_KINDS
        and all("stage" not in fact and key.split(" ")[1] == fact["verb"] for key, fact in facts.items())
    )


def _order(key: str) -> tuple[str, int, str]:
    """The order of facts, as ``runs.kept`` has it."""
    return key[:_TIME_CHARS], rank(key[_TIME_CHARS:].split(" ")[1]), key


def _order_of_piece(piece: bytes) -> tuple[str, int, str]:
    return _order(piece[1 : piece.index(b'":')].decode())
