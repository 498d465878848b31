"""Templates of documents, for lines of one shape with the same constants.

The usual way (``ecs``, and ``runs.facts`` for what a line reports of runs) is the specification.  A template is made
from the document that it gives for a line of markers, and is used only if it then gives what the usual way gives for
the line itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from operator import itemgetter
from typing import Any, NamedTuple

import orjson

from shipper.document.bids_labels import LABELS, PREFIXES, bids_name
from shipper.document.fact_templates import (
    PIPELINE_RUN,
    SEPARATOR,
    EncodedFact,
    FactTemplate,
    FoundFacts,
    encoded,
    fact_template,
)
from shipper.document.field_mappers import IDS, MAPPERS
from shipper.document.ids import generation_text
from shipper.document.layouts import Format, Pick, Text, Values, picking, text_of
from shipper.document.own_ids import OwnIds
from shipper.document.run_context import RUN_FIELDS, TURNING_POINTS
from shipper.parse.shapes import INSIDE, STAMP_KEYS, Shape, Shaped, put, record_of, with_event
from shipper.parse.timestamps import from_ns

_SESSION = RUN_FIELDS.index("session_id")
# Keys whose values decide several fields, so that each value has its own template.
_CONSTANT = frozenset({"event", "level", "component", "service", *MAPPERS}) - {"task_id", "process_name"}
_PROCESS = frozenset({"process", "process.name", "processName"})
# The same in the audit trail, where other keys are in no field.
_AUDIT_CONSTANT = frozenset({"", "old_value", "new_value", "triggered_by"})
_AUDIT_IDS = frozenset({"subject_id", "session_id", "workflow_run_id"})
_AUDIT_ERROR = f"details{INSIDE}error_message"
_AUDIT_RUNS = {"pipeline_run": "run_id", "workflow_run": "workflow_run_id"}
_FIRST_NUMBER = 9_100_000
_SLOT = "@@ids@@"
_ZEROS = tuple("0" * (9 - digits) for digits in range(10))
# Of a duration in seconds, which then is exact to the nanosecond.
_MAX_WHOLE_DIGITS = 7
# Longer facts are shortened.
_MAX_FACT_CHARS, _MAX_IDENTITY_CHARS = 1024, 128

Make = Callable[[dict[str, Any], "Place", int], dict[str, Any]]
"""Takes a record, its place and its offset; gives its document, made the usual way without context of runs."""
FactsOf = Callable[[list[dict[str, Any]]], list[EncodedFact]]
"""Takes documents; gives their facts, encoded (``runs.facts``)."""


class Place(NamedTuple):
    """What the documents of a block have in common.

    Attributes:
        path: of the file.
        generation: its name, 9 bytes.
        dataset: ``app`` or another.
        read_at_ns: when the block was read.
    """

    path: str
    generation: bytes
    dataset: str
    read_at_ns: int

    def texts(self) -> tuple[str, ...]:
        """When it was read, and the others, as they stand in a document's JSON."""
        path = orjson.dumps(self.path)[1:-1].decode()
        return from_ns(self.read_at_ns), path, generation_text(self.generation), self.dataset


_MARKER_PLACE = Place("@@path@@", b"@@@@@@@@@", "@@dataset@@", 1_000_000_000_123_456_789)


class _Fact(NamedTuple):
    """A fact: id of the run's document, kind, and its template.

    Attributes:
        pick: picks the time and the values.
        of_run: the document is the pipeline run's, and behind the values follow all other ids of the line.
        room: how many bytes the values may have.
    """

    identity: Format
    kind: Format | None
    template: FactTemplate
    pick: Pick
    of_run: bool
    room: int


