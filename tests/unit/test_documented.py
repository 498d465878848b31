"""The reference pages list everything that exists, with its default, and nothing else."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import shipper.emit
from shipper.config import DATASETS, DEFAULT_LOG_DIR, Elasticsearch, Format, Input, Kibana, Redact, Shipper
from shipper.deliver.dead_letters import Letter
from shipper.elastic.privileges import NEEDS
from shipper.elastic.roles import roles
from shipper.query.fields import SHORT
from shipper.redact.key_value_spans import words
from shipper.redact.secrets import Secrets
from shipper.reload import CHANGES, Change
from shipper.tail.sources import builtin_sources
from tests.pages import DOCS, PAGES, ROOT, code, codes, own_part, roles_of_keys, rows, section, text_of

SECTIONS: dict[str, type[BaseModel]] = {"elasticsearch": Elasticsearch, "kibana": Kibana, "shipper": Shipper}
APPLIES = {Change.AT_ONCE: "at once", Change.AT_RESTART: "restart", Change.FOR_COMMANDS: "next command"}


def keys(model: type[BaseModel], above: str) -> Iterator[tuple[str, Any]]:
    """Every key of a section with its default, nested sections included."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from keys(field.annotation, f"{above}.{name}")
        else:
            yield f"{above}.{name}", field.default


KEYS = dict(entry for name, model in SECTIONS.items() for entry in keys(model, name))


def meant(key: str, written: str) -> Any:
    """The default in the form of the configuration."""
    *above, name = key.split(".")
    given: Any = {name: yaml.safe_load(written)}
    for part in reversed(above[1:]):
        given = {part: given}
    value: Any = SECTIONS[above[0]].model_validate(given)
    for part in key.split(".")[1:]:
        value = getattr(value, part)
    return value


def test_every_key_of_the_configuration() -> None:
    """Each key has its table row with default and reload behaviour, and there are no other rows."""
    found = rows(text_of(DOCS / "configuration.md"), "Key", "Default", "A change applies")
    of_application = {"logging.log_dir", "paths.log_dir"}
    documented = {code(row["Key"]): row for row in found}
    assert len(found) == len(documented)
    assert KEYS.keys() | of_application == documented.keys()
    assert str(DEFAULT_LOG_DIR) == code(documented["logging.log_dir"]["Default"])
    for key, default in KEYS.items():
        assert (key, default) == (key, meant(key, code(documented[key]["Default"])))
        assert (key, APPLIES[CHANGES[key]]) == (key, documented[key]["A change applies"])


def test_every_key_of_an_input() -> None:
    """Each key has its default, and each format and dataset is listed."""
    text = section(DOCS / "configuration.md", "More inputs")
    documented = {code(row["Key of an input"]): row for row in rows(text, "Key of an input", "Default")}
    assert Input.model_fields.keys() == documented.keys()
    for name, field in Input.model_fields.items():
        shown = documented[name]["Default"]
        assert ("required" if field.default is PydanticUndefined else f"`{field.default}`") == shown
    assert set(get_args(Format)) == set(codes(documented["format"]["Effect"]))
    assert set(DATASETS) == set(codes(documented["dataset"]["Effect"]))


def test_keys_that_pages_name_exist() -> None:
    """A full key on any page is a key or a section."""
    known = {part for key in KEYS for part in (key, key.rpartition(".")[0], key.split(".")[0])}
    named = {
        (page.name, found[1])
        for page in PAGES
        for text in codes(text_of(page))
        if (found := re.fullmatch(r"((?:elasticsearch|kibana|shipper)\.[a-z_.]+)(?::.*)?", text)) is not None
        and not is_module(found[1])
        and not is_module(f"shipper.{found[1]}")
    }
    assert {("privacy.md", "shipper.redact.keys")} <= named
    assert set() == {(page, key) for page, key in named if key not in known}


def is_module(name: str) -> bool:
    """Whether it is a module of the package, or a name in one."""
    try:
        if importlib.util.find_spec(name) is not None:
            return True
        parent, _, member = name.rpartition(".")
        return hasattr(importlib.import_module(parent), member)
    except ModuleNotFoundError:
        return False


