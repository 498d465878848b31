"""The failure stores for ``dead-letters list``, which lists the local dead letters without them as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipper.cli.failure import tell

if TYPE_CHECKING:
    from shipper.config import Config
    from shipper.deliver.dead_letters import Letter


def read_failures(config: Config) -> list[Letter]:
    """The documents in the failure stores; none, with a sentence, where they can't be read."""
    from elastic_transport import ApiError, TransportError

    from shipper.deliver.failure_store import failures
    from shipper.elastic.client import connect, explain

    try:
        found = failures(connect(config.elasticsearch), config.shipper.namespace)
    except (ApiError, TransportError) as error:
        why = explain(error, config.elasticsearch)
        tell(f"the failure store could not be read, so only local dead letters are listed: {why}")
        return []
    if (more := found.total - len(found.letters)) > 0:
        tell(f"the failure store has {more} older documents that are not listed: search logs-neuroflow.*::failures")
    return found.letters
