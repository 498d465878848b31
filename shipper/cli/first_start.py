"""The first start of a sidecar: what ``check`` says of it, and whether it is one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from shipper.telemetry import log

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from shipper.config import Config
    from shipper.redact.redactor import Redactor
    from shipper.tail.found_files import Found

# Seconds to wait for the answer, while nothing is shipped yet.
PATIENCE = 10
# So many paths are asked for at most.
MAX_PATHS = 1000


def first_start(config: Config, files: Iterable[Found]) -> str | None:
    """What the sidecar would do with these files; None where it has run before, or there are none."""
    from shipper.tail.first_start import FirstStart, chosen, sentence
    from shipper.tail.report import is_fresh

    if not is_fresh(config.shipper.state_dir):
        return None
    start = chosen(config.shipper.start, once=False)
    there = list(files)
    text = sentence(there, FirstStart(start, time.time_ns()).old(there), start)
    return f"the first start {text}" if text else None


def shipped_before(client: Elasticsearch, config: Config, redactor: Redactor) -> Callable[[list[Found]], bool]:
    """Gives a function: whether the cluster has lines of some of these files, so that the state was lost.

    Where it can't be asked the answer is no, which is logged: then ``shipper.start`` decides, as at a first start.
    """

    def ask(files: list[Found]) -> bool:
        from elastic_transport import ApiError, TransportError

        from shipper.elastic.client import explain
        from shipper.elastic.names import streams_of
        from shipper.elastic.search_answers import any_document
        from shipper.tail.found_files import shown

        settings = config.shipper
        paths = sorted({redactor.path(shown(path)) for file in files for path in (file.logical, file.path)})
        query = {"bool": {"filter": [
            {"term": {"host.name": settings.host}}, {"terms": {"log.file.path": paths[:MAX_PATHS]}},
        ]}}  # fmt: skip
        once = client.options(request_timeout=PATIENCE, max_retries=0)
        try:
            lost = any_document(once, streams_of(settings.namespace), query)
        except (ApiError, TransportError) as error:
            log.warning(
                "can't find out whether these logs were shipped before (%s); shipper.start decides what is read",
                explain(error, config.elasticsearch),
            )
            return False
        if lost:
            log.warning(
                "%s has no positions, but logs of this host were shipped before: the state was lost; shipper.start "
                "does not count, all logs are read again, and lines that are indexed already are recognised",
                settings.state_dir,
            )
        return lost

    return ask
