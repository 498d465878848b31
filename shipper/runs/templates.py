"""Documents of many new pipeline runs at once, from templates.  Pure.

Most runs have the same story: facts made from the same templates, in the same order.  What differs are the values:
of the documents of such runs all other text is the same.  ``runs.document`` is the specification: a template is made
from the document that it gives for facts with markers as values, and is used only if it then gives what
``runs.document`` gives for the first of the runs.  Values are handled as columns, one for all runs, because an
operation on a column costs a tenth of the same operations on each run.
"""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import orjson

from shipper.document.crc import crc32
from shipper.document.fact_templates import PIPELINE_RUN, SEPARATOR, FactTemplate, TemplateFacts
from shipper.runs.facts import Fact, decoded
from shipper.taxonomy import BIRTH_VERBS

MAX_TEMPLATES = 256
"""Templates that are held at a time."""
AT_ONCE = 64
"""So many runs, and what is made of them, stay in the processor's cache."""
TemplateRun = tuple[str, TemplateFacts]
"""The id of a run's document and the run's facts."""
_KIND = PIPELINE_RUN[:-1]
_DIVIDER = SEPARATOR.encode()
# The document depends on these values only by showing them, and on durations as computed below.
_SHOWN = re.compile(
    r'"(?:pipeline|subject_id|session_id|workflow_run_id|error|error_type|attempt|exit_code|duration|at)":"?\Z'
)
_BEHIND = re.compile(r'"?(?:Z"|[,}])')
_FIRST_NUMBER = 9_100_000_000
_NUMBER = str(_FIRST_NUMBER - 1)
_GAP = timedelta(seconds=1)
_Columns = list[list[bytes]]
Make = Callable[[str, dict[str, Fact]], bytes]
"""Takes the id of a run's document and its facts; gives the document as JSON, made the usual way."""


class RunTemplates:
    """Makes the documents of new runs.

    Args:
        make: makes the document of a run the usual way.
    """

    def __init__(self, make: Make) -> None:
        self._make = make
        self._known: dict[tuple[FactTemplate, ...], _RunTemplate | None] = {}

    def body(self, runs: Sequence[TemplateRun]) -> bytes | None:
        """The part of a bulk request that creates the documents of runs; None: they go the usual way.

        Args:
            runs: all with facts of the same templates in the same order; ``AT_ONCE`` is a good number.
        """
        key = runs[0][1][0]
        try:
            template = self._known[key]
        except KeyError:
            if len(self._known) >= MAX_TEMPLATES:
                self._known.clear()
            template = _template_of(key, self._make)
            if template is not None:
                identity, facts = runs[0]
                if template.body(runs[:1]) != create_of(identity, self._make(identity, decoded(facts))):
                    template = None
            self._known[key] = template
        return None if template is None else template.body(runs)


class _RunTemplate:
    """The documents of runs whose facts have the same templates.

    Attributes:
        parts: the text of the action and the document, empty where a value stands.
        slots: columns of these values: those of the facts' values, then of each fact its time, digest and JSON, then
            the id of the document and the run's, and the columns of ``durations``.
        durations: seconds and nanoseconds each, of the value in a column, or between the times in two columns.
    """

    def __init__(
        self,
        facts: tuple[FactTemplate, ...],
        parts: list[bytes],
        slots: list[int],
        durations: list[tuple[int, ...]],
    ) -> None:
        self.parts, self.slots, self.durations = parts, slots, durations
        self._firsts = _firsts_of(facts)
        self._layouts = []
        for fact, first in zip(facts, self._firsts, strict=False):
            literals = [text.encode() for text in fact.between]
            fact_parts = [literals[0]]
            for literal in literals[1:]:
                fact_parts += b"", literal
            fact_parts[-1] += b"\n"
            self._layouts.append((fact_parts, [first + index for index in fact.order]))

    def body(self, runs: Sequence[TemplateRun]) -> bytes:
        """As of ``RunTemplates``."""
        return b"".join(_laid_out(self.parts, self.slots, self._columns(runs), len(runs)))

    def _columns(self, runs: Sequence[TemplateRun]) -> _Columns:
        values = _DIVIDER.join([values for _, (_, values) in runs]).split(_DIVIDER)
        width = self._firsts[-1]
        columns = [values[index::width] for index in range(width)]
        times = [columns[first] for first in self._firsts[:-1]]
        for (parts, slots), moments in zip(self._layouts, times, strict=True):
            facts = b"".join(_laid_out(parts, slots, columns, len(runs))).split(b"\n")[:-1]
            digests = array("I", map(crc32, facts))
            if sys.byteorder == "little":
                digests.byteswap()
            columns.append(b"\n".join(moments).replace(b".", b"").split(b"\n"))
            columns.append(digests.tobytes().hex(" ", digests.itemsize).encode().split())
            columns.append(facts)
        identities = [identity for identity, _ in runs]
        columns.append("\n".join(identities).encode().split(b"\n"))
        columns.append("\n".join([identity[len(PIPELINE_RUN) :] for identity in identities]).encode().split(b"\n"))
        for given in self.durations:
            if len(given) == 1:
                seconds = [int(text) / 10**9 for text in columns[given[0]]]
            else:
                starts, ends = (map(datetime.fromisoformat, map(bytes.decode, columns[at])) for at in given)
                seconds = [(end - start).total_seconds() for start, end in zip(starts, ends, strict=True)]
            columns.append(orjson.dumps(seconds)[1:-1].split(b","))
            columns.append(orjson.dumps([round(number * 10**9) for number in seconds])[1:-1].split(b","))
        return columns


