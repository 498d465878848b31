"""The fast path: documents of lines with a known shape, made from templates.

Lines go the usual way (``ecs``) where a value does not stand in the document as it stands in the line, where nothing
proves that they contain nothing to redact, and where too many templates would be needed.
"""

from __future__ import annotations

from collections.abc import Callable

import orjson

from shipper.document.fact_templates import FoundFacts
from shipper.document.layouts import Format, Values
from shipper.document.run_context import FIELDS, RUN_FIELDS, Ids, Life, RunContext, added
from shipper.document.templates import (
    FactsOf,
    Make,
    Place,
    Plan,
    RunIds,
    Template,
    nanoseconds,
    plan_of,
    template_of,
)
from shipper.parse.records import Records
from shipper.parse.shapes import Shape, Shaped, Shapes
from shipper.parse.timestamps import Zone, from_ns, to_utc

MAX_TEMPLATES = 64
"""Templates of one shape."""
MAX_ALL_TEMPLATES = 1024
"""Templates that are held at a time."""
_MAX_ID_TEXTS = 2048
# A shape is forgotten when so many of its lines had no template while fewer than four times as many were read.
_MISSES = 1000


_ZEROS = "000000"
_NO_IDS = RunIds.of((None,) * len(RUN_FIELDS))


class _IdText:
    """The ids of a run in a document.

    Attributes:
        text: as JSON, those from earlier lines included.
        own: as JSON, the line's own.
        ids: the line's own.
        life: the run's; None if the line names no run.
        known: its ids when the text was made.
    """

    __slots__ = ("ids", "known", "life", "own", "text")

    def __init__(self, text: str, own: str, ids: RunIds, life: Life | None) -> None:
        self.text, self.own, self.ids, self.life = text, own, ids, life
        self.known: Ids = life.ids if life is not None else ()


_IdTexts = dict[tuple[str, ...], _IdText]


class _Lines:
    """The lines of a shape.

    Attributes:
        plan: what becomes of their values.
        id_texts: by the ids in the line; shared by shapes with the same ids.
        misses: lines without a template.
        since: the number of the line from which these are counted.
    """

    __slots__ = ("id_texts", "misses", "plan", "since")

    def __init__(self, plan: Plan, id_texts: _IdTexts, since: int) -> None:
        self.plan = plan
        self.id_texts = id_texts
        self.misses, self.since = 0, since


