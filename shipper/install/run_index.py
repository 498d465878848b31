"""The index of run documents, made with its mapping whoever put the templates, or nobody did."""

from __future__ import annotations

from elasticsearch import Elasticsearch

from shipper.install.assets import assets
from shipper.install.capabilities import adapt
from shipper.install.templates import capabilities_of


def run_index(namespace: str) -> str:
    """The name of the index that holds a namespace's run documents."""
    return f"neuroflow-runs-{namespace}"


def make_run_index(client: Elasticsearch, index: str) -> None:
    """Make the index if it is not there.

    One that its first document made, without the template, would map the keys of every fact.

    Raises:
        elasticsearch.ApiError: the cluster can't say or do it just now; not for want of a privilege: then the index
            is expected to be there.
        elastic_transport.TransportError: the cluster can't be reached.
    """
    quiet = client.options(ignore_status=[400, 403, 404])
    if quiet.indices.exists(index=index).meta.status != 404:
        return
    (asset,) = (asset for asset in assets() if asset.name == "neuroflow-runs")
    template = adapt(asset.body, capabilities_of(client))["template"]
    # 400: another sidecar was quicker.
    quiet.indices.create(index=index, settings=template["settings"], mappings=template["mappings"])