class RunIds(NamedTuple):
    """The ids in a line as facts have them.

    Attributes:
        ids: in the order of ``RUN_FIELDS``.
        identity: the id of the pipeline run's document.
        others: all ids but the run's, joined.
        names_session: whether a session is named by its label and not by the number of its row.
    """

    ids: tuple[str | None, ...]
    identity: str
    others: str
    names_session: bool

    @classmethod
    def of(cls, ids: tuple[str | None, ...]) -> RunIds:
        """From the ids in the order of ``RUN_FIELDS``."""
        others = SEPARATOR.join([text for text in ids[1:] if text is not None])
        return cls(ids, f"{PIPELINE_RUN}{ids[0]}", others, (ids[_SESSION] or "")[:4] == "ses-")


class Template(NamedTuple):
    """What lines of a shape with the same constants become.

    The indices of values are those in the line; behind these follow the offset, the time of reading, the text of the
    run's ids, and in the document the other texts of the place, in facts the ids.

    Attributes:
        document: its JSON, without the last brace.
        facts: of runs.
        names_session: with facts, as of ``RunIds``.
        action: of the event.
        turns: it is a turning point of a run.
        task: JSON of a task, up to its id.
    """

    document: Text
    facts: list[_Fact]
    names_session: bool
    action: str | None
    turns: bool
    task: str

    def report(self, given: Values, moment: str, own: RunIds, found: FoundFacts) -> bool:
        """Add the facts of a line; gives False where the usual way has to make them.

        Args:
            given: the values.
            moment: one of them, the time.
            own: the ids in the line.
            found: takes the facts; those that it gets before the usual way makes the same count once.
        """
        if own.names_session is not self.names_session:
            return False
        every: list[Any] = []
        for identity, kind, template, pick, of_run, room in self.facts:
            if of_run:
                run, values = own.identity, SEPARATOR.join((*pick(given), own.others))
            else:
                every = every or [*given, *own.ids]
                run, values = identity.filled(every), SEPARATOR.join(pick(every))
            if len(run) > _MAX_IDENTITY_CHARS or len(values) > room or not (values.isascii() or _fits(values, room)):
                return False
            if kind is None:
                found.add(template, run, moment, values)
            else:
                found.add_encoded((run, kind.filled([*given, *own.ids]), template.encoded(values.split(SEPARATOR))))
        return True


def _fits(values: str, room: int) -> bool:
    return len(values.encode()) <= room


class Plan:
    """What becomes of the values of a shape.

    Attributes:
        constants: picks the values of which each has its own template.
        constant_indices: of these.
        ids: picks the ids of a run.
        fields: of these: field, key and type.
        own: spells them.
        has_run: one is the run's id.
        completed: there are ids, which earlier lines may complete.
        duration: index of the duration; None if there is none.
        task: index of the task's id; None if there is none.
        entity: index of an audit record's entity; None if there is none.
        twice: indices of values that stand in two fields.
        texts: picks the other texts, which have to be searched for secrets.
        stamp: index of the time.
        templates: by the constants; None where lines go the usual way.
    """

    def __init__(self, shape: Shape) -> None:
        constants: list[int] = []
        ids: list[int] = []
        texts: list[int] = []
        self.fields: list[tuple[str, str, type]] = []
        self.stamp = 0
        self.duration: int | None = None
        self.task: int | None = None
        self.entity = shape.keys.index("entity_id") if shape.audit else None
        self.twice = {self.entity}
        constant = _AUDIT_CONSTANT if shape.audit else _CONSTANT
        for index, (key, kind) in enumerate(zip(shape.keys, shape.types, strict=True)):
            field = _field_of(key, shape)
            if key in STAMP_KEYS:
                self.stamp = index
            elif field in RUN_FIELDS and kind is not type(None):
                ids.append(index)
                self.fields.append((field, key, kind))
            elif key == "duration" and not shape.audit:
                self.duration = index
            elif not key or key in constant or kind is bool or kind is type(None):
                constants.append(index)
            elif kind is str:
                texts.append(index)
                if key == _AUDIT_ERROR and shape.audit:
                    self.twice.add(index)
                if key == "task_id" and not shape.audit:
                    self.task = index
        self.constants: Callable[[Values], Any] = itemgetter(*constants)  # the zone is one at least
        self.constant_indices = frozenset(constants)
        self.ids = picking(ids)
        # Ids beside a task's are nearly always new ones.
        self.texts = picking(texts if self.task is None else texts + ids)
        self.own = OwnIds(self.fields)
        self.has_run = any(field == "run_id" for field, _, _ in self.fields)
        self.completed = bool(self.fields) or self.task is not None
        self.templates: dict[Any, Template | None] = {}


