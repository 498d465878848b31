"""Installs alerting rules, one by one through Kibana's rule API: they can't be imported like the other objects."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from shipper.kibana.client import KibanaClient
from shipper.kibana.compare import Action, Change, holds
from shipper.kibana.ndjson import Object, unpacked
from shipper.kibana.responses import RULE, Answer, KibanaError, fits, message_of, refusal

NEEDS = "the Kibana privilege Stack Rules: All in this space"

# The namespace of the rules' UUIDs; with another one, every rule would be created a second time.
_RULE_IDS = uuid.UUID("5f0d6c0e-6f5e-5a0c-9d1e-7c1b6f0f2a11")

# Sent when a rule is created, not compared later: a rule that was turned off stays off.
ONLY_AT_CREATION = frozenset({"id", "rule_type_id", "consumer", "enabled"})

# Fields that a lab adds to a rule in Kibana; updating the rule keeps them.
LAB_FIELDS = ("actions", "throttle", "notify_when", "alert_delay", "flapping", "artifacts")


def install_rules(client: KibanaClient, rules: list[Object], *, dry_run: bool) -> tuple[list[Change], list[str]]:
    """Bring the rules of a space to this release's state; a refused one doesn't stop the others.

    Gives a change for each rule, and a message for each refused one.
    """
    changes: list[Change] = []
    refused: list[str] = []
    for rule in rules:
        name = rule["name"]
        try:
            changes.append(Change("rule", name, _install(client, rule, dry_run=dry_run)))
        except _RefusedError as error:
            refused.append(f"rule {name}: {error}")
        except KibanaError as error:
            refused.append(f"rule {name} and those after it: {error}")
            break
    return changes, refused


def rule_id(identity: str, space: str) -> str:
    """The id of a rule in a space: always the same, and another one in each space.

    Kibana accepts UUIDs only, and each in one space only (409).

    Args:
        identity: the id in its file: a name, or the UUID that it has in the default space.
        space: of Kibana.
    """
    try:
        own = uuid.UUID(identity)
    except ValueError:
        own = uuid.uuid5(_RULE_IDS, identity)
    return str(own if space == "default" else uuid.uuid5(own, space))


def same_rule(wanted: Object, found: Mapping[str, Any]) -> bool:
    """Whether a rule in Kibana has all that ours sets; actions that were added to it don't count."""
    ours, theirs = unpacked(wanted), unpacked(dict(found))
    return all(
        (key in LAB_FIELDS and not value) or holds(value, theirs.get(key))
        for key, value in ours.items()
        if key not in ONLY_AT_CREATION
    )


def replacement(wanted: Object, found: Mapping[str, Any]) -> Object:
    """The body that sets the rule to ours and keeps the fields that the lab added."""
    body = {key: value for key, value in wanted.items() if key not in ONLY_AT_CREATION}
    for key in LAB_FIELDS:
        if not body.get(key) and found.get(key):
            body[key] = found[key]
    # Kibana returns the connector's type, and refuses it in a request.
    body["actions"] = [
        {key: value for key, value in action.items() if key != "connector_type_id"}
        for action in body.get("actions", ())
    ]
    return body


class _RefusedError(Exception):
    """One rule was refused; the message is for the reader."""


def _install(client: KibanaClient, rule: Object, *, dry_run: bool) -> Action:
    path = f"/api/alerting/rule/{rule_id(rule['id'], client.space)}"
    there = client.ask("GET", path)
    if there.status == 404 and there.from_kibana:
        if not dry_run:
            body = {key: value for key, value in rule.items() if key != "id"}
            _check(client, client.ask("POST", path, body))
        return "created"
    _check(client, there)
    found = there.json
    if same_rule(rule, found):
        return "unchanged"
    if not dry_run:
        _check(client, client.ask("PUT", path, replacement(rule, found)))
    return "updated"


def _check(client: KibanaClient, answer: Answer) -> None:
    """Raise unless the request succeeded: Kibana then answers with the rule."""
    if answer.ok and fits(answer.json, RULE):
        return
    if answer.status == 401:
        raise KibanaError(refusal(answer, client.place, needs=NEEDS))
    if answer.status == 409:
        raise _RefusedError(
            f"{client.place} answers that its id is taken (409), perhaps by a rule in another space; "
            f"it answered: {message_of(answer)}"
        )
    if answer.status >= 500 and _lacks_key(client):
        raise _RefusedError(
            f"{client.place} has no encryption key, which rules need: set "
            "xpack.encryptedSavedObjects.encryptionKey in its kibana.yml and restart it"
        )
    if answer.status == 400:
        raise _RefusedError(
            f"{client.place} refuses the rule (400), perhaps because it is too old for it; "
            f"it answered: {message_of(answer)}"
        )
    raise _RefusedError(refusal(answer, client.place, needs=NEEDS))


def _lacks_key(client: KibanaClient) -> bool:
    """Whether alerting lacks its encryption key: to a request about a rule Kibana only answers that it failed."""
    health = client.ask("GET", "/api/alerting/_health")
    body = health.json
    if not isinstance(body, dict):
        return False
    return body.get("has_permanent_encryption_key") is False or "encryptionKey" in str(body.get("message"))
