"""The index templates while the sidecar runs: put first, put back when they are gone; and whether they count."""

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

# How long a key that may not put templates is left alone, seconds.
FORBIDDEN_FOR = 900.0
_WAITS = (
    "nothing is sent until then, for the first document would make a stream that is not as ours: nothing is lost "
    "(start with --no-setup to ship all the same)"
)
_GOES_ON = "shipping goes on: what is refused is kept in the dead letters"


class Templates:
    """Puts the index templates when asked, and puts back what is gone; the same problem is logged once a minute.

    Args:
        client: of the cluster.
        settings: for messages.
        namespace: whose streams are to be made with them.
        setup: they are put; else they are only looked after.
    """

    def __init__(self, client: Elasticsearch, settings: Settings, namespace: str, *, setup: bool = True) -> None:
        self._client = client
        self._settings = settings
        self._namespace = namespace
        self._setup = setup
        self._put = False
        self._behind: threading.Thread | None = None
        self._forbidden_until = self._unseen_until = 0.0
        self._throttle = Throttle()

    def restore(self) -> bool:
        """Put them, or only look after them; False when documents have to wait."""
        return self.put() if self._setup else self.look()

    def finish(self, patience: float) -> None:
        """Let the thorough look come to its end, for so many seconds at most."""
        if self._behind is not None:
            self._behind.join(patience)

    def put(self) -> bool:
        """Put them; False when the cluster could not be asked, so that it has to be tried again.

        False also where somebody else's would make the first stream: nothing is sent until that is mended.  Once a
        stream is there shipping goes on whatever wins, for what is refused is kept, and logs may be rotated away.
        Documents wait only for what tells this; the rest is looked at behind them, once.

        Once they were put, only missing ones are put back: what somebody made of them meanwhile stays until the
        next start.  A key that may not is told what to do, and shipping goes on: somebody else may have put them.
        """
        if self._may_not():
            return True
        if self._put and not self._missing():
            return self._may_not() or not self._in_force(thorough=False).barred
        try:
            changes = install(self._client)
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
        if changed := [change for change in changes if change.action not in {"unchanged", "newer"}]:
            log.info("put %d index and component templates%s", len(changed), " back" if self._put else "")
        first, self._put = not self._put, True
        found = self._in_force(thorough=False)
        if first:
            as_ours = all(change.action != "newer" for change in changes)
            self._behind = threading.Thread(
                target=self._in_force, kwargs={"thorough": True, "as_ours": as_ours}, name="templates", daemon=True
            )
            self._behind.start()
        return not found.barred

    def look(self) -> bool:
        """Say what is in force that is not ours, as far as the key may see it, and ship all the same."""
        self._in_force(thorough=False, wait=False)
        return True

    def _in_force(self, *, thorough: bool, as_ours: bool = False, wait: bool = True) -> InForce:
        """What is not ours, logged from time to time; what can't be found out is looked at another time."""
        if time.monotonic() < self._unseen_until:
            return InForce()
        try:
            found = in_force(self._client, self._namespace, thorough=thorough, as_ours=as_ours)
        except Exception:  # noqa: BLE001 - the answers may be anything, a proxy's page among them
            return InForce()
        if found.unseen:
            self._unseen_until = time.monotonic() + FORBIDDEN_FOR
        waits = wait and found.barred
        for sentence in found.templates:
            self._say(f"{sentence}; {_WAITS if waits else _GOES_ON}", every=MINUTE if waits else HOUR)
        for sentence in found.indices:
            self._say(f"{sentence}; {_GOES_ON}", every=HOUR)
        return found

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

    def _may_not(self) -> bool:
        """Whether the key was refused lately."""
        return time.monotonic() < self._forbidden_until

    def _forbid(self, reason: str) -> None:
        """Leave a key alone that may not; not for ever, since it may be given the privilege."""
        self._forbidden_until = time.monotonic() + FORBIDDEN_FOR
        self._say(
            f"{reason}; the index templates were not put: run `neuroflow-ship setup` with a key that may, "
            "or start with --no-setup if they are there",
            every=ONCE,
        )

    def _say(self, message: str, every: float = MINUTE) -> None:
        if self._throttle.allows(message, every):
            log.warning("%s", message)


def begun(restore: Callable[[], bool]) -> Callable[[], bool]:
    """The same, asked for the first time already: a start has other things to do until the cluster answers.

    Args:
        restore: puts the templates, or looks after them.
    """
    first: Future[bool] = Future()

    def ask() -> None:
        try:
            first.set_result(restore())
        except BaseException as error:  # noqa: BLE001 - whoever takes the answer is told
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
