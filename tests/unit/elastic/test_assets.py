from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipper.config import DATASETS
from shipper.elastic import assets as module
from shipper.elastic.assets import asset_dir, assets

NAMES = [asset.name for asset in assets()]


def test_templates_have_their_contract_names() -> None:
    """Five log streams, the sidecars' own stream and the run documents have a template each."""
    indices = {asset.name: asset.body for asset in assets() if asset.kind == "index_template"}
    streams = {f"logs-neuroflow.{dataset}" for dataset in ("app", "workflow", "celery", "pipeline", "audit")}
    assert set(indices) == {*streams, "logs-neuroflow.sidecar", "neuroflow-runs"}
    assert all(body["priority"] == 250 for body in indices.values())
    assert all(indices[name]["data_stream"] == {} for name in streams)
    assert "data_stream" not in indices["neuroflow-runs"]
    for name, body in indices.items():
        assert body["index_patterns"] == [f"{name}-*"]


@pytest.mark.parametrize("asset", assets(), ids=lambda asset: asset.name)
def test_every_object_says_whose_it_is(asset: module.Asset) -> None:
    """Each template names its owner, its version and its purpose."""
    meta = asset.body["_meta"]
    assert meta["managed_by"] == "neuroflow-ship"
    assert meta["version"] == asset.body["version"] >= 1
    assert meta["description"]


def test_compositions_resolve_in_order() -> None:
    """An index template is put after its component templates, except those that may be missing."""
    for at, asset in enumerate(assets()):
        needed = set(asset.body.get("composed_of", ())) - set(
            asset.body.get("ignore_missing_component_templates", ())
        )
        assert needed <= set(NAMES[:at])


def constants(properties: dict[str, Any], above: str = "") -> Iterator[tuple[str, str | None]]:
    """Constant fields of a mapping with their values."""
    for name, field in properties.items():
        if field.get("type") == "constant_keyword":
            yield f"{above}{name}", field.get("value")
        yield from constants(field.get("properties", {}), f"{above}{name}.")


@pytest.mark.parametrize("dataset", DATASETS)
def test_only_what_names_a_stream_is_constant(dataset: str) -> None:
    """A document with another value is rejected: ``ecs.version``, say, differs between releases."""
    bodies = {asset.name: asset.body for asset in assets()}
    found: dict[str, str | None] = {}
    for name in ("neuroflow-ecs", f"logs-neuroflow.{dataset}"):
        found |= dict(constants(bodies[name]["template"]["mappings"]["properties"]))
    assert {
        "data_stream.type": "logs",
        "data_stream.dataset": f"neuroflow.{dataset}",
        "data_stream.namespace": None,
    } == found


def test_wheel_brings_its_own_assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed from a wheel, the files lie in the package; in a checkout, beside it."""
    package = tmp_path / "shipper"
    (tmp_path / "mappings").mkdir()
    monkeypatch.setattr(module, "PACKAGE", package)
    assert asset_dir() == tmp_path / "mappings"
    (package / "assets" / "mappings").mkdir(parents=True)
    assert asset_dir() == package / "assets" / "mappings"
    with pytest.raises(FileNotFoundError, match="kibana"):
        asset_dir("kibana")
