"""Pipeline, subject, session and workflow of a run from earlier lines, for later lines that contain only its id.

``pipeline.completed run_id=456`` lacks pipeline, subject and session, which only ``pipeline.queued`` before it
contains.  A wrong subject is worse than none: ids are reused when a database is created again, and files are read in
any order.  So the fields of an id are kept by *life* (one run under the id, from its *birth*, the event that creates
or queues it), and a line gets only fields of the life that its time falls into.  The oldest ids are dropped first.

The rules for a new life differ from those of ``runs.document``, with which they share verbs and the tolerance for one
birth reported twice.  The context decides once for each line, from the lines read so far and in any order; a run
document is computed again from all facts in order of time.  So in doubt the context begins another life, also where a
run starts after its end without ``pipeline.retry_scheduled``, which a run document shows as another attempt.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from itertools import islice
from typing import Any

import orjson

from shipper.document.bids_labels import PREFIXES
from shipper.taxonomy import BIRTH_VERBS, END_VERBS, MEANINGS, PIPELINE_VERBS, SAME_BIRTH_SECONDS

FIELDS = ("pipeline", "subject_id", "session_id", "workflow_run_id")
"""Fields that a line may get from earlier ones: keys under ``neuroflow``."""
RUN_FIELDS = ("run_id", *FIELDS)
"""The ids of a run."""


def _events(verbs: Collection[str]) -> frozenset[str]:
    """The names of the events that report one of these verbs for a pipeline run, except those of callbacks."""
    return frozenset(name for name, verb in PIPELINE_VERBS.items() if verb in verbs and not MEANINGS[name].callback)


_BIRTHS = _events(BIRTH_VERBS["pipeline_run"])
_STARTS = _events({"started"})
_ENDS = _events(END_VERBS | {"finished"})
_RETRIES = _events({"requeued"})
TURNING_POINTS = frozenset({*_BIRTHS, *_STARTS, *_ENDS, *_RETRIES})
_MAX_LIVES = 4
# One in so many runs is held as objects; older ones are held as JSON, which takes a third of the memory.
_UNPACKED_SHARE = 10
# Longer texts are not ids, and are not kept.
_MAX_TEXT_CHARS = 512
# Times are compared as UTC texts to the microsecond: the suffix for UTC differs.
_MICROSECONDS = 26
_CLOCK_SKEW = 5
"""Seconds by which the clocks of several workers differ."""
_LONGEST_RUN = 86_400
_AFTER_END = 86_400
"""Seconds after a run's end in which lines about it still appear."""
_SILENCE = 30 * 86_400
"""Seconds without a line after which a run that has not ended counts as over."""

Ids = tuple[str | None, ...]


class Life:
    """One run under an id.

    Attributes:
        since: time of its earliest line.
        until: time of its latest line.
        ended: time of its end; empty while it has none.
        born: its birth was read.
        begun: an event other than its birth was read.
        ids: its fields, in the order of ``FIELDS``.
        alone: it is the only one known under its id.
        text: what ``_packed`` gave for it alone; None where it has changed since.
    """

    __slots__ = ("alone", "begun", "born", "ended", "ids", "since", "text", "until")

    def __init__(self, since: str, until: str, ids: Iterable[str | None]) -> None:
        self.since, self.until = since, until
        self.ended = ""
        self.born = self.begun = self.alone = False
        self.text: str | None = None
        self.ids: Ids = tuple(ids)

    @classmethod
    def of(cls, row: list[Any]) -> Life:
        """The life that ``row`` gave."""
        life = cls(row[0], row[1], row[5:])
        life.ended, life.born, life.begun = row[2:5]
        return life

    def row(self) -> list[Any]:
        """The life as JSON values, for the state directory."""
        return [self.since, self.until, self.ended, self.born, self.begun, *self.ids]

    def covers(self, action: str | None, moment: str) -> bool:
        """Whether a line of this time can belong to this run."""
        if moment < self.since:
            # The birth may stand in a file that is read after the others.
            awaited = action in _BIRTHS and not self.born
            return _seconds(moment, self.since) <= (_LONGEST_RUN if awaited else _CLOCK_SKEW)
        if moment <= self.until or moment[:10] == self.until[:10]:
            return True
        if self.ended:
            return _seconds(self.ended, moment) <= _AFTER_END
        return _seconds(self.until, moment) <= _SILENCE

    def continues(self, action: str | None, moment: str) -> bool:
        """Take note of another line with the same ids, which is no turning point; False: ``united`` has to decide."""
        if not (self.alone and (self.begun or action is None) and self.since <= moment):
            return False
        if moment > self.until:
            if moment[:10] != self.until[:10]:
                return False
            self.until, self.text = moment, None
        return True

    def accepts(self, action: str | None, moment: str) -> bool:
        """Whether an event can happen to this run at this time; else it begins another life."""
        if action in _BIRTHS:
            return moment <= self.until or not (self.begun or _seconds(self.since, moment) > SAME_BIRTH_SECONDS)
        return not (action in _STARTS and self.ended and moment > self.ended)

    def observe(self, action: str | None, moment: str) -> bool:
        """Update the life from a line; gives whether the life has to be saved."""
        news, self.text = False, None
        if moment > self.until:
            news = moment[:10] != self.until[:10]
            self.until = moment
        elif moment < self.since:
            self.since, news = moment, True
        if action in _BIRTHS:
            news |= not self.born
            self.born = True
        elif action is not None:
            news |= not self.begun
            self.begun = True
            if action in _ENDS and moment > self.ended:
                news, self.ended = True, moment
            elif action in _RETRIES and moment > self.ended:
                news, self.ended = news or self.ended != "", ""
        return news


