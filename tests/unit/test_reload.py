from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from shipper.config import OUR_SECTIONS, Config, ConfigError, Elasticsearch, Kibana, Shipper
from shipper.reload import CHANGES, merge

MODELS: dict[str, type[BaseModel]] = {"elasticsearch": Elasticsearch, "kibana": Kibana, "shipper": Shipper}


def keys(model: type[BaseModel], above: str) -> Iterator[str]:
    """Every key of a section, nested sections included."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from keys(field.annotation, f"{above}.{name}")
        else:
            yield f"{above}.{name}"


def config(**sections: dict[str, object]) -> Config:
    """A configuration with these sections."""
    made = {name: MODELS[name].model_validate(given) for name, given in sections.items()}
    return Config(path=Path("/etc/neuroflow.yaml"), log_dir=Path("/var/log"), **made)  # type: ignore[arg-type] # by name


def test_every_key_has_its_row() -> None:
    """The table has each key; a conformance test then applies it to a running sidecar."""
    assert set(OUR_SECTIONS) == MODELS.keys()
    every = {"log_dir"} | {key for name, model in MODELS.items() for key in keys(model, name)}
    assert every == CHANGES.keys()


def test_what_waits_stays_as_it_was() -> None:
    """Keys that need a restart keep their values, all others are new."""
    old = config(shipper={"batch": {"in_flight": 2, "max_events": 10}, "state_dir": "/old", "namespace": "old"})
    new = config(
        shipper={"batch": {"in_flight": 3, "max_events": 20}, "state_dir": "/new", "namespace": "new"},
        elasticsearch={"hosts": "http://new:9200"},
        kibana={"space": "new"},
    )
    settled = merge(old, new)
    shipper = settled.config.shipper
    assert (2, 20, Path("/old"), "new") == (
        shipper.batch.in_flight, shipper.batch.max_events, shipper.state_dir, shipper.namespace,
    )  # fmt: skip
    assert (["http://new:9200"], "new") == (settled.config.elasticsearch.hosts, settled.config.kibana.space)
    assert ["elasticsearch.hosts", "shipper.namespace", "shipper.batch.max_events"] == settled.changed
    assert ["shipper.state_dir", "shipper.batch.in_flight"] == settled.waiting
    assert [] == merge(old, old).changed + merge(old, old).waiting


@pytest.mark.parametrize("other", [{"redact": {"keys": []}}, {"telemetry": {"listen": "127.0.0.1:1"}}])
def test_sections_within_sections_wait_too(other: dict[str, object]) -> None:
    """Nested keys wait as well, and are compared with the values in use."""
    old, new = config(), config(shipper=other)
    settled = merge(old, new)
    assert (1, old.shipper) == (len(settled.waiting), settled.config.shipper)
    assert settled.waiting == merge(settled.config, new).waiting


def test_a_section_does_not_get_lost() -> None:
    """A missing section is refused, since the file may be cut off."""
    old = config().model_copy(update={"sections": frozenset({"shipper", "elasticsearch"})})
    with pytest.raises(ConfigError, match=r"section 'elasticsearch' is missing; write `elasticsearch: \{\}`"):
        merge(old, config().model_copy(update={"sections": frozenset({"shipper"})}))
    old = old.model_copy(update={"sections": frozenset({"shipper", "kibana"})})
    # The sidecar has no use for that one.
    assert [] == merge(old, config().model_copy(update={"sections": frozenset({"shipper"})})).changed
