"""The index of run documents, made with its mapping whoever put the templates, or nobody did."""

from __future__ import annotations

from math import inf
from typing import Any

from elasticsearch import Elasticsearch

from shipper.install.assets import assets
from shipper.install.capabilities import adapt
from shipper.install.templates import capabilities_of


def run_index(namespace: str) -> str:
    """The name of the index that holds a namespace's run documents."""
    return f"neuroflow-runs-{namespace}"


def make_run_index(client: Elasticsearch, index: str) -> None:
    """Make the index if it is not there, and add to its mapping what an older release did not know.

    One that its first document made, without the template, would map the keys of every fact.  What is added holds for
    documents that are written from then on; ``rebuild-runs`` writes all of them.

    Raises:
        elasticsearch.ApiError: the cluster can't say or do it just now; not for want of a privilege: then the index
            is expected to be there.
        elastic_transport.TransportError: the cluster can't be reached.
    """
    quiet = client.options(ignore_status=[400, 403, 404])
    found = quiet.indices.get_mapping(index=index)
    (asset,) = (asset for asset in assets() if asset.name == "neuroflow-runs")
    version = asset.body["version"]
    if found.meta.status != 404 and _version(found.body, index) >= version:
        return
    template = adapt(asset.body, capabilities_of(client))["template"]
    mappings = {**template["mappings"], "_meta": {"version": version}}
    place = mappings["properties"]["data_stream"]["properties"]["namespace"]
    if place["type"] == "constant_keyword":
        # Left to the first document it would be a change of the mapping, which a key for writing may not be allowed.
        place["value"] = index.rpartition("-")[2]
    if found.meta.status == 404:
        # 400: another sidecar was quicker.
        quiet.indices.create(index=index, settings=template["settings"], mappings=mappings)
    else:
        # 400: a field has another type there; sorts and queries do without what is not mapped.
        quiet.indices.put_mapping(index=index, properties=mappings["properties"], meta=mappings["_meta"])


def _version(body: Any, index: str) -> float:
    """Of the release whose mapping the index has; without an answer nothing is to be done."""
    known = body.get(index) if isinstance(body, dict) else None
    if not isinstance(known, dict) or "mappings" not in known:
        return inf
    version = known["mappings"].get("_meta", {}).get("version")
    return version if isinstance(version, int) else 0
