"""What earlier lines said about a run, for later lines that name only its id.

``pipeline.completed run_id=456`` means little without pipeline, subject and session, which only the
``pipeline.queued`` before it names.  To name the wrong patient is worse than to name none: ids are used again when a
database is made anew, and files are read in any order.  So what is known of an id is kept by *lives*, and a line gets
only what belongs to the life that it falls into.  Bounded: the ids heard of first are forgotten first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from itertools import islice
from typing import Any

import orjson

from shipper.taxonomy import BIRTH_VERBS, END_VERBS, MEANINGS, PIPELINE_VERBS, SAME_BIRTH_SECONDS

FIELDS = ("pipeline", "subject_id", "session_id", "workflow_run_id")
"""What a line may get from earlier ones, by its last name under ``neuroflow``."""
_OF_TASK = ("run_id", *FIELDS)


def _events(verbs: Collection[str]) -> frozenset[str]:
    """The names of the events that report one of these verbs for a pipeline run, callbacks' excepted."""
    return frozenset(name for name, verb in PIPELINE_VERBS.items() if verb in verbs and not MEANINGS[name].callback)


_BIRTHS = _events(BIRTH_VERBS["pipeline_run"])
_STARTS = _events({"started"})
_ENDS = _events(END_VERBS | {"finished"})
_RETRIES = _events({"requeued"})
_NAMES = frozenset({"sub-", "ses-"})
_TURNING_POINTS = frozenset({*_BIRTHS, *_STARTS, *_ENDS, *_RETRIES})
_MAX_LIVES = 4
# A longer text is nobody's id, and thousands of megabytes of them must not be remembered.
_MAX_TEXT_CHARS = 512
# Moments are compared as UTC texts down to the microsecond; how they name UTC differs.
_MICROSECONDS = 26
# Seconds: clocks of several workers differ; what a run can take; how long after its end it is
# spoken of; how long nothing may be said of one that has not ended.
_SLACK, _LONGEST_RUN, _AFTER_END, _SILENCE = 5, 86_400, 86_400, 30 * 86_400

_Ids = tuple[str | None, ...]


