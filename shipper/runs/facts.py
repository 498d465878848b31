"""What a log document says of a run: *facts*, from which the run's own document is made (``runs``).  Pure.

A fact is one thing that happened to one workflow run, pipeline run or session at one moment, in the words of the line
itself: nothing that was filled in from other lines, and nothing of when or by whom it was read.  So a line gives the
same fact whenever and by however many sidecars it is read, and the same again from the index (``rebuild-runs``).
Its key says when, what, and a digest of the rest: facts of one run form a set, and sets can be united in any order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from math import isfinite
from typing import Any
from zlib import crc32

from orjson import dumps, loads

from shipper.document.bids_labels import LABELS, MAX_LABEL_CHARS, bids_name
from shipper.document.unmapped import as_text
from shipper.taxonomy import (
    AUDIT_VERBS,
    MEANINGS,
    PIPELINE_VERBS,
    SESSION_VERBS,
    STATUS_VERBS,
    TASK_VERBS,
    WORKFLOW_VERBS,
    stage_event,
)

Fact = dict[str, Any]
"""What was said: ``verb``, ``source``, ``at`` (UTC; missing where the line had no usable stamp), and what it told."""
RunFacts = dict[str, dict[str, Fact]]
"""Id of a run document → key of a fact → the fact."""
EncodedFact = tuple[str, str | None, bytes]
"""What a line tells of a run: the id of the run's document; the *kind* of fact where newer ones of a kind replace
older ones (``document.kept``); and the fact, behind its key, as JSON: ``"key":{…}``.  Facts wait in their thousands,
and as JSON one takes a quarter of the memory of an object and keeps nothing else of its document."""

UNTIMED = "0000-00-00T00:00:00000000000"
"""What keys of facts without a time begin with, to the nanosecond: they count as the oldest."""
_Extractor = Callable[[dict[str, Any], dict[str, Any], str, list[EncodedFact]], None]
_REPORTING = MEANINGS.keys() | {*AUDIT_VERBS, "status_changed", "validated"}
_QUEUED_TEXT = re.compile(r"Pipeline (?P<pipeline>\S+) (?:\(attempt (?P<attempt>\d+)\) )?queued")
_TRIGGER_TEXT = re.compile(r"Workflow run started \((?P<trigger>[^)]+)\)")
_IDS = ("pipeline", "subject_id", "session_id", "workflow_run_id")
_DISCOVERED_TEXT = re.compile(r" discovered at \S*?/(?P<subject>sub-[^/\s]+)")
_NOTHING: dict[str, Any] = {}
_MAX_ERROR_CHARS = 8191
# Of any other text: no more is indexed, and a run's document holds hundreds of facts.
_MAX_TEXT_CHARS = 1024
_MAX_STAGES = 100
# A stamp as the application writes it.
_USUAL_STAMP_CHARS = len("2026-03-02T10:00:00.000000+00:00")
# Elasticsearch takes ids of up to 512 bytes.
_MAX_ID_BYTES = 512


def facts_of(documents: Iterable[dict[str, Any]]) -> list[EncodedFact]:
    """The facts in these log documents, in their order."""
    found: list[EncodedFact] = []
    # Most documents tell nothing: one look at each has to tell which do.
    for document in documents:
        teller = _extractors_of(document.get("event", _NOTHING).get("action"))
        if teller is not None:
            neuroflow = document["neuroflow"]
            tell = teller[1] if "audit" in neuroflow else teller[0]
            if tell is not None:
                tell(document, neuroflow, document["event"]["action"], found)
    return found


def facts_in(told: Iterable[EncodedFact]) -> RunFacts:
    """The facts that were told, by the run documents that they belong to."""
    facts: RunFacts = {}
    for identity, _, fact in told:
        facts.setdefault(identity, {}).update(loads(b"{%b}" % fact))
    return facts


@lru_cache(4096)
def _extractors_of(action: str | None) -> tuple[_Extractor | None, _Extractor | None] | None:
    """What finds the facts in an event with this action, and in an audit record; None where neither tells any."""
    if action in _REPORTING:
        event = _workflow if action in WORKFLOW_VERBS else _event if action in MEANINGS else None
        return event, _audit
    if action is not None and "stage." in action and stage_event(action):
        return _stage, None
    return None


def _workflow(document: dict[str, Any], neuroflow: dict[str, Any], action: str, found: list[EncodedFact]) -> None:
    if "workflow_run_id" in neuroflow and "workflow_run_id" not in _filled_in(neuroflow):
        details = _workflow_details(document, neuroflow)
        _add(found, f"workflow_run:{neuroflow['workflow_run_id']}", WORKFLOW_VERBS[action], document, details)


def _event(document: dict[str, Any], neuroflow: dict[str, Any], action: str, found: list[EncodedFact]) -> None:
    told = _said(neuroflow)
    verb, run = PIPELINE_VERBS.get(action), neuroflow.get("run_id")
    if "context" in neuroflow and "run_id" in _filled_in(neuroflow):
        run = None
    session = told.get("session_id")
    # Others are keys of the application's database: what becomes of those sessions the audit trail tells.
    if session and session[:4] == "ses-" and "subject_id" in told and action in SESSION_VERBS:
        subject = told["subject_id"]
        details = {"subject_id": subject, "session_id": session}
        if "outcome" in document["event"]:
            details["outcome"] = document["event"]["outcome"]
        _add(found, f"session:{subject}_{session}", SESSION_VERBS[action], document, details)
    if verb is None and "pipeline" in told and action in TASK_VERBS:
        verb = TASK_VERBS[action]
        run = run or neuroflow.get("task", _NOTHING).get("id")
    if verb is not None and run is not None:
        _add(found, f"pipeline_run:{run}", verb, document, _run_details(document, neuroflow, told))


def _stage(document: dict[str, Any], neuroflow: dict[str, Any], action: str, found: list[EncodedFact]) -> None:
    named, verb = stage_event(action) or (None, "")
    name = named or neuroflow.get("stage")
    if name is None or "workflow_run_id" not in neuroflow:
        return
    if "context" in neuroflow and "workflow_run_id" in _filled_in(neuroflow):
        return
    told = _common(document, {"stage": name})
    _add(found, f"workflow_run:{neuroflow['workflow_run_id']}", verb, document, told)


def _audit(document: dict[str, Any], neuroflow: dict[str, Any], action: str, found: list[EncodedFact]) -> None:
    audit = neuroflow["audit"]
    kind, number = audit["entity_type"], audit.get("entity_id")
    if number is None or kind not in {"pipeline_run", "workflow_run", "session"}:
        return
    new = audit.get("new_value")
    status = new.lower() if new else None
    extra = neuroflow.get("extra", {})
    details = extra.get("details")
    told = _said(neuroflow)
    if kind == "session":
        told = {"subject_id": told["subject_id"]} if "subject_id" in told else {}
        if action == "created":
            status = "discovered"
            if new:
                told["label"] = new
                _link_to_row(document, new, number, found)
        if action in {"created", "validated", "status_changed"} and status:
            _add(found, f"session:{number}", "status", document, {**told, "session_id": number, "status": status})
        return
    verb = STATUS_VERBS.get(status or "") if action == "status_changed" else AUDIT_VERBS.get(action)
    if verb is None:
        return
    if verb == "queued" and (audit.get("old_value") or "pending").lower() != "pending":
        verb = "requeued"  # the same row of the database: no other run
    message = document.get("message", "")
    if kind == "workflow_run":
        told = {}
        trigger = _TRIGGER_TEXT.match(message)
        if trigger:
            told["trigger"] = trigger["trigger"]
        elif verb == "created" and new and status not in STATUS_VERBS:
            told["trigger"] = new
    else:
        queued = _QUEUED_TEXT.match(message)
        if queued:
            told["pipeline"] = queued["pipeline"]
            _put_number(told, "attempt", queued["attempt"])
        elif verb == "created" and new and status not in STATUS_VERBS:
            told["pipeline"] = new
    _common(document, told)
    if isinstance(details, dict):
        _put_number(told, "exit_code", details.get("exit_code"))
    _add(found, f"{kind}:{number}", verb, document, told)


def _link_to_row(document: dict[str, Any], label: str, number: str, found: list[EncodedFact]) -> None:
    """A row of the database was made for a session that the event stream knows by its name only."""
    place = _DISCOVERED_TEXT.search(document.get("message", ""))
    if place and len(label) <= MAX_LABEL_CHARS:
        name = f"{place['subject']}_{bids_name(label, LABELS['session'])}"
        _add(found, f"session:{name}", "row", document, {"subject_id": place["subject"], "row": number})


def _said(neuroflow: dict[str, Any]) -> Fact:
    """What the line itself says of whose run it is."""
    said: Fact = {}
    for key in _IDS:
        if key in neuroflow:
            said[key] = neuroflow[key]
    if "context" in neuroflow:
        for key in _filled_in(neuroflow):
            said.pop(key, None)
    return said


def _filled_in(neuroflow: dict[str, Any]) -> list[str]:
    """The fields that were filled in; a synthetic source gives one alone without its list."""
    names = neuroflow.get("context", [])
    return [names] if isinstance(names, str) else names


def _common(document: dict[str, Any], told: Fact) -> Fact:
    """What any event may tell beside: how long it took, what went wrong."""
    event = document["event"]
    if "duration" in event:
        told["duration"] = event["duration"]
    if "error" in document:
        error = document["error"]
        message = error.get("message")
        if isinstance(message, list):
            message = "; ".join(map(str, message))
        if message:
            told["error"] = message[:_MAX_ERROR_CHARS]
        if "type" in error:
            told["error_type"] = error["type"]
    return told


def _run_details(document: dict[str, Any], neuroflow: dict[str, Any], said: Fact) -> Fact:
    told = _common(document, said)
    if "outcome" in document["event"]:
        told["outcome"] = document["event"]["outcome"]
    if "extra" in neuroflow:
        extra = neuroflow["extra"]
        for key in ("attempt", "exit_code"):
            if key in extra:
                _put_number(told, key, extra[key])
    return told


def _workflow_details(document: dict[str, Any], neuroflow: dict[str, Any]) -> Fact:
    told = _common(document, {})
    outcome = document["event"].get("outcome")
    if outcome is not None:
        told["outcome"] = outcome
    extra = neuroflow.get("extra", {})
    for key in ("stages", "stages_completed"):
        _put_number(told, "stages", extra.get(key))
    for key in ("trigger", "trigger_type"):
        if isinstance(extra.get(key), str | int | float):
            told["trigger"] = as_text(extra[key])
    metrics = neuroflow.get("metrics")
    if metrics and (numbers := _numbers(metrics)):
        told["metrics"] = numbers
    return told


def _numbers(metrics: dict[str, Any]) -> dict[str, Any]:
    """The metrics as they always are: a synthetic source sorts keys, and spells moments and numbers its way."""
    ordered = {key: metrics[key] for key in sorted(metrics)}
    for key in ("started_at", "completed_at"):
        if key in ordered:
            ordered[key] = _canonical(ordered[key])
    if "total_duration_seconds" in ordered:
        ordered["total_duration_seconds"] = float(ordered["total_duration_seconds"])
    durations = metrics.get("stage_durations")
    if isinstance(durations, dict):
        seconds = {stage: _float(durations[stage]) for stage in sorted(durations) if len(stage) <= MAX_LABEL_CHARS}
        known = [(stage, number) for stage, number in seconds.items() if number is not None]
        ordered["stage_durations"] = dict(known[:_MAX_STAGES])
        if not known:
            del ordered["stage_durations"]
    return ordered


def _canonical(stamp: str) -> str:
    """A moment in UTC in one spelling: microseconds, and more where there is more."""
    fraction = stamp[20:-1] if stamp[-1] == "Z" else stamp[20:-6]
    return f"{stamp[:19]}.{fraction.rstrip('0'):0<6}Z"


def _float(value: Any) -> float | None:
    """A number that JSON can carry, also where it comes as text."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def _put_number(told: Fact, key: str, value: Any) -> None:
    """A whole number that a long can hold, also where it comes as text; anything else is not told."""
    if isinstance(value, float | bool):
        return  # as text, from the index, it is none
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return
    if -(2**63) <= number < 2**63:
        told[key] = number


