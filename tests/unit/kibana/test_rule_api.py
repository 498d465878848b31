from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from shipper.kibana.ndjson import kibana_rules
from shipper.kibana.rule_api import install_rules, rule_id
from tests.kibana_files import RULE, edit
from tests.unit.kibana.conftest import Clients
from tests.unit.kibana_stand_in import KibanaStandIn, Reply, problem

PATH = f"/api/alerting/rule/{RULE}"


def two(files: Path) -> list[dict[str, Any]]:
    """The rule of the files, and a second one."""
    (rule,) = kibana_rules(files)
    return [rule, {**rule, "id": "6f0c1f6e-3d0a-4c83-9d83-0d6a3f4b7a11", "name": "other"}]


def test_rules_are_made_once_and_kept(client: Clients, kibana: KibanaStandIn, files: Path) -> None:
    """A second run finds them unchanged, with the parameters that Kibana adds."""
    for action in ("created", "unchanged"):
        changes, refused = install_rules(client(), two(files), dry_run=False)
        assert ([action] * 2, []) == ([change.action for change in changes], refused)
    assert 2 == kibana.asked("POST", "/rule/")
    assert 0 == kibana.asked("PUT", "/rule/")


def test_a_rule_that_differs_is_replaced_and_keeps_what_the_lab_added(
    client: Clients, kibana: KibanaStandIn, files: Path
) -> None:
    """Its actions and its enabled state stay; actions alone are no difference."""
    install_rules(client(), kibana_rules(files), dry_run=False)
    action = {"id": "mail", "group": "query matched", "params": {"message": "m"}, "uuid": "u"}
    kibana.rules[RULE] |= {"actions": [{**action, "connector_type_id": ".email"}], "enabled": True}
    (change,), _ = install_rules(client(), kibana_rules(files), dry_run=False)
    assert "unchanged" == change.action
    edit(files / "rules" / "small-errors.json", schedule={"interval": "1h"})
    (change,), refused = install_rules(client(), kibana_rules(files), dry_run=False)
    assert ("updated", []) == (change.action, refused)
    stored = kibana.rules[RULE]
    assert ({"interval": "1h"}, True) == (stored["schedule"], stored["enabled"])
    assert [action] == [{key: one[key] for key in action} for one in stored["actions"]]


def test_a_query_is_compared_by_what_it_says(client: Clients, kibana: KibanaStandIn, files: Path) -> None:
    """Queries are compared as JSON."""
    install_rules(client(), kibana_rules(files), dry_run=False)
    parameters = kibana.rules[RULE]["params"]
    parameters["esQuery"] = json.dumps(json.loads(parameters["esQuery"]), indent=2)
    (change,), _ = install_rules(client(), kibana_rules(files), dry_run=False)
    assert "unchanged" == change.action


def test_each_space_has_its_own_rules() -> None:
    """A rule has a fixed id in each space, since Kibana allows an id in one space only."""
    assert RULE == rule_id(RULE, "default")
    assert rule_id(RULE, "lab") == rule_id(RULE, "lab")
    assert 3 == len({rule_id(RULE, space) for space in ("default", "lab", "other")})


def test_a_name_becomes_an_id_that_stays() -> None:
    """The UUID depends on the name and the space."""
    assert "e3c7febf-3da4-50f1-a9ed-86d4e41a94c0" == rule_id("neuroflow-stuck-run", "default")
    found = {rule_id(name, space) for name in ("neuroflow-stuck-run", "other") for space in ("default", "lab")}
    assert 4 == len(found)
    assert found == {str(uuid.UUID(one)) for one in found}


@pytest.mark.parametrize(
    ("sentence", "method", "reply"),
    [
        ("(403): the key or user needs the Kibana privilege Stack Rules: All", "POST", problem(403, "no")),
        ("(403): the key or user needs the Kibana privilege Stack Rules: All", "GET", problem(403, "no")),
        ("answers that its id is taken (409), perhaps by a rule in another space; ", "POST", problem(409, "c")),
        (
            "refuses the rule (400), perhaps because it is too old for it; it answered: params invalid",
            "POST",
            problem(400, "params invalid: [searchType]"),
        ),
        ("failed (500): look at Kibana's log", "POST", problem(500, "An internal server error occurred.")),
        ("instead of Kibana's JSON", "GET", (404, {}, b"<html>")),
        ("answered 200", "GET", (200, {"kbn-name": "x"}, b"[]")),
    ],
)  # fmt: skip
def test_a_rule_that_is_refused_does_not_hold_up_the_others(
    client: Clients, kibana: KibanaStandIn, files: Path, sentence: str, method: str, reply: Reply
) -> None:
    """The refused rule is named with the reason."""
    kibana.always[method, PATH] = reply
    changes, refused = install_rules(client(), two(files), dry_run=False)
    assert ["other"] == [change.name for change in changes]
    (said,) = refused
    assert said.startswith(f"rule small errors: {kibana.url} ")
    assert sentence in said


@pytest.mark.parametrize(
    "health",
    [
        (200, {"kbn-name": "x"}, b'{"has_permanent_encryption_key": false}'),
        problem(400, "Unable to create alerts client … set xpack.encryptedSavedObjects.encryptionKey in the …"),
    ],
)
def test_a_missing_encryption_key_is_named(
    client: Clients, kibana: KibanaStandIn, files: Path, health: Reply
) -> None:
    """Kibana's health names it; the rule's own error does not."""
    kibana.always["GET", PATH] = problem(500, "An internal server error occurred.")
    kibana.always["GET", "/api/alerting/_health"] = health
    _, (said,) = install_rules(client(), kibana_rules(files), dry_run=False)
    assert "set xpack.encryptedSavedObjects.encryptionKey in its kibana.yml and restart it" in said


def test_where_nobody_is_known_no_rule_is_tried_further(client: Clients, kibana: KibanaStandIn, files: Path) -> None:
    """After a 401 no further rule is sent."""
    kibana.always["GET", PATH] = problem(401, "no")
    changes, (said,) = install_rules(client(), two(files), dry_run=False)
    assert [] == changes
    assert said.startswith(f"rule small errors and those after it: {kibana.url}: authentication failed (401)")
    assert 1 == len(kibana.requests)
