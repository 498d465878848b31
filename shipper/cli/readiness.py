"""Whether the sidecar is ready: its cluster answers, the templates are there, documents are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elastic_transport import ApiError

from shipper.elastic.client import explain, is_genuine
from shipper.health import Readiness

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from shipper.config import Elasticsearch as Settings
    from shipper.deliver.sender import Sender

# Seconds: timeout of the request, since a prober's own is short.
PATIENCE = 5.0
NOT_IN_PLACE = "the index templates are not in place yet; the sidecar's log says why"
NOT_TAKEN = "the cluster does not take documents; the sidecar's log says why"


def readiness_of(sender: Sender) -> Readiness:
    """The readiness of a sender, whose cluster a SIGHUP may change."""

    def ask() -> str | None:
        client, settings, prepared = sender.connection()
        return silent(client, settings) or (None if prepared() else NOT_IN_PLACE)

    return Readiness(lambda: NOT_TAKEN if sender.failing or sender.broken else None, ask)


def silent(client: Elasticsearch, settings: Settings) -> str | None:
    """Why the cluster takes no documents; None where Elasticsearch answers, even with 403."""
    try:
        answer = client.options(request_timeout=PATIENCE, max_retries=2).perform_request(
            "GET", "/_cluster/health", params={"filter_path": "status"}, headers={"accept": "application/json"}
        )
    except ApiError as error:
        there = is_genuine(error) and error.meta.status != 401 and error.meta.status < 500
        return None if there else explain(error, settings)
    except Exception as error:  # noqa: BLE001 - the answer may be anything, such as a proxy's page
        return explain(error, settings)
    return None if is_genuine(answer) else explain(ApiError("", answer.meta, answer.body), settings)