class RunContext:
    """Fields of the most recent runs and tasks.

    Args:
        max_entries: how many runs, and how many tasks, are kept.
        rows: what ``changes`` gave before the restart.
    """

    def __init__(self, max_entries: int = 20_000, rows: Iterable[tuple[str, str]] = ()) -> None:
        self._max_entries = max_entries
        self._max_unpacked = max(1, max_entries // _UNPACKED_SHARE)
        self._runs: dict[str, list[Life]] = {}
        self._packed: dict[str, str] = {}  # older runs
        self._tasks: dict[str, Ids] = {}
        self._changed: dict[tuple[str, str], None] = {}
        for key, value in rows:
            kind, _, name = key.partition(":")
            if kind == "run":
                self._packed[name] = value
            elif kind == "task":
                self._tasks[name] = tuple(orjson.loads(value))

    def changes(self) -> list[tuple[str, str | None]]:
        """What to save since the last call: keys and values, None for keys to delete."""
        rows = [(f"{kind}:{name}", self._row(kind, name)) for kind, name in self._changed]
        self._changed = {}
        return rows

    def rows(self) -> list[tuple[str, str | None]]:
        """All that is kept, as ``changes`` gives it."""
        kept = [*(("run", run) for run in (*self._packed, *self._runs)), *(("task", task) for task in self._tasks)]
        return [(f"{kind}:{name}", self._row(kind, name)) for kind, name in kept]

    def _row(self, kind: str, name: str) -> str | None:
        if kind == "task":
            task = self._tasks.get(name)
            return orjson.dumps(task).decode() if task else None
        lives = self._runs.get(name)
        return _packed(lives) if lives else self._packed.get(name)

    def complete(self, fields: dict[str, Any], action: str | None, moment: str, *, learn: bool = True) -> None:
        """Add the fields that a line lacks about its run, and keep those that it has for later lines.

        Args:
            fields: of the line, as under ``neuroflow``, with ``run_id``; the names of added ones go to ``context``.
            action: the event's name.
            moment: its time in UTC; empty if it has none.
            learn: whether to keep the line's fields for later lines.
        """
        get = fields.get
        given = (get("pipeline"), get("subject_id"), get("session_id"), get("workflow_run_id"))
        united = self.united(fields["run_id"], given, action, moment, learn=learn)
        if united is not None:
            _fill(fields, FIELDS, given, united)

    def united(self, run: str, given: Ids, action: str | None, moment: str, *, learn: bool = True) -> Ids | None:
        """The fields of a line with those that it lacks, which are learned; None if it lacks none.

        Args:
            run: the run's id.
            given: the line's own fields, in the order of ``FIELDS``.
            action: the event's name.
            moment: its time in UTC; empty if it has none.
            learn: whether to learn from the line.
        """
        moment = moment[:_MICROSECONDS]
        lives = self._lives(run)
        life = None
        if lives is not None:
            life = lives[-1]
            # Nearly every line continues the newest life and has the same fields.
            if (
                given != life.ids
                or life.since > moment
                or (action in TURNING_POINTS and not (life.begun and action in _ENDS))
                or not life.covers(action, moment)
            ):
                life = _find_life(lives, given, action, moment)
        if life is None:
            if learn and moment and (any(given) or action in _BIRTHS) and _is_short((run, *given)):
                self._begin(run, Life(moment, moment, given), action, moment)
            return None
        if learn and moment and life.observe(action, moment):
            self._changed["run", run] = None
        if given == life.ids:
            return None
        merged = tuple([old if new is None else new for new, old in zip(given, life.ids, strict=True)])
        if learn and merged != life.ids and _is_short(given):
            life.ids, life.text = merged, None
            self._changed["run", run] = None
        return merged

    def only_life(self, run: str) -> Life | None:
        """The life of a run, if exactly one is known."""
        lives = self._lives(run)
        return lives[0] if lives and lives[0].alone else None

    def _lives(self, run: str) -> list[Life] | None:
        """The lives of a run, in the order of their beginnings; None if it is not known."""
        lives = self._runs.get(run)
        if lives is None and (packed := self._packed.pop(run, None)) is not None:
            lives = self._runs[run] = [Life.of(row) for row in orjson.loads(packed)]
            for life in lives:
                life.alone = len(lives) == 1
            if len(self._runs) > self._max_unpacked:
                self._pack_oldest()
        return lives

    def _pack_oldest(self) -> None:
        """Hold the oldest runs as JSON."""
        for old in list(islice(self._runs, max(1, self._max_unpacked // 10))):
            lives = self._runs.pop(old)
            self._packed[old] = _packed(lives)
            lives[0].alone = False  # nobody may continue these objects

    def complete_task(self, fields: dict[str, Any]) -> None:
        """The same for a line with a task id, which is never reused.

        Args:
            fields: of the line, as under ``neuroflow``, with ``task``.
        """
        task, get = fields["task"].get("id"), fields.get
        if task is None:
            return
        given = (get("run_id"), get("pipeline"), get("subject_id"), get("session_id"), get("workflow_run_id"))
        united = self.united_task(task, given)
        if united is not None:
            _fill(fields, RUN_FIELDS, given, united)

    def united_task(self, task: str, given: Ids) -> Ids | None:
        """The ids of a task's line with those that it lacks, which are learned; None if it lacks none.

        Args:
            task: the task's id.
            given: the line's own ids, in the order of ``RUN_FIELDS``.
        """
        ids = self._tasks.get(task)
        if ids is None:
            if any(given) and _is_short((task, *given)):
                self._tasks[task] = given
                self._changed["task", task] = None
                if len(self._tasks) > self._max_entries:
                    self._drop_oldest(self._tasks, "task")
            return None
        if given == ids:
            return None
        merged = tuple([old if new is None else new for new, old in zip(given, ids, strict=True)])
        if merged != ids:
            if _contradicts(given, ids):
                return None
            if _is_short(given):
                self._tasks[task] = merged
                self._changed["task", task] = None
        return merged

    def _begin(self, run: str, life: Life, action: str | None, moment: str) -> None:
        life.observe(action, moment)
        self._changed["run", run] = None
        lives = self._runs.get(run)
        if lives is None:
            life.alone = True
            self._runs[run] = [life]
            if len(self._runs) > self._max_unpacked:
                self._pack_oldest()
            if len(self._runs) + len(self._packed) > self._max_entries:
                self._drop_oldest(self._packed, "run")
            return
        lives.append(life)
        lives.sort(key=lambda one: one.since)
        del lives[:-_MAX_LIVES]
        for one in lives:
            one.alone = len(lives) == 1

    def _drop_oldest(self, memory: dict[str, Any], kind: str) -> None:
        # A run takes hours, the memory holds days of runs.
        for old in list(islice(memory, max(1, self._max_entries // 10))):
            del memory[old]
            self._changed[kind, old] = None


def _packed(lives: list[Life]) -> str:
    """Lives as JSON; a text, since orjson's own results take more memory than their length."""
    first = lives[0]
    # A run is saved first, and packed when it is out of the processor's cache.
    if first.text is not None and len(lives) == 1:
        return first.text
    text = orjson.dumps([life.row() for life in lives]).decode()
    first.text = text if len(lives) == 1 else None
    return text


def _find_life(lives: list[Life], given: Ids, action: str | None, moment: str) -> Life | None:
    """The life that a line belongs to; None if it belongs to a new one, or may belong to several."""
    if moment:
        # Lives with lines before and after this time come first.
        lives = [one for one in lives if one.since <= moment <= one.until] or [
            one for one in lives if one.covers(action, moment)
        ]
    for life in reversed(lives):
        if given == life.ids or not _contradicts(given, life.ids):
            return None if moment and not life.accepts(action, moment) else life
    return None


def _contradicts(given: Ids, ids: Ids) -> bool:
    """Whether a line has another value for a field; a database id and a BIDS name do not contradict each other."""
    for new, old in zip(given, ids, strict=True):
        if new != old and new is not None and old is not None and (new[:4] in PREFIXES) == (old[:4] in PREFIXES):
            return True
    return False


def _is_short(texts: Ids) -> bool:
    for text in texts:  # noqa: SIM110 - a generator costs three times as much
        if text is not None and len(text) > _MAX_TEXT_CHARS:
            return False
    return True


def added(names: tuple[str, ...], given: Ids, united: Ids) -> dict[str, str]:
    """The fields that a line lacks and that are known.

    Args:
        names: of the fields.
        given: the line's own values.
        united: these with those that it lacks.
    """
    return {
        name: known
        for name, own, known in zip(names, given, united, strict=True)
        if own is None and known is not None
    }


def _fill(fields: dict[str, Any], names: tuple[str, ...], given: Ids, ids: Ids) -> None:
    """Add known fields that a line lacks."""
    if new := added(names, given, ids):
        fields |= new
        fields["context"] = [*fields.get("context", ()), *new]


def _seconds(first: str, last: str) -> float:
    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()
