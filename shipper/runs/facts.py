"""Log documents → *facts* about runs, from which run documents are made (``runs.document``).  Pure.

A fact is one thing that happened to one workflow run, pipeline run or session at one moment.  It holds only what the
line itself contains: no field that was filled in from other lines, no time of reading, no host.  So a line gives the
same fact whichever sidecar reads it and whenever, and the same again from the index (``rebuild-runs``).
The key of a fact is its time, its verb and a digest of the rest: facts of one run form a set, united in any order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from math import isfinite
from typing import Any

from orjson import dumps, loads

from shipper.document.bids_labels import LABELS, MAX_LABEL_CHARS, bids_name
from shipper.document.fact_templates import EncodedFact, TemplateFacts, as_json, keyed
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
"""``verb``, ``source`` (audit or events), ``at`` (UTC; missing where the line has no usable stamp), and details."""
RunFacts = dict[str, dict[str, Fact]]
"""Id of a run document → key of a fact → the fact."""
WaitingFacts = dict[str, dict[str, Fact] | bytes | TemplateFacts]
"""Id of a run document → its facts, which are decoded when they are written."""

UNTIMED = "0000-00-00T00:00:00000000000"
"""The time in the keys of facts without one: they sort as the oldest."""
_Extractor = Callable[[dict[str, Any], dict[str, Any], str, list[EncodedFact]], None]
_REPORTING = MEANINGS.keys() | {*AUDIT_VERBS, "status_changed", "validated"}
_QUEUED_TEXT = re.compile(r"Pipeline (?P<pipeline>\S+) (?:\(attempt (?P<attempt>\d+)\) )?queued")
_TRIGGER_TEXT = re.compile(r"Workflow run started \((?P<trigger>[^)]+)\)")
IDS = ("pipeline", "subject_id", "session_id", "workflow_run_id")
_DISCOVERED_TEXT = re.compile(r" discovered at \S*?/(?P<subject>sub-[^/\s]+)")
_NOTHING: dict[str, Any] = {}
_MAX_ERROR_CHARS = 8191
# Of any text but an error: run documents hold hundreds of facts.
_MAX_TEXT_CHARS = 1024
_MAX_STAGES = 100
# A timestamp as the application writes it.
_USUAL_STAMP_CHARS = len("2026-03-02T10:00:00.000000+00:00")
# Elasticsearch's limit for an ``_id``.
_MAX_ID_BYTES = 512


def facts_of(documents: Iterable[dict[str, Any]]) -> list[EncodedFact]:
    """The facts in these log documents, in their order."""
    found: list[EncodedFact] = []
    # Most documents contain no fact: one cached look-up of the action decides.
    for document in documents:
        extractors = _extractors_of(document.get("event", _NOTHING).get("action"))
        if extractors is not None:
            neuroflow = document["neuroflow"]
            extract = extractors[1] if "audit" in neuroflow else extractors[0]
            if extract is not None:
                extract(document, neuroflow, document["event"]["action"], found)
    return found


@lru_cache(4096)
def _extractors_of(action: str | None) -> tuple[_Extractor | None, _Extractor | None] | None:
    """What extracts the facts of an event with this action and of an audit record; None where there are none."""
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
    fact = _own_ids(neuroflow)
    verb, run = PIPELINE_VERBS.get(action), neuroflow.get("run_id")
    if "context" in neuroflow and "run_id" in _filled_in(neuroflow):
        run = None
    session = fact.get("session_id")
    # Sessions named by row id instead of label get their facts from the audit trail.
    if session and session[:4] == "ses-" and "subject_id" in fact and action in SESSION_VERBS:
        subject = fact["subject_id"]
        details = {"subject_id": subject, "session_id": session}
        if "outcome" in document["event"]:
            details["outcome"] = document["event"]["outcome"]
        _add(found, f"session:{subject}_{session}", SESSION_VERBS[action], document, details)
    if verb is None and "pipeline" in fact and action in TASK_VERBS:
        verb = TASK_VERBS[action]
        run = run or neuroflow.get("task", _NOTHING).get("id")
    if verb is not None and run is not None:
        _add(found, f"pipeline_run:{run}", verb, document, _run_details(document, neuroflow, fact))


def _stage(document: dict[str, Any], neuroflow: dict[str, Any], action: str, found: list[EncodedFact]) -> None:
    named, verb = stage_event(action) or (None, "")
    name = named or neuroflow.get("stage")
    if name is None or "workflow_run_id" not in neuroflow:
        return
    if "context" in neuroflow and "workflow_run_id" in _filled_in(neuroflow):
        return
    fact = _common(document, {"stage": name})
    _add(found, f"workflow_run:{neuroflow['workflow_run_id']}", verb, document, fact)


def _audit(document: dict[str, Any], neuroflow: dict[str, Any], action: str, found: list[EncodedFact]) -> None:
    audit = neuroflow["audit"]
    kind, number = audit["entity_type"], audit.get("entity_id")
    if number is None or kind not in {"pipeline_run", "workflow_run", "session"}:
        return
    new = audit.get("new_value")
    status = new.lower() if new else None
    extra = neuroflow.get("extra", {})
    details = extra.get("details")
    fact = _own_ids(neuroflow)
    if kind == "session":
        fact = {"subject_id": fact["subject_id"]} if "subject_id" in fact else {}
        if action == "created":
            status = "discovered"
            if new:
                fact["label"] = new
                _link_to_row(document, new, number, found)
        if action in {"created", "validated", "status_changed"} and status:
            _add(found, f"session:{number}", "status", document, {**fact, "session_id": number, "status": status})
        return
    verb = STATUS_VERBS.get(status or "") if action == "status_changed" else AUDIT_VERBS.get(action)
    if verb is None:
        return
    if verb == "queued" and (audit.get("old_value") or "pending").lower() != "pending":
        verb = "requeued"  # the same database row: the same run
    message = document.get("message", "")
    if kind == "workflow_run":
        fact = {}
        trigger = _TRIGGER_TEXT.match(message)
        if trigger:
            fact["trigger"] = trigger["trigger"]
        elif verb == "created" and new and status not in STATUS_VERBS:
            fact["trigger"] = new
    else:
        queued = _QUEUED_TEXT.match(message)
        if queued:
            fact["pipeline"] = queued["pipeline"]
            _put_number(fact, "attempt", queued["attempt"])
        elif verb == "created" and new and status not in STATUS_VERBS:
            fact["pipeline"] = new
    _common(document, fact)
    if isinstance(details, dict):
        _put_number(fact, "exit_code", details.get("exit_code"))
    _add(found, f"{kind}:{number}", verb, document, fact)


def _link_to_row(document: dict[str, Any], label: str, number: str, found: list[EncodedFact]) -> None:
    """Link a session's label, which is all that the event stream has, to its new row in the database."""
    place = _DISCOVERED_TEXT.search(document.get("message", ""))
    if place and len(label) <= MAX_LABEL_CHARS:
        name = f"{place['subject']}_{bids_name(label, LABELS['session'])}"
        _add(found, f"session:{name}", "row", document, {"subject_id": place["subject"], "row": number})