def mapped(properties: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Fields of a mapping by full names, with their types."""
    for name, field in properties.items():
        if "type" in field:
            yield f"{above}{name}", field["type"]
        for below in ("properties", "fields"):
            yield from mapped(field.get(below, {}), f"{above}{name}.")


def mapping(*files: str) -> dict[str, str]:
    """The fields of some templates."""
    bodies = [json.loads((ROOT / "mappings" / file).read_text(encoding="utf-8")) for file in files]
    return {name: kind for body in bodies for name, kind in mapped(body["template"]["mappings"]["properties"])}


LINES = mapping("component_templates/neuroflow-ecs.json", "component_templates/neuroflow-fields.json")
RUNS = mapping("index_templates/neuroflow-runs.json")
OWN = {
    name: kind for name, kind in mapping("index_templates/logs-neuroflow.sidecar.json").items() if "sidecar." in name
}


@pytest.mark.parametrize(
    ("heading", "fields"),
    [("Fields of a log document", LINES), ("Run documents", RUNS), ("Documents of the sidecar itself", OWN)],
)
def test_every_field(heading: str, fields: dict[str, str]) -> None:
    """All mapped fields are listed with their types, and no others."""
    text = own_part(DOCS / "formats-and-fields.md", heading)
    assert fields == {code(row["Field"]): code(row["Type"]) for row in rows(text, "Field", "Type")}


def not_indexed(properties: dict[str, Any], above: str = "") -> Iterator[str]:
    """Fields of a mapping that have no index, by full names."""
    for name, field in properties.items():
        if field.get("index") is False:
            yield f"{above}{name}"
        yield from not_indexed(field.get("properties", {}), f"{above}{name}.")


def test_every_field_without_an_index() -> None:
    """All of them are named, and no others."""
    body = json.loads((ROOT / "mappings/component_templates/neuroflow-ecs.json").read_text(encoding="utf-8"))
    text = own_part(DOCS / "formats-and-fields.md", "Fields of a log document")
    [paragraph] = [each for each in text.split("\n\n") if "these fields have no index" in " ".join(each.split())]
    named = codes(paragraph.partition("no index:")[2].partition(". Elasticsearch")[0])
    assert set(not_indexed(body["template"]["mappings"]["properties"])) == set(named)


def leaves(value: Any, above: str = "") -> Iterator[str]:
    """The full names of a document's fields; a flattened field is one."""
    if isinstance(value, dict) and LINES.get(above) != "flattened":
        for key, item in value.items():
            yield from leaves(item, f"{above}.{key}" if above else key)
    else:
        yield above


def test_every_field_that_is_written() -> None:
    """Every field of documents of every format is described."""
    written: set[str] = set()
    tags: set[str] = set()
    for path in sorted((ROOT / "tests/golden").glob("*.expected.json")):
        for document in json.loads(path.read_text(encoding="utf-8")):
            written.update(leaves(document))
            tags.update(document.get("tags", ()))
    assert {"neuroflow.extra", "log.offset"} <= written
    assert set() == written - LINES.keys()
    assert tags <= {code(row["Tag"]) for row in rows(text_of(DOCS / "formats-and-fields.md"), "Tag")}


@cache
def sources() -> list[ast.Module]:
    """Every module of the program."""
    return [ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "shipper").rglob("*.py"))]


