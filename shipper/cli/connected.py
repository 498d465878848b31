"""The configuration that the sidecar uses, and the client that was made of it; a SIGHUP makes others of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipper import config as configuration
from shipper.cli.parts import run_documents_of, templates_of
from shipper.config import Config, ConfigError
from shipper.credentials import credential_mask
from shipper.reload import KEPT, Reload, settle
from shipper.telemetry import log

if TYPE_CHECKING:  # commands that need no cluster don't wait for the client
    from elasticsearch import Elasticsearch

    from shipper.deliver.sender import Sender


class Connected:
    """The configuration in use and its client.

    Args:
        config: as it was read.

    Raises:
        ConfigError: no client can be made of it.
    """

    def __init__(self, config: Config) -> None:
        from shipper.elastic.client import connect

        self.config = config
        self.client = connect(config.elasticsearch, connections=config.shipper.batch.in_flight + 1)
        self._before: Elasticsearch | None = None

    def use(self, other: Connected) -> None:
        """Be this one from now on; what is under way with the client of before may end."""
        if self._before is not None:
            self._before.close()  # else each SIGHUP would leave its sockets behind
        self._before = self.client
        self.config, self.client = other.config, other.client


def read_again(current: Connected, sender: Sender, *, setup: bool) -> Reload | None:
    """The configuration as its file says now, ready to be used; None, and a sentence, keep the old one.

    Args:
        current: what is in use; it is another when the new one is.
        sender: sends to the new cluster then.
        setup: the index templates are put there.
    """
    old = current.config
    configuration.wait_until_saved(old.path)
    try:
        written = configuration.load(old.path)
        credential_mask.add(written.credentials)
        config, changed, waiting = settle(old, written)
        new = Connected(config)
    except ConfigError as error:
        log.error("%s; %s", error, KEPT)
        return None
    runs = run_documents_of(new.client, config)
    restore = templates_of(new.client, config, setup=setup).restore

    def switch() -> None:
        for key in waiting:
            log.warning("%s: %s is changed by a restart only; it stays as it was", config.path, key)
        sender.reconnect(new.client, config.elasticsearch, runs, restore)
        current.use(new)
        log.info("configuration read again (%s); positions are kept", ", ".join(changed) or "nothing is changed")

    return Reload(config, switch)
