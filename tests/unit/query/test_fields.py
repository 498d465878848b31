from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shipper.query.compiler import NAMES, TEXTS, VALUES
from shipper.query.fields import ENTITIES, KINDS, SHORT, closest, resolve, spellings
from shipper.views.highlight import SHOWN

MAPPINGS = Path(__file__).parents[3] / "mappings" / "component_templates"
TYPES = {
    "match_only_text": {"text"}, "keyword": {"keyword"},
    "constant_keyword": {"keyword"},
    "wildcard": {"trace"},
    "long": {"number", "duration"},
    "double": {"number"}, "date": {"date"}, "date_nanos": {"date"}, "flattened": {"flattened"},
}  # fmt: skip


def mapped() -> dict[str, str]:
    """Every field of the log streams, with its type."""
    found: dict[str, str] = {}

    def collect(properties: dict[str, Any], prefix: str) -> None:
        for name, field in properties.items():
            if "type" in field:
                found[f"{prefix}{name}"] = field["type"]
            collect(field.get("properties", {}), f"{prefix}{name}.")

    for path in (*MAPPINGS.glob("*.json"), MAPPINGS.parent / "index_templates/logs-neuroflow.sidecar.json"):
        collect(json.loads(path.read_text())["template"].get("mappings", {}).get("properties", {}), "")
    return found


def test_table_is_what_is_mapped() -> None:
    """The table has each searchable field of the mappings, with a suitable kind, and no other."""
    fields = {name: kind for name, kind in mapped().items() if kind != "binary"}
    assert fields.keys() == KINDS.keys()
    assert not [name for name, kind in fields.items() if KINDS[name] not in TYPES[kind]]


def test_other_tables_name_known_fields() -> None:
    """Short names and highlighted fields exist."""
    assert {field for fields in SHORT.values() for field in fields} <= KINDS.keys()
    assert {*TEXTS, *NAMES, *VALUES, *SHOWN} <= KINDS.keys()
    assert SHORT.keys() >= ENTITIES


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("log.level", ["log.level"]),
        ("level", ["log.level", "neuroflow.extra.level"]),
        ("error", ["error.message", "error.type", "neuroflow.extra.error"]),
        ("neuroflow.extra.a.b", ["neuroflow.extra.a.b"]),
        ("extra.a", ["neuroflow.extra.a"]),
        ("exit_code", ["neuroflow.extra.exit_code"]),
        ("neuroflow.task.*", ["neuroflow.task.id", "neuroflow.task.name"]),
    ],
)
def test_names(name: str, fields: list[str]) -> None:
    """Full names, short ones, patterns, and unmapped keys are resolved."""
    assert fields == [field for field, _ in resolve(name).fields]


def test_nearest() -> None:
    """The nearest known name is suggested."""
    assert "level" == closest("levle")
    assert "neuroflow.run_id" == closest("neuroflow.runid")
    assert closest("xyzzy") is None


def test_spellings() -> None:
    """Prefixes of subjects and sessions, and the names of levels, are optional."""
    assert ["001", "sub-001"] == spellings("neuroflow.subject_id", "001")
    assert ["ses-01", "01"] == spellings("neuroflow.session_id", "ses-01")
    assert ["warning"] == spellings("log.level", "WARN")
    assert ["x"] == spellings("neuroflow.stage", "x")