class _Life:
    """One run under an id: from when to when it was spoken of, when it ended, and what is known of it.

    ``born``: its beginning was seen; ``begun``: it is more than queued.
    """

    __slots__ = ("begun", "born", "ended", "known", "since", "until")

    def __init__(self, since: str, until: str, known: Iterable[str | None]) -> None:
        self.since, self.until = since, until
        self.ended = ""
        self.born = self.begun = False
        self.known: _Ids = tuple(known)

    @classmethod
    def of(cls, row: list[Any]) -> _Life:
        """One that was remembered."""
        life = cls(row[0], row[1], row[5:])
        life.ended, life.born, life.begun = row[2:5]
        return life

    def row(self) -> list[Any]:
        """What it can be made from again."""
        return [self.since, self.until, self.ended, self.born, self.begun, *self.known]

    def covers(self, action: str | None, moment: str) -> bool:
        """Whether a line of this moment may speak of this run."""
        if moment < self.since:
            # Its beginning may be read after what followed it, in another file.
            awaited = action in _BIRTHS and not self.born
            return _seconds(moment, self.since) <= (_LONGEST_RUN if awaited else _SLACK)
        if moment <= self.until or moment[:10] == self.until[:10]:
            return True
        if self.ended:
            return _seconds(self.ended, moment) <= _AFTER_END
        return _seconds(self.until, moment) <= _SILENCE

    def accepts(self, action: str | None, moment: str) -> bool:
        """Whether an event of this run can happen now; else it begins another life."""
        if action in _BIRTHS:
            return moment <= self.until or not (self.begun or _seconds(self.since, moment) > SAME_BIRTH_SECONDS)
        return not (action in _STARTS and self.ended and moment > self.ended)

    def observe(self, action: str | None, moment: str) -> bool:
        """It was spoken of; gives whether that is worth remembering over a restart."""
        news = False
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
    """Remembers what is known of the last runs and tasks that were spoken of.

    Args:
        most: how many runs and tasks are remembered.
        rows: what ``changes`` gave in earlier runs of the sidecar.
    """

    def __init__(self, most: int = 20_000, rows: Iterable[tuple[str, str]] = ()) -> None:
        self._most = most
        self._runs: dict[str, list[_Life]] = {}
        self._tasks: dict[str, _Ids] = {}
        self._changed: dict[tuple[str, str], None] = {}
        for key, value in rows:
            kind, _, name = key.partition(":")
            if kind == "run":
                self._runs[name] = [_Life.of(row) for row in orjson.loads(value)]
            elif kind == "task":
                self._tasks[name] = tuple(orjson.loads(value))

    def changes(self) -> list[tuple[str, str | None]]:
        """What has to be remembered over a restart since this was last asked: keys and values, None for forgotten."""
        rows: list[tuple[str, str | None]] = []
        for kind, name in self._changed:
            key = f"{kind}:{name}"
            if kind == "run":
                lives = self._runs.get(name)
                rows.append((key, orjson.dumps([life.row() for life in lives]).decode() if lives else None))
            else:
                task = self._tasks.get(name)
                rows.append((key, orjson.dumps(task).decode() if task else None))
        self._changed = {}
        return rows

    def complete(self, fields: dict[str, Any], action: str | None, moment: str, *, learn: bool = True) -> None:
        """Fill in what a line leaves out about its run, and learn what it says.

        Args:
            fields: of the line, by their last name under ``neuroflow``; has ``run_id``.  What is filled in is named
                under ``context``.
            action: what happened.
            moment: when, in UTC; empty if the line does not say.
            learn: it says something new of the run, and is not only to be filled in.
        """
        run, get = fields["run_id"], fields.get
        said = (get("pipeline"), get("subject_id"), get("session_id"), get("workflow_run_id"))
        moment = moment[:_MICROSECONDS]
        lives = self._runs.get(run)
        life = None
        if lives is not None:
            life = lives[-1]
            # Nearly every line goes on with what is known of the run.
            if (
                said != life.known
                or life.since > moment
                or (action in _TURNING_POINTS and not (life.begun and action in _ENDS))
                or not life.covers(action, moment)
            ):
                life = _find_life(lives, said, action, moment)
        if life is None:
            if learn and moment and (any(said) or action in _BIRTHS) and _is_short((run, *said)):
                self._begin(run, _Life(moment, moment, said), action, moment)
            return
        if learn and moment and life.observe(action, moment):
            self._changed["run", run] = None
        if said == life.known:
            return
        merged = _fill(fields, FIELDS, said, life.known)
        if learn and merged != life.known and _is_short(said):
            life.known = merged
            self._changed["run", run] = None

    def complete_task(self, fields: dict[str, Any]) -> None:
        """The same for a line that names its task; ids of tasks are never used again.

        Args:
            fields: of the line, by their last name under ``neuroflow``; has ``task``.
        """
        task, get = fields["task"].get("id"), fields.get
        if task is None:
            return
        said = (get("run_id"), get("pipeline"), get("subject_id"), get("session_id"), get("workflow_run_id"))
        known = self._tasks.get(task)
        if known is None:
            if any(said) and _is_short((task, *said)):
                self._tasks[task] = said
                self._changed["task", task] = None
                self._forget(self._tasks, "task")
            return
        if said == known or _contradicts(said, known):
            return
        merged = _fill(fields, _OF_TASK, said, known)
        if merged != known and _is_short(said):
            self._tasks[task] = merged
            self._changed["task", task] = None

    def _begin(self, run: str, life: _Life, action: str | None, moment: str) -> None:
        life.observe(action, moment)
        lives = self._runs.setdefault(run, [])
        lives.append(life)
        lives.sort(key=lambda one: one.since)
        del lives[:-_MAX_LIVES]
        self._changed["run", run] = None
        self._forget(self._runs, "run")

    def _forget(self, memory: dict[str, Any], kind: str) -> None:
        if len(memory) > self._most:
            # A run lives hours, the memory holds days of them.
            for old in list(islice(memory, max(1, self._most // 10))):
                del memory[old]
                self._changed[kind, old] = None


def _find_life(lives: list[_Life], said: _Ids, action: str | None, moment: str) -> _Life | None:
    """The life that a line speaks of, or None: of another that is not known yet, or of one that nobody can tell."""
    if moment:
        # One that is known to have been spoken of then, before one that may have been.
        lives = [one for one in lives if one.since <= moment <= one.until] or [
            one for one in lives if one.covers(action, moment)
        ]
    for life in reversed(lives):
        if said == life.known or not _contradicts(said, life.known):
            return None if moment and not life.accepts(action, moment) else life
    return None


def _contradicts(said: _Ids, known: _Ids) -> bool:
    """Whether a line speaks of something else; a key of the database and a name do not contradict each other."""
    for new, old in zip(said, known, strict=True):
        if new != old and new is not None and old is not None and (new[:4] in _NAMES) == (old[:4] in _NAMES):
            return True
    return False


def _is_short(texts: _Ids) -> bool:
    return all(text is None or len(text) <= _MAX_TEXT_CHARS for text in texts)


def _fill(fields: dict[str, Any], names: tuple[str, ...], said: _Ids, known: _Ids) -> _Ids:
    """Fill in what a line leaves out; gives all that is known with it."""
    merged = list(said)
    filled = []
    for index, new in enumerate(said):
        if new is None and (old := known[index]) is not None:
            merged[index] = fields[names[index]] = old
            filled.append(names[index])
    if filled:
        fields["context"] = fields["context"] + filled if "context" in fields else filled
    return tuple(merged)


def _seconds(first: str, last: str) -> float:
    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()