def plan_of(shape: Shape) -> Plan | None:
    """What becomes of the values of a shape; None where a key needs the usual way."""
    used = [field for field in (_field_of(key, shape) for key in shape.keys) if field is not None]
    if len(set(used)) != len(used) or ("process_name" in shape.keys and not _PROCESS.isdisjoint(shape.keys)):
        return None
    for key, kind in zip(shape.keys, shape.types, strict=True):
        field = _field_of(key, shape)
        if shape.audit:
            # Names of people stay as they are there.
            if field is not None and kind not in {int, type(None)}:
                return None
        elif (
            (field is not None and kind in {bool, float})
            or (key == "duration" and kind not in {int, float})
            or (key in MAPPERS and kind in {int, float})
        ):
            return None
    return Plan(shape)


def template_of(
    plan: Plan,
    line: Shaped,
    values: Values,
    start: int,
    place: Place,
    make: Make,
    facts_of: FactsOf,
    suspects: Callable[[bytes], bool],
) -> Template | None:
    """The template of lines like this one; None where it would not give what the usual way gives.

    Args:
        plan: of its shape.
        line: of a known shape.
        values: of the line, its time in UTC.
        start: the offset of its first byte.
        place: where it stands.
        make: makes a document the usual way.
        facts_of: makes facts about runs.
        suspects: whether bytes may contain something to redact.
    """
    template = _of_markers(plan, line, values, make, facts_of, suspects)
    if template is None or (template.facts and not plan.completed):
        return None
    expected = make(record_of(line), place, start)
    created, *texts = place.texts()
    ids = {key: text for key, text in expected["neuroflow"].items() if key in RUN_FIELDS}
    of_task = {} if plan.task is None else {"task": expected["neuroflow"]["task"]}
    given: list[Any] = [*values, str(start), created, orjson.dumps(ids | of_task)[1:-1].decode()]
    if plan.duration is not None:
        given[plan.duration] = nanoseconds(values[plan.duration])
    document = template.document.bound({}).filled([*given, *texts]) + "}"
    if orjson.loads(document) != orjson.loads(orjson.dumps(expected)):
        return None
    found = FoundFacts()
    own = RunIds.of(tuple(map(ids.get, RUN_FIELDS)))
    if template.facts and not template.report(given, values[plan.stamp], own, found):
        return None
    return template if Counter(encoded(found.take())) == Counter(facts_of([expected])) else None


