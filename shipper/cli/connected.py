"""Holds the configuration in use and its client; a SIGHUP replaces both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipper import config as configuration
from shipper.cli.parts import run_documents_of, templates_of
from shipper.config import Config, ConfigError
from shipper.credentials import credential_mask
from shipper.health.own_log import OWN_WORDS
from shipper.reload import KEPT, Reload, merge
from shipper.telemetry import Counters, log

if TYPE_CHECKING:  # a slow import, needed with a cluster only
    from elasticsearch import Elasticsearch

    from shipper.deliver.sender import Sender


class Connected:
    """The configuration in use and its client.

    Args:
        config: to use.
        counters: count what the client sends.

    Raises:
        ConfigError: the client rejects it.
    """

    def __init__(self, config: Config, counters: Counters) -> None:
        from shipper.elastic.client import connect

        self.config = config
        batch = config.shipper.batch
        self.counters = counters
        self.client = connect(
            config.elasticsearch,
            connections=batch.in_flight + 1,
            compressed=batch.compress,
            sent=lambda size: counters.add("sent_bytes", size),
        )
        self._before: Elasticsearch | None = None

    def use(self, other: Connected) -> None:
        """Switch to another configuration and client; requests of the former client may finish."""
        if self._before is not None:
            self._before.close()  # otherwise each SIGHUP would leak sockets
        self._before = self.client
        self.config, self.client = other.config, other.client


def read_again(current: Connected, sender: Sender, *, setup: bool) -> Reload | None:
    """Load the configuration again; None, with a log message, if it is invalid and the old one stays."""
    old = current.config
    configuration.wait_until_saved(old.path)
    try:
        written = configuration.load(old.path)
        credential_mask.add(written.credentials)
        config, changed, waiting = merge(old, written)
        new = Connected(config, current.counters)
    except ConfigError as error:
        log.error("%s; %s", "; ".join(str(error).splitlines()), KEPT, extra=OWN_WORDS)
        return None
    runs = run_documents_of(new.client, config)
    restore = templates_of(new.client, config, setup=setup).restore

    def switch() -> None:
        for key in waiting:
            log.warning("%s: %s takes effect only at a restart; the old value stays in use", config.path, key)
        sender.reconnect(new.client, config.elasticsearch, runs, restore)
        current.use(new)
        log.info("configuration reloaded (%s); positions are kept", ", ".join(changed) or "nothing changed")

    return Reload(config, switch)
