"""The index of run documents, made with its mapping whoever put the templates, or nobody did."""

from __future__ import annotations

from math import inf
from typing import Any

from elastic_transport import ApiResponse
from elasticsearch import Elasticsearch

from shipper.elastic.answers import understood
from shipper.elastic.assets import assets
from shipper.elastic.capabilities import adapt
from shipper.elastic.client import is_genuine, is_there
from shipper.elastic.templates import DONE, capabilities_of


def make_run_index(client: Elasticsearch, index: str) -> None:
    """Make the index if it is not there, and add to its mapping what an older release did not know.

    One that its first document made, without the template, would map the keys of every fact.  What is added holds for
    documents that are written from then on; ``rebuild-runs`` writes all of them.

    Raises:
        elasticsearch.ApiError: the cluster can't say or do it just now; not for want of a privilege: then the index
            is expected to be there.
        elastic_transport.TransportError: the cluster can't be reached, or its answer can't be understood.
    """
    quiet = client.options(ignore_status=[400, 403, 404])
    found = quiet.indices.get_mapping(index=index)
    there = is_there(found, f"the request for the mapping of {index}")
    (asset,) = (asset for asset in assets() if asset.name == "neuroflow-runs")
    version = asset.body["version"]
    if there and _version(found, index) >= version:
        return
    template = adapt(asset.body, capabilities_of(client))["template"]
    mappings = {**template["mappings"], "_meta": {"version": version}}
    place = mappings["properties"]["data_stream"]["properties"]["namespace"]
    if place["type"] == "constant_keyword":
        # Left to the first document it would be a change of the mapping, which a key for writing may not be allowed.
        place["value"] = index.rpartition("-")[2]
    if there:
        # 400: a field has another type there; sorts and queries do without what is not mapped.
        done = quiet.indices.put_mapping(index=index, properties=mappings["properties"], meta=mappings["_meta"])
    else:
        # 400: another sidecar was quicker.
        done = quiet.indices.create(index=index, settings=template["settings"], mappings=mappings)
    if done.meta.status != 403 and not (done.meta.status in (400, 404) and is_genuine(done)):
        understood(done, DONE, f"the request to make {index}")


def _version(found: ApiResponse[Any], index: str) -> float:
    """Of the release whose mapping the index has; where the key may not look nothing is to be done."""
    if found.meta.status == 403 or (found.meta.status == 400 and is_genuine(found)):
        return inf
    shape = {str: {"mappings": {"_meta?": {"version?": object}}}}
    known = understood(found, shape, f"the request for the mapping of {index}").get(index)
    if known is None:
        return inf  # it is an alias
    version = known["mappings"].get("_meta", {}).get("version")
    return version if isinstance(version, int) else 0
