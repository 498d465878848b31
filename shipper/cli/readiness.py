"""Whether the sidecar is ready: the cluster answers, the templates exist, documents are accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elastic_transport import ApiError

from shipper.deliver.sender import NOT_INSTALLED
from shipper.elastic.client import explain, is_genuine
from shipper.health.readiness import Readiness

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from shipper.config import Elasticsearch as Settings
    from shipper.deliver.sender import Sender

# Seconds: timeout of the request, since a prober's own is short.
PATIENCE = 5.0


def readiness_of(sender: Sender) -> Readiness:
    """The readiness of a sender, whose cluster a SIGHUP may change."""

    def ask() -> str | None:
        client, settings, prepared = sender.connection()
        return unavailable(client, settings) or (None if prepared() else NOT_INSTALLED)

    return Readiness(sender.trouble, ask)


def unavailable(client: Elasticsearch, settings: Settings) -> str | None:
    """Why the cluster is not available; None where Elasticsearch answers, even with 403."""
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