def _add(found: list[EncodedFact], identity: str, verb: str, document: dict[str, Any], told: Fact) -> None:
    if len(identity) > _MAX_ID_BYTES // 4 and len(identity.encode()) > _MAX_ID_BYTES:
        return
    told["verb"] = verb
    told["source"] = "audit" if "audit" in document["neuroflow"] else "events"
    stamp = document["@timestamp"]
    if "tags" in document and "no_timestamp" in document["tags"]:
        moment = UNTIMED
    elif len(stamp) == _USUAL_STAMP_CHARS:
        moment, told["at"] = f"{stamp[:19]}{stamp[20:26]}000", f"{stamp[:26]}Z"
    else:
        fraction = stamp[20:-1] if stamp[-1] == "Z" else stamp[20:-6]
        moment, told["at"] = f"{stamp[:19]}{fraction:0<9}", _canonical(stamp)
    # Whoever makes this fact puts its parts in this order.
    said = dumps(told)
    if len(said) > _MAX_TEXT_CHARS:
        for name, text in told.items():
            if type(text) is str and len(text) > _MAX_TEXT_CHARS and name != "error":
                told[name] = text[:_MAX_TEXT_CHARS]
        said = dumps(told)
    # Facts of a kind weigh the same.
    kind = f"{verb} {len(said) >> 10} {' '.join(told)} {told['stage']}" if "stage" in told else None
    found.append((identity, kind, f'"{moment} {verb} {crc32(said):08x}":'.encode() + said))
