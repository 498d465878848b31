"""The index of run documents: created with its mapping even if no template is installed."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf
from typing import Any

from elastic_transport import ApiResponse, ConnectionTimeout
from elasticsearch import ApiError, Elasticsearch

from shipper.elastic.answers import validated
from shipper.elastic.assets import assets
from shipper.elastic.bulk_request import NO_ANSWER
from shipper.elastic.capabilities import adapt
from shipper.elastic.client import is_genuine, is_there
from shipper.elastic.templates import DONE, capabilities_of

CHECK_SECONDS = 0.5
"""How long a check of the index holds."""


class RunIndex:
    """Whether the index exists, and whether it is still the same one.

    Args:
        client: of the cluster.
        name: of the index, which ends with the namespace.
        create: creates the index if it does not exist; may raise ApiError and TransportError.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        client: Elasticsearch,
        name: str,
        create: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._create = create
        self._clock = clock
        self._checked_at = -CHECK_SECONDS
        self.name = name
        self.exists = False
        self.uuid: str | None = None

    def ensure(self) -> bool:
        """Create the index unless it exists, also after a deletion.

        Returns:
            Whether cached states of its documents are still valid.  In an index that was deleted and created again,
            another state of a document may have the sequence number of an older one.

        Raises:
            ApiError: the cluster refuses to create it.
            TransportError: the cluster does not answer in time.
        """
        if self.exists and self._clock() < self._checked_at + CHECK_SECONDS:
            return True
        same = True
        for _ in range(2):
            if not self.exists:
                self._create()
                self.exists = True
            same &= self._check()
            if self.exists:
                break
        return same

    def _check(self) -> bool:
        """Ask for the index's UUID; gives whether it is the one of before."""
        uuid = None
        self._checked_at = self._clock()
        try:
            quiet = self._client.options(ignore_status=[403, 404])
            answer = quiet.indices.get_settings(index=self.name, filter_path="*.settings.index.uuid")
            if answer.meta.status == 404:
                self.exists = self.exists and self.uuid is None
            elif answer.meta.status == 200:
                (about,) = answer.body.values()
                uuid = str(about["settings"]["index"]["uuid"])
        except ConnectionTimeout:
            raise
        except (ApiError, *NO_ANSWER, AttributeError, LookupError, TypeError, ValueError):
            pass  # the UUID stays unknown, and nothing is cached
        same = uuid is not None and uuid == self.uuid
        self.uuid = uuid
        return same


def make_run_index(client: Elasticsearch, index: str) -> None:
    """Create the index if it does not exist, and add the fields that its mapping lacks after an upgrade.

    An index that its first document created without the template would map the keys of every fact.  New fields apply
    to documents that are written from then on; ``rebuild-runs`` writes all of them.

    Args:
        client: of the cluster.
        index: its name, which ends with the namespace.

    Raises:
        elasticsearch.ApiError: the cluster refuses now; a missing privilege does not raise, since then the index is
            expected to exist.
        elastic_transport.TransportError: the cluster is unreachable, or its answer makes no sense.
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
        # Without it the first document would change the mapping, for which a key may lack the privilege.
        place["value"] = index.rpartition("-")[2]
    if there:
        # 400: a field has another type there; sorts and queries tolerate fields that are not mapped.
        done = quiet.indices.put_mapping(index=index, properties=mappings["properties"], meta=mappings["_meta"])
    else:
        # 400: another sidecar has created it meanwhile.
        done = quiet.indices.create(index=index, settings=template["settings"], mappings=mappings)
    if done.meta.status != 403 and not (done.meta.status in (400, 404) and is_genuine(done)):
        validated(done, DONE, f"the request to make {index}")


def _version(found: ApiResponse[Any], index: str) -> float:
    """The version of the index's mapping; infinite where the key may not read it, so that nothing is changed."""
    if found.meta.status == 403 or (found.meta.status == 400 and is_genuine(found)):
        return inf
    shape = {str: {"mappings": {"_meta?": {"version?": object}}}}
    about_index = validated(found, shape, f"the request for the mapping of {index}").get(index)
    if about_index is None:
        return inf  # it is an alias
    version = about_index["mappings"].get("_meta", {}).get("version")
    return version if isinstance(version, int) else 0
