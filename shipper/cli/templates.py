"""Keeps the index templates installed while the sidecar runs, and warns where foreign ones win."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from elastic_transport import ApiError, TransportError
from elasticsearch import Elasticsearch

from shipper.config import Elasticsearch as Settings
from shipper.elastic.assets import assets
from shipper.elastic.client import explain, is_genuine
from shipper.elastic.in_force import InForce, in_force
from shipper.elastic.templates import PATTERNS, install, templates_in
from shipper.telemetry import HOUR, MINUTE, ONCE, Throttle, log

# Seconds between two attempts with a key that may not put templates.
FORBIDDEN_FOR = 900.0
_WAITS = (
    "documents wait until then, since the first one would create a data stream with a wrong mapping; nothing is "
    "lost (start with --no-setup to ship nevertheless)"
)
_GOES_ON = "shipping continues; rejected documents are kept as dead letters"


class Templates:
    """Installs the index templates and restores missing ones; logs each problem at most once a minute."""

    def __init__(self, client: Elasticsearch, settings: Settings, namespace: str, *, setup: bool = True) -> None:
        self._client = client
        self._settings = settings
        self._namespace = namespace
        self._setup = setup
        self._put = False
        self._behind: threading.Thread | None = None
        self._forbidden_until = self._unreadable_until = 0.0
        self._throttle = Throttle()

    def restore(self) -> bool:
        """Put the templates, or only check them; False when documents have to wait."""
        return self.put() if self._setup else self.check()

    def finish(self, patience: float) -> None:
        """Wait for the thorough check, at most ``patience`` seconds."""
        if self._behind is not None:
            self._behind.join(patience)

    def put(self) -> bool:
        """Put the templates; False when the cluster could not be asked and the caller has to try again.

        False also where a foreign template would create the first stream: nothing is sent until that is fixed.  Once
        a stream exists, shipping continues: rejected documents are kept, and waiting could lose rotated logs.
        Documents wait only for this check; a thread does the thorough one, once.

        Later calls only restore missing templates; changes by others stay until the next start.  If the key lacks the
        privilege, the log says what to do and shipping continues: somebody else may have put the templates.
        """
        if self._is_forbidden():
            return True
        if self._put and not self._missing():
            return self._is_forbidden() or not self._in_force(thorough=False).blocking
        try:
            changes = install(self._client)
        except (ApiError, TransportError) as error:
            reason = explain(error, self._settings)
            if isinstance(error, ApiError) and error.meta.status == 403 and is_genuine(error):
                self._forbid(reason)
                return True
            # Without our templates a foreign one would create the stream.
            self._say(
                f"{reason}; the index templates must be installed first; trying again, "
                "nothing is lost (start with --no-setup if somebody else installs them)"
            )
            return False
        if changed := [change for change in changes if change.action not in {"unchanged", "newer"}]:
            log.info("installed %d index and component templates%s", len(changed), " again" if self._put else "")
        first, self._put = not self._put, True
        found = self._in_force(thorough=False)
        if first:
            as_ours = all(change.action != "newer" for change in changes)
            self._behind = threading.Thread(
                target=self._in_force, kwargs={"thorough": True, "as_ours": as_ours}, name="templates", daemon=True
            )
            self._behind.start()
        return not found.blocking

    def check(self) -> bool:
        """Log what differs from our templates, as far as the key may see it; documents don't wait."""
        self._in_force(thorough=False, wait=False)
        return True

    def _in_force(self, *, thorough: bool, as_ours: bool = False, wait: bool = True) -> InForce:
        """Find and log what differs from our templates; what can't be read now is checked another time."""
        if time.monotonic() < self._unreadable_until:
            return InForce()
        try:
            found = in_force(self._client, self._namespace, thorough=thorough, as_ours=as_ours)
        except Exception:  # noqa: BLE001 - the answers may be anything, such as a proxy's page
            return InForce()
        if found.unreadable:
            self._unreadable_until = time.monotonic() + FORBIDDEN_FOR
        waits = wait and found.blocking
        for sentence in found.templates:
            self._say(f"{sentence}; {_WAITS if waits else _GOES_ON}", every=MINUTE if waits else HOUR)
        for sentence in found.indices:
            self._say(f"{sentence}; {_GOES_ON}", every=HOUR)
        return found

    def _missing(self) -> bool:
        """Whether a template of ours is missing; costs two small requests."""
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

    def _is_forbidden(self) -> bool:
        """Whether the key was refused in the last ``FORBIDDEN_FOR`` seconds."""
        return time.monotonic() < self._forbidden_until

    def _forbid(self, reason: str) -> None:
        """Stop asking for a while, since the key may be given the privilege later."""
        self._forbidden_until = time.monotonic() + FORBIDDEN_FOR
        self._say(
            f"{reason}; the index templates were not installed: run `neuroflow-ship setup` with a key that may do "
            "it, or start with --no-setup if they exist",
            every=ONCE,
        )

    def _say(self, message: str, every: float = MINUTE) -> None:
        self._throttle.say(message, message, every)


def begun(restore: Callable[[], bool]) -> Callable[[], bool]:
    """Call ``restore`` in a thread now, so that the start does other work until the cluster answers.

    The first call of the returned function gives this result; later ones call ``restore``.
    """
    first: Future[bool] = Future()

    def ask() -> None:
        try:
            first.set_result(restore())
        except BaseException as error:  # noqa: BLE001 - raised again by the first call
            first.set_exception(error)

    answers = [first]
    threading.Thread(target=ask, name="templates", daemon=True).start()

    def answer() -> bool:
        try:
            early = answers.pop()
        except IndexError:
            return restore()
        return early.result()

    return answer