def _own_ids(neuroflow: dict[str, Any]) -> Fact:
    """The ids in the line itself, without those that were filled in from other lines."""
    ids: Fact = {}
    for key in IDS:
        if key in neuroflow:
            ids[key] = neuroflow[key]
    if "context" in neuroflow:
        for key in _filled_in(neuroflow):
            ids.pop(key, None)
    return ids


def _filled_in(neuroflow: dict[str, Any]) -> list[str]:
    """The fields that were filled in; synthetic ``_source`` returns a list of one as a scalar."""
    names = neuroflow.get("context", [])
    return [names] if isinstance(names, str) else names


def _common(document: dict[str, Any], fact: Fact) -> Fact:
    """Add what any event may have: duration, error and error type."""
    event = document["event"]
    if "duration" in event:
        fact["duration"] = event["duration"]
    if "error" in document:
        error = document["error"]
        message = error.get("message")
        if isinstance(message, list):
            message = "; ".join(map(str, message))
        if message:
            fact["error"] = message[:_MAX_ERROR_CHARS]
        if "type" in error:
            fact["error_type"] = error["type"]
    return fact


def _run_details(document: dict[str, Any], neuroflow: dict[str, Any], ids: Fact) -> Fact:
    fact = _common(document, ids)
    if "outcome" in document["event"]:
        fact["outcome"] = document["event"]["outcome"]
    if "extra" in neuroflow:
        extra = neuroflow["extra"]
        for key in ("attempt", "exit_code"):
            if key in extra:
                _put_number(fact, key, extra[key])
    return fact