def _of_markers(
    plan: Plan, line: Shaped, values: Values, make: Make, facts_of: FactsOf, suspects: Callable[[bytes], bool]
) -> Template | None:
    """The template from a line whose values are replaced by markers, which can be found in its document."""
    shape = line[0]
    record = record_of(line)
    count = len(values)
    offset = _FIRST_NUMBER + count
    # The text that stands for each value.
    shown = list(line[1])
    markers = {values[plan.stamp]: plan.stamp, str(offset): count}
    for index, (key, kind) in enumerate(zip(shape.keys, shape.types, strict=True)):
        if index == plan.stamp or index in plan.constant_indices:
            continue
        number = _FIRST_NUMBER + index
        if kind is str or (key in LABELS and LABELS[key].always_name):
            prefix = bids_name(values[index], LABELS[key])[:4] if key in LABELS else ""
            shown[index] = f"{prefix if prefix in PREFIXES else ''}@@{index}@@"
            put(record, key, shown[index])
            markers[shown[index]] = index
        elif index == plan.duration:
            record[key], markers[f"{number}000000000"] = number, index
        elif kind is int:
            put(record, key, number)
            markers[str(number)] = index
        else:
            put(record, key, number + 0.5)
            markers[f"{number}.5"] = index
    with_event(record, shape, shown)
    if suspects(orjson.dumps(record)):
        return None
    made = make(record, _MARKER_PLACE, offset)
    action, neuroflow = made["event"].get("action"), made["neuroflow"]
    task = None if plan.task is None else f"@@{plan.task}@@"
    of_task = neuroflow.get("task", {})
    if of_task.get("id") != task or "tags" in made:
        return None
    facts = facts_of([made])
    # The ids of a run, and that of its task, are one text, with what earlier lines add.
    ids = [neuroflow.pop(field, None) for field in RUN_FIELDS]
    if sum(text is not None for text in ids) != len(plan.fields) or "context" in neuroflow:
        return None
    of_ids = {text: at for at, text in enumerate(ids, count + 3) if text is not None}
    if shape.audit:
        action = "pipeline_run.created" if action == "created" else None
    for text in of_ids:
        if plan.entity is None or markers[text] != plan.entity:
            markers.pop(text, None)
    of_place = dict(zip(_MARKER_PLACE.texts(), (count + 1, *range(count + 3, count + 6)), strict=True))
    if task:
        del neuroflow["task"]
    if plan.completed:
        neuroflow[_SLOT] = 0
    document = orjson.dumps(made)[:-1].decode().replace(f'"{_SLOT}":0', _SLOT)
    in_document = {**markers, **of_place, **({_SLOT: count + 2} if plan.completed else {})}
    if not shape.event:
        in_document.pop(task, None)
    if any(document.count(marker) != 1 + (index in plan.twice) for marker, index in in_document.items()):
        return None
    in_fact = {**markers, **of_ids}
    templates = []
    for run, fact_kind, fact in facts:
        head, _, text = fact.decode().partition('":')
        if any(text.count(marker) > 1 for marker in in_fact):
            return None
        told = text_of(text, in_fact)
        # The time first, the ids last.
        picked = sorted(told.indices, key=lambda index: (index != plan.stamp, index))
        template = fact_template(
            run.partition(":")[0], head.split(" ")[1], tuple(told.between), tuple(map(picked.index, told.indices))
        )
        others = [index for index in of_ids.values() if index != count + 3]
        of_run = run == f"{PIPELINE_RUN}{ids[0]}" and [] != others == picked[-len(others) :]
        kind_text = text_of(fact_kind, in_fact).bound({}) if fact_kind is not None else None
        room = _MAX_FACT_CHARS - sum(map(len, told.between))
        pick = picking(picked[: -len(others)] if of_run else picked)
        templates.append(_Fact(text_of(run, in_fact).bound({}), kind_text, template, pick, of_run, room))
    beside_id = {key: text for key, text in of_task.items() if key != "id"}
    return Template(
        text_of(document, in_document),
        templates,
        (ids[_SESSION] or "")[:4] == "ses-",
        action,
        action in TURNING_POINTS,
        f'"task":{orjson.dumps({**beside_id, "id": ""}).decode()[:-2]}',
    )


def nanoseconds(seconds: str) -> str:
    """A duration in nanoseconds; empty where the usual way has to decide."""
    whole, _, fraction = seconds.partition(".")
    if len(whole) > _MAX_WHOLE_DIGITS or whole[0] == "-":
        return ""
    try:
        zeros = _ZEROS[len(fraction)]
    except IndexError:
        return str(round(float(seconds) * 10**9))
    return f"{whole}{fraction}{zeros}" if whole != "0" else str(int(fraction + zeros))


def _field_of(key: str, shape: Shape) -> str | None:
    """The key under ``neuroflow`` of an id."""
    if shape.audit:
        return (
            key if key in _AUDIT_IDS else _AUDIT_RUNS.get(shape.common["entity_type"]) if key == "entity_id" else None
        )
    return IDS.get(key) or (LABELS[key].field if key in LABELS else None)
