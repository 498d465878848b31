"""The index templates while the sidecar runs: put first, and put back when they are gone."""

from __future__ import annotations

import math
import time

from elastic_transport import ApiError, TransportError
from elasticsearch import Elasticsearch

from shipper.cluster import explain, is_genuine
from shipper.config import Elasticsearch as Settings
from shipper.install.assets import assets
from shipper.install.templates import PATTERNS, install, templates_in
from shipper.telemetry import log

# How long a key that may not put templates is left alone, seconds.
FORBIDDEN_FOR = 900.0


class Templates:
    """Puts the index templates when asked, and puts back what is gone; the same hindrance is said once a minute.

    Args:
        client: of the cluster.
        settings: for messages.
    """

    def __init__(self, client: Elasticsearch, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._put = False
        self._forbidden_until = 0.0
        self._said: dict[str, float] = {}

    def put(self) -> bool:
        """Put them; False when the cluster could not be asked, so that it has to be tried again.

        Once they were put, only missing ones are put back: what somebody made of them meanwhile stays until the
        next start.  A key that may not is told what to do, and shipping goes on: somebody else may have put them.
        """
        if time.monotonic() < self._forbidden_until or (self._put and not self._missing()):
            return True
        try:
            changed = [change for change in install(self._client) if change.action not in {"unchanged", "newer"}]
        except (ApiError, TransportError) as error:
            reason = explain(error, self._settings)
            if isinstance(error, ApiError) and error.meta.status == 403 and is_genuine(error):
                self._forbid(reason)
                return True
            # Without them a stream would be made after somebody else's template, whatever the hindrance is.
            self._say(
                f"{reason}; the index templates have to be put first; trying again, "
                "nothing is lost (start with --no-setup if somebody else puts them)"
            )
            return False
        if changed:
            log.info("put %d index and component templates%s", len(changed), " back" if self._put else "")
        self._put = True
        return True

    def _missing(self) -> bool:
        """Whether a template of ours is gone; a look costs two small requests."""
        there: set[tuple[str, str]] = set()
        try:
            for kind, pattern in PATTERNS.items():
                answer = self._client.options(ignore_status=404).perform_request(
                    "GET", f"/_{kind}/{pattern}", params={"filter_path": f"{kind}s.name"},
                    headers={"accept": "application/json"},
                )  # fmt: skip
                there.update((kind, one["name"]) for one in templates_in(answer, kind))
        except (ApiError, TransportError) as error:
            if isinstance(error, ApiError) and error.meta.status == 403 and is_genuine(error):
                self._forbid(explain(error, self._settings))
            return False  # another time
        return any((asset.kind, asset.name) not in there for asset in assets())

    def _forbid(self, reason: str) -> None:
        """Leave a key alone that may not; not for ever, since it may be given the privilege."""
        self._forbidden_until = time.monotonic() + FORBIDDEN_FOR
        self._say(
            f"{reason}; the index templates were not put: run `neuroflow-ship setup` with a key that may, "
            "or start with --no-setup if they are there",
            every=math.inf,
        )

    def _say(self, message: str, every: float = 60.0) -> None:
        now = time.monotonic()
        if now - self._said.get(message, -math.inf) >= every:
            self._said[message] = now
            log.warning("%s", message)