def _workflow_details(document: dict[str, Any], neuroflow: dict[str, Any]) -> Fact:
    fact = _common(document, {})
    outcome = document["event"].get("outcome")
    if outcome is not None:
        fact["outcome"] = outcome
    extra = neuroflow.get("extra", {})
    for key in ("stages", "stages_completed"):
        _put_number(fact, "stages", extra.get(key))
    for key in ("trigger", "trigger_type"):
        if isinstance(extra.get(key), str | int | float):
            fact["trigger"] = as_text(extra[key])
    metrics = neuroflow.get("metrics")
    if metrics and (numbers := _numbers(metrics)):
        fact["metrics"] = numbers
    return fact


def _numbers(metrics: dict[str, Any]) -> dict[str, Any]:
    """The metrics in one spelling: synthetic ``_source`` sorts keys and reformats times and numbers."""
    ordered = {key: metrics[key] for key in sorted(metrics)}
    for key in ("started_at", "completed_at"):
        if key in ordered:
            ordered[key] = _canonical(ordered[key])
    if "total_duration_seconds" in ordered:
        ordered["total_duration_seconds"] = float(ordered["total_duration_seconds"])
    durations = metrics.get("stage_durations")
    if isinstance(durations, dict):
        seconds = {stage: _float(durations[stage]) for stage in sorted(durations) if len(stage) <= MAX_LABEL_CHARS}
        finite = [(stage, number) for stage, number in seconds.items() if number is not None]
        ordered["stage_durations"] = dict(finite[:_MAX_STAGES])
        if not finite:
            del ordered["stage_durations"]
    return ordered


def _canonical(stamp: str) -> str:
    """A UTC time in one spelling: six digits of fraction, more only where needed."""
    fraction = stamp[20:-1] if stamp[-1] == "Z" else stamp[20:-6]
    return f"{stamp[:19]}.{fraction.rstrip('0'):0<6}Z"


def _float(value: Any) -> float | None:
    """A finite number, also from text; None for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def _put_number(fact: Fact, key: str, value: Any) -> None:
    """Add an integer that fits a long, also from text; ignore anything else."""
    if isinstance(value, float | bool):
        return  # read back from the index it would be text that is no integer
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return
    if -(2**63) <= number < 2**63:
        fact[key] = number


def _add(found: list[EncodedFact], identity: str, verb: str, document: dict[str, Any], fact: Fact) -> None:
    if len(identity) > _MAX_ID_BYTES // 4 and len(identity.encode()) > _MAX_ID_BYTES:
        return
    fact["verb"] = verb
    fact["source"] = "audit" if "audit" in document["neuroflow"] else "events"
    stamp = document["@timestamp"]
    if "tags" in document and "no_timestamp" in document["tags"]:
        moment = UNTIMED
    elif len(stamp) == _USUAL_STAMP_CHARS:
        moment, fact["at"] = f"{stamp[:19]}{stamp[20:26]}000", f"{stamp[:26]}Z"
    else:
        fraction = stamp[20:-1] if stamp[-1] == "Z" else stamp[20:-6]
        moment, fact["at"] = f"{stamp[:19]}{fraction:0<9}", _canonical(stamp)
    # The digest in the key depends on the order of the fields: every extractor adds them in the same order.
    encoded = dumps(fact)
    if len(encoded) > _MAX_TEXT_CHARS:
        for name, text in fact.items():
            if type(text) is str and len(text) > _MAX_TEXT_CHARS and name != "error":
                fact[name] = text[:_MAX_TEXT_CHARS]
        encoded = dumps(fact)
    # Facts of a kind have the same weight.
    kind = f"{verb} {len(encoded) >> 10} {' '.join(fact)} {fact['stage']}" if "stage" in fact else None
    found.append((identity, kind, keyed(moment, verb, encoded)))


def decoded(waiting: dict[str, Fact] | bytes | TemplateFacts) -> dict[str, Fact]:
    """Facts of one run, with their keys."""
    if isinstance(waiting, dict):
        return waiting
    if isinstance(waiting, tuple):
        waiting = b"{%b}" % b",".join(as_json(waiting))
    facts: dict[str, Fact] = loads(waiting)
    return facts