def given_to(*methods: str) -> set[str]:
    """The constant texts in calls of methods with these names."""
    return {
        argument.value
        for tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in methods
        for argument in node.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


def test_every_tag_and_flag() -> None:
    """The tags and flags of parsers and documents are listed."""
    text = section(DOCS / "formats-and-fields.md", "Tags")
    of_documents = {"no_timestamp", "checksum_failed"}
    assert given_to("tag") | of_documents == {code(row["Tag"]) for row in rows(text, "Tag")}
    assert given_to("flag") | {"truncated"} == {
        code(row["Flag in `log.flags`"]) for row in rows(text, "Flag in `log.flags`")
    }


def test_every_built_in_input() -> None:
    """Pattern, format and stream of each input are listed, and every format is explained."""
    page = DOCS / "formats-and-fields.md"
    built_in = [
        (source.pattern.removeprefix("/l/"), source.format, f"logs-neuroflow.{source.dataset}-*")
        for source in builtin_sources(Path("/l"))
    ]
    described = [
        tuple(code(row[head]) for head in ("Pattern", "Format", "Data stream"))
        for row in rows(section(page, "Which files are read"), "Pattern", "Format")
    ]
    assert sorted(built_in) == sorted(described)
    assert set(get_args(Format)) == {code(row["Format"]) for row in rows(section(page, "Formats"), "Format", "Lines")}


def test_every_short_name() -> None:
    """Each short name of queries is listed with its field."""
    found = rows(section(DOCS / "queries.md", "Fields"), "Short name", "Field")
    assert {name: list(fields) for name, fields in SHORT.items()} == {
        code(row["Short name"]): codes(row["Field"]) for row in found
    }


def test_every_privilege() -> None:
    """The table equals what ``check`` tests."""
    found = rows(text_of(DOCS / "permissions.md"), "Work", "Cluster privileges")
    assert [need.work for need in NEEDS] == [row["Work"] for row in found]
    for need, row in zip(NEEDS, found, strict=True):
        assert (need.work, sorted(need.cluster), sorted(need.streams), sorted(need.runs), sorted(need.roles)) == (
            need.work,
            codes(row["Cluster privileges"]),
            codes(row["Privileges on `logs-neuroflow.*-*`"]),
            codes(row["Privileges on `neuroflow-runs-*`"]),
            codes(row["Roles"]),
        )


def test_every_name_of_a_secret() -> None:
    """Each listed name and each of its forms is redacted, and the list is complete."""
    listed = codes(section(DOCS / "privacy.md", "Secrets").partition("They are found")[0])
    names = [one for one in listed if not one.startswith("shipper.") and one != "[redacted]"]
    of_list = Secrets(Redact().keys)
    assert [] == [one for one in names if not of_list.names(one)]
    assert set(of_list._names) <= set(map(words, names))


@pytest.mark.parametrize("name", roles())
def test_roles_grant_what_their_work_needs(name: str) -> None:
    """Each role has the privileges that the table lists for its work, and no others."""
    role = roles()[name]
    granted = {("cluster", one) for one in role.get("cluster", ())}
    granted |= {(names, one) for index in role["indices"] for names in index["names"] for one in index["privileges"]}
    needed: set[tuple[str, str]] = set()
    for need in (need for need in NEEDS if name in need.roles):
        needed |= {("cluster", one) for one in need.cluster}
        needed |= {("logs-neuroflow.*-*", one) for one in need.streams}
        needed |= {("neuroflow-runs-*", one) for one in need.runs}
    assert needed == granted


def test_every_role() -> None:
    """The page has each role, what it is for, and the body of a key that grants the same."""
    text = text_of(DOCS / "permissions.md")
    assert sorted(roles()) == sorted(code(row["Role"]) for row in rows(text, "Role", "Cannot"))
    # An API key takes no description.
    keys = {
        name: {part: body[part] for part in ("cluster", "indices") if part in body} for name, body in roles().items()
    }
    assert keys == roles_of_keys()
    given = {name for row in rows(text, "Command", "Key", "Role") for name in codes(row["Role"])}
    assert roles().keys() == given


def test_every_name_of_the_logging_library() -> None:
    """The page lists all public names, and no others."""
    page = DOCS / "application-logging.md"
    named = {name for row in rows(section(page, "All names"), "Name") for name in codes(row["Name"])}
    events = {code(row["Function"]): row for row in rows(text_of(page), "Function", "Event")}
    assert set(shipper.emit.__all__) == named | events.keys()
    assert {event.value for event in shipper.emit.Event} == {code(row["Event"]) for row in events.values()}


def test_every_retention() -> None:
    """The retention of each data stream is listed."""
    kept = {}
    for path in (ROOT / "mappings/index_templates").glob("*.json"):
        template = json.loads(path.read_text(encoding="utf-8"))
        [pattern] = template["index_patterns"]
        parts = [ROOT / f"mappings/lifecycle/{name}.json" for name in template["composed_of"]]
        found = [json.loads(part.read_text(encoding="utf-8")) for part in parts if part.is_file()]
        kept[pattern] = found[0]["template"]["lifecycle"]["data_retention"] if found else "no limit"
    text = section(DOCS / "operations.md", "How long documents are kept")
    assert kept == {
        pattern: row["Retention"].strip("`")
        for row in rows(text, "Data streams", "Retention")
        for pattern in codes(row["Data streams"])
    }


def test_every_key_of_scripts() -> None:
    """The JSON keys of dead letters and of ``status`` are listed."""
    text = own_part(DOCS / "commands.md", "`neuroflow-ship dead-letters list`")
    [row] = rows(text, "Option")
    assert list(Letter._fields) == codes(row["Effect"])
    text = section(DOCS / "operations.md", "Is it behind?")
    assert ["path", "offset", "size", "lag_bytes", "lag_seconds", "passed_over"] == [
        code(row["Key"]) for row in rows(text, "Key")
    ]
    named = [
        one for row in rows(text, "Key of the object") for one in codes(row["Key of the object"] + row["Meaning"])
    ]
    options = rows(own_part(DOCS / "commands.md", "`neuroflow-ship status`"), "Option")
    [row] = [one for one in options if "--json" in one["Option"]]
    assert set(codes(row["Effect"])) <= set(named)


def kibana(kind: str) -> set[str]:
    """The titles or names of all objects of a kind."""
    bodies = [json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "kibana" / kind).glob("*.json")]
    return {body["name"] if kind == "rules" else body["attributes"]["title"] for body in bodies}


@pytest.mark.parametrize(("kind", "head"), [("dashboards", "Dashboard"), ("searches", "Search"), ("rules", "Rule")])
def test_every_kibana_object(kind: str, head: str) -> None:
    """Dashboards, searches and rules are listed by their titles."""
    assert kibana(kind) == {row[head].strip("*") for row in rows(text_of(DOCS / "kibana.md"), head)}


def constants() -> str:
    """All texts of the program, with placeholders for values."""
    found: list[str] = []
    for tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                found.append("…".join(part.value for part in node.values if isinstance(part, ast.Constant)))  # type: ignore[misc] # texts
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def test_messages_exist() -> None:
    """Every explained message exists in the program."""
    texts = constants()
    said = [one for row in rows(text_of(DOCS / "troubleshooting.md"), "Message") for one in codes(row["Message"])]
    assert 60 < len(said) == len(set(said))
    assert [] == [one for one in said for part in one.split("…") if part.strip() and part.strip() not in texts]