class ShapedDocuments:
    """Makes documents from templates.

    Args:
        shapes: forgets those of whose lines most have no template.
        make: makes a document the usual way.
        facts_of: makes facts about runs.
        runs: completes ids from earlier lines.
        suspects: whether bytes may contain something to redact.
        zone: of times without one.
        utc: of those in the audit trail.

    Attributes:
        found: facts in the lines so far; the caller takes them.
    """

    def __init__(
        self,
        shapes: Shapes,
        make: Make,
        facts_of: FactsOf,
        runs: RunContext,
        suspects: Callable[[bytes], bool],
        zone: Zone,
        utc: Zone,
    ) -> None:
        self.found = FoundFacts()
        self._shapes = shapes
        self._make = make
        self._facts_of = facts_of
        self._runs = runs
        self._suspects = suspects
        self._zones = {False: zone, True: utc}
        # Of the last time without a zone: its second, and the same in UTC.
        self._last_second, self._last_zone, self._second_in_utc, self._zone_name = "", zone, "", ""
        self._known: dict[Shape, _Lines | None] = {}
        # By the fields of the ids.
        self._id_texts: dict[tuple[tuple[str, str, type], ...], _IdTexts] = {}
        self._count = self._templates = self._id_text_count = 0
        self._place = Place("", b"", "", 0)
        self._created = ""
        # By the identity of a template, which the entry keeps alive: what all documents of the place have in common.
        self._bound: dict[int, tuple[Template, Format]] = {}

    def enter(self, place: Place) -> None:
        """From now on lines come from this place."""
        if place[:3] != self._place[:3]:
            self._bound.clear()
        self._place = place
        self._created = from_ns(place.read_at_ns)

    def texts(self, shaped: dict[int, Shaped]) -> bytes:
        """The texts of lines that may contain something to redact; ids and constants are checked once."""
        self._count += len(shaped)
        known = self._known
        texts: list[str] = []
        for shape, values in shaped.values():
            lines = known.get(shape)
            texts += values if lines is None else lines.plan.texts(values)
        return "\n".join(texts).encode()

    def body(self, line: Shaped, start: int) -> bytes | None:
        """The JSON of a line's document, without its last brace; None where the line has to go the usual way.

        Args:
            line: of a known shape, whose ``texts`` contain nothing to redact.
            start: the offset of its first byte.
        """
        shape, values = line
        try:
            lines = self._known[shape]
        except KeyError:
            plan = plan_of(shape)
            if plan is None:
                lines = None
            else:
                lines = _Lines(plan, self._id_texts.setdefault(tuple(plan.fields), {}), self._count)
            self._known[shape] = lines
        if lines is None:
            self._shapes.forget(shape)
            return None
        plan = lines.plan
        given = [*values, str(start), self._created]
        if shape.local:
            at = plan.stamp
            stamp, zone = values[at], self._zones[shape.audit]
            if stamp[:19] != self._last_second or zone is not self._last_zone:
                if stamp[:13] not in zone.hours:
                    return None  # the hour is a new one, or the clock is set in it
                in_utc, name = to_utc(stamp, zone)
                self._last_second, self._last_zone = stamp[:19], zone
                self._second_in_utc, self._zone_name = in_utc[:20], name or ""
            given[at] = self._second_in_utc + (stamp[20:] + _ZEROS)[:6]
            given[at + 1] = self._zone_name
        if plan.duration is not None:
            given[plan.duration] = duration = nanoseconds(values[plan.duration])
            if not duration:
                return None
        try:
            template = plan.templates[plan.constants(given)]
        except KeyError:
            template = self._learn(plan, line, given, start)
        if template is None:
            self._miss(lines, shape)
            return None
        if plan.completed:
            ids, moment = plan.ids(values), given[plan.stamp]
            named = lines.id_texts.get(ids)
            life = named.life if named is not None else None
            if (
                named is None
                or (
                    life is not None
                    and (named.known is not life.ids or template.turns or not life.continues(template.action, moment))
                )
            ) and (named := self._id_text(lines, ids, given, template, named)) is None:
                return None
            given.append(named.text)
            if template.facts and not template.report(given, moment, named.ids, self.found):
                return None
        bound = self._bound.get(id(template))
        if bound is None:
            texts = dict(enumerate(self._place.texts()[1:], len(values) + 3))
            bound = self._bound[id(template)] = template, template.document.bound(texts)
        parts, pick = bound[1]
        parts = parts.copy()
        parts[1::2] = pick(given)
        return "".join(parts).encode()

    def _id_text(
        self, lines: _Lines, own_values: tuple[str, ...], given: Values, template: Template, named: _IdText | None
    ) -> _IdText | None:
        """The ids of a line and what earlier lines of its run add; None where the line has to go the usual way.

        Args:
            lines: of the same shape.
            own_values: the ids as they stand in the line.
            given: the values of the line.
            template: of the line.
            named: what was made of the same ids before.
        """
        plan = lines.plan
        moment = given[plan.stamp]
        if named is None:
            own = plan.own.spelled(own_values)
            if own is None:
                return None
            if plan.task is not None:
                return self._task_text(plan, own, given, template, moment)
            text = plan.own.json.filled(own)
            if plan.own.has_texts and self._suspects(text.encode()):
                return None
            ids = RunIds.of(plan.own.run_ids(own))
        else:
            text, ids = named.own, named.ids
        full, life = text, None
        if plan.has_run:
            run, run_ids = ids.ids[0] or "", ids.ids[1:]
            united = self._runs.united(run, run_ids, template.action, moment)
            life = self._runs.only_life(run)
            if named is not None and life is named.life and life is not None and life.ids is named.known:
                return named
            if united is not None and (new := added(FIELDS, run_ids, united)):
                full = f"{text},{_json_of_added(new)}"
        named = _IdText(full, text, ids, life)
        if life is not None or not plan.has_run:
            self._id_text_count += 1
            if self._id_text_count > _MAX_ID_TEXTS:
                self._id_text_count = 1
                for one in self._id_texts.values():
                    one.clear()
            lines.id_texts[own_values] = named
        return named

    def _task_text(
        self, plan: Plan, own: list[str | None], given: Values, template: Template, moment: str
    ) -> _IdText:
        """The same for a line of a task; a task's lines are few, so nothing of it is kept here."""
        ids, task = plan.own.run_ids(own), given[plan.task or 0]
        text = f'{template.task}{task}"}}'
        if plan.fields:
            text = f"{text},{plan.own.json.filled(own)}"
        united = self._runs.united_task(task, ids) or ids
        new = added(RUN_FIELDS, ids, united) if united is not ids else {}
        if united[0] is not None:
            of_run = self._runs.united(united[0], united[1:], template.action, moment)
            if of_run is not None:
                new |= added(FIELDS, united[1:], of_run)
        if new:
            text = f"{text},{_json_of_added(new)}"
        # What only facts need is not made for all of them.
        run_ids = RunIds.of(ids) if template.facts else _NO_IDS
        return _IdText(text, "", run_ids, None)

    def _miss(self, lines: _Lines, shape: Shape) -> None:
        """Count a line without a template."""
        lines.misses += 1
        if lines.misses == _MISSES:
            if self._count - lines.since < 4 * _MISSES:
                self._known[shape] = None
            lines.misses, lines.since = 0, self._count

    def _learn(self, plan: Plan, line: Shaped, given: Values, start: int) -> Template | None:
        """The template of a line with new constants; None where there is none."""
        if len(plan.templates) >= MAX_TEMPLATES:
            return None
        self._templates += 1
        if self._templates > MAX_ALL_TEMPLATES:
            # The application changed: learn again from what it writes now.
            self._templates = 1
            self._known.clear()
            self._id_texts.clear()
            self._bound.clear()
        values = [*line[1]]
        values[plan.stamp : plan.stamp + 2] = given[plan.stamp : plan.stamp + 2]
        template = template_of(plan, line, values, start, self._place, self._make, self._facts_of, self._suspects)
        plan.templates[plan.constants(given)] = template
        return template


def _json_of_added(new: dict[str, str]) -> str:
    return orjson.dumps({**new, "context": list(new)})[1:-1].decode()


def parse_odd(records: Records, max_line_bytes: int) -> list[bytes]:
    """Parse lines with a known shape if they, or their block, need the usual way; gives the other lines."""
    raws, shaped = records.raws, records.shaped
    others = [raw for index, raw in enumerate(raws) if index not in shaped] if len(shaped) < len(raws) else []
    if (
        records.block.origin.spoiled
        or max(map(len, raws)) > max_line_bytes
        or (records.block.origin.format != "audit" and any(b'"entity_type"' in raw for raw in others))
    ):
        records.parse_shaped(list(shaped))
        return raws
    for noted in (
        records.tags, records.flags, records.originals, records.written, records.contained, records.after
    ):  # fmt: skip
        records.parse_shaped(noted)
    return others