def _laid_out(parts: list[bytes], slots: list[int], columns: _Columns, count: int) -> list[bytes]:
    """The parts so many times, with values from the columns between them."""
    text = parts * count
    for place, column in enumerate(slots):
        text[2 * place + 1 :: len(parts)] = columns[column]
    return text


def _is_plain(facts: tuple[FactTemplate, ...]) -> bool:
    """Whether the document depends on the values only as templates can show: one life, and values that are shown."""
    births = BIRTH_VERBS[_KIND]
    return all(
        fact.run_kind == _KIND
        and (place == 0 or fact.verb not in births)
        and all(map(_SHOWN.search, fact.between[:-1]))
        and all(map(_BEHIND.match, fact.between[1:]))
        for place, fact in enumerate(facts)
    )


def _template_of(facts: tuple[FactTemplate, ...], make: Make) -> _RunTemplate | None:
    """The template of runs with these facts, from the document that facts with markers as values make."""
    if not _is_plain(facts):
        return None
    firsts = _firsts_of(facts)
    width = firsts[-1]
    stamps = [datetime(2001, 1, 1, 10, tzinfo=UTC) + 2**place * _GAP for place in range(len(facts))]
    values = [str(_FIRST_NUMBER + index) for index in range(width)]
    for first, stamp in zip(firsts, stamps, strict=False):
        values[first] = stamp.isoformat(timespec="microseconds")[:26]
    of_number = width + 3 * len(facts) + 1
    identity = PIPELINE_RUN + _NUMBER
    text = create_of(identity, make(identity, decoded((facts, SEPARATOR.join(values).encode()))))
    columns: dict[bytes, list[bytes | int]] = {PIPELINE_RUN.encode() + _NUMBER.encode(): [of_number - 1]}
    columns[_NUMBER.encode()] = [of_number]
    columns |= {value.encode(): [index] for index, value in enumerate(values)}
    for place, (fact, (first, behind)) in enumerate(zip(facts, pairwise(firsts), strict=True)):
        encoded = fact.encoded(values[first:behind])
        at = width + 3 * place
        columns[encoded] = [b'"', at, b"000 " + fact.verb.encode() + b" ", at + 1, b'":', at + 2]
    durations: list[tuple[int, ...]] = []
    found = orjson.loads(text[text.index(b"\n") + 1 :])
    if "duration_seconds" in found:
        seconds = found["duration_seconds"]
        span = {2**later - 2**earlier: (earlier, later) for later in range(len(facts)) for earlier in range(later)}
        number = round(seconds * 10**9)
        if _FIRST_NUMBER <= number < _FIRST_NUMBER + width:
            durations = [(number - _FIRST_NUMBER,)]
        elif (apart := span.get(round(seconds / _GAP.total_seconds()))) is not None:
            durations = [tuple(firsts[place] for place in apart)]
        else:
            return None
        shown = b'"duration_seconds":' + orjson.dumps(seconds), b'"event":{"duration":' + orjson.dumps(number)
        if any(text.count(one) != 1 for one in shown):
            return None
        columns[shown[0]] = [b'"duration_seconds":', of_number + 1]
        columns[shown[1]] = [b'"event":{"duration":', of_number + 2]
    return _RunTemplate(facts, *_split(text, columns), durations)


def _split(text: bytes, columns: dict[bytes, list[bytes | int]]) -> tuple[list[bytes], list[int]]:
    """The text around the markers, and the columns that stand for them."""
    parts, slots, at = [b""], [], 0
    for marker in re.finditer(b"|".join(map(re.escape, sorted(columns, key=len, reverse=True))), text):
        parts[-1] += text[at : marker.start()]
        for piece in columns[marker[0]]:
            if isinstance(piece, bytes):
                parts[-1] += piece
            else:
                parts += b"", b""
                slots.append(piece)
        at = marker.end()
    parts[-1] += text[at:]
    return parts, slots


def _firsts_of(facts: tuple[FactTemplate, ...]) -> list[int]:
    """The column of each fact's first value, and the number of all."""
    firsts = [0]
    for fact in facts:
        firsts.append(firsts[-1] + fact.width)
    return firsts


def create_of(identity: str, document: bytes) -> bytes:
    """The part of a bulk request that creates a run's document."""
    return b'{"create":{"_id":%b}}\n%b\n' % (orjson.dumps(identity), document)
