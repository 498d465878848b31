"""Applies a changed configuration on SIGHUP: when a change of each key takes effect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel

from shipper.config import Config, ConfigError

Model = TypeVar("Model", bound=BaseModel)


KEPT = "the configuration in use is kept"


class Reload(NamedTuple):
    """A new configuration; ``switch`` makes the sender use it, and can't fail."""

    config: Config
    switch: Callable[[], None]


class Change(Enum):
    """When a changed key takes effect in a running sidecar."""

    AT_ONCE = "at once"
    AT_RESTART = "at a restart"
    FOR_COMMANDS = "for commands, which read the file each time"


_NOW, _RESTART, _COMMANDS = Change.AT_ONCE, Change.AT_RESTART, Change.FOR_COMMANDS

CHANGES: dict[str, Change] = {
    "log_dir": _NOW,  # of the application's sections
    "elasticsearch.hosts": _NOW,
    "elasticsearch.cloud_id": _NOW,
    "elasticsearch.api_key": _NOW,
    "elasticsearch.username": _NOW,
    "elasticsearch.password": _NOW,
    "elasticsearch.ca_certs": _NOW,  # the file as well, when it was renewed under its name
    "elasticsearch.ca_fingerprint": _NOW,
    "elasticsearch.verify_certs": _NOW,
    "elasticsearch.client_cert": _NOW,  # and the files, as with ca_certs
    "elasticsearch.client_key": _NOW,
    "elasticsearch.proxy": _NOW,
    "elasticsearch.request_timeout": _NOW,
    "kibana.url": _COMMANDS,
    "kibana.space": _COMMANDS,
    "kibana.api_key": _COMMANDS,
    "kibana.username": _COMMANDS,
    "kibana.password": _COMMANDS,
    "kibana.ca_certs": _COMMANDS,
    "kibana.verify_certs": _COMMANDS,
    "kibana.proxy": _COMMANDS,
    "shipper.state_dir": _RESTART,  # it is locked and holds all positions
    "shipper.namespace": _NOW,  # of what is read from now on
    "shipper.environment": _NOW,
    # Known files keep the ids of the old host name, as after a restart: other ids would cause duplicates.
    "shipper.host_name": _NOW,
    "shipper.timezone": _NOW,
    "shipper.worker_log_format": _NOW,  # or where the application's section has it
    "shipper.worker_task_log_format": _NOW,
    "shipper.pipeline_timezone": _NOW,
    "shipper.start": _RESTART,  # it matters at the first start only
    "shipper.watch": _RESTART,
    "shipper.scan_interval": _NOW,
    "shipper.flush_interval": _NOW,
    "shipper.partial_line_timeout": _NOW,
    "shipper.max_line_bytes": _NOW,  # of lines that were not truncated yet
    "shipper.shutdown_timeout": _NOW,
    "shipper.log_format": _RESTART,
    "shipper.fast_path": _RESTART,
    "shipper.batch.max_bytes": _NOW,
    "shipper.batch.max_events": _NOW,
    "shipper.batch.in_flight": _RESTART,  # the number of threads
    "shipper.batch.compress": _NOW,
    "shipper.inputs": _NOW,
    "shipper.exclude": _NOW,
    "shipper.follow_links_to": _NOW,
    "shipper.redact.keys": _RESTART,
    "shipper.redact.hash": _RESTART,  # the state holds paths hashed with the old settings
    "shipper.redact.hash_key": _RESTART,
    "shipper.telemetry.listen": _RESTART,
    "shipper.telemetry.documents": _RESTART,
}


_SIDECAR_SECTIONS = {key.partition(".")[0] for key, change in CHANGES.items() if change is not Change.FOR_COMMANDS}


class Merged(NamedTuple):
    """The configuration after a SIGHUP, with the keys that changed and those that wait for a restart."""

    config: Config
    changed: list[str]
    waiting: list[str]


def merge(old: Config, new: Config) -> Merged:
    """Merge the configuration in use with the one in the file.

    Raises:
        ConfigError: a section of the sidecar is missing; a file truncated by a full disk may still be YAML.
    """
    if lost := sorted((old.sections - new.sections) & _SIDECAR_SECTIONS):
        raise ConfigError(f"{new.path}: section {lost[0]!r} is missing; write `{lost[0]}: {{}}` to use its defaults")
    differing = [key for key, was, now in _pairs(old, new) if was != now]
    return Merged(
        _kept(old, new).model_copy(update={"credentials": old.credentials | new.credentials}),
        [key for key in differing if CHANGES[key] is Change.AT_ONCE],
        [key for key in differing if CHANGES[key] is Change.AT_RESTART],
    )


def _pairs(old: BaseModel, new: BaseModel, above: str = "") -> Iterator[tuple[str, Any, Any]]:
    for name in type(new).model_fields:
        was, now, key = getattr(old, name), getattr(new, name), f"{above}{name}"
        if isinstance(now, BaseModel):
            yield from _pairs(was, now, f"{key}.")
        elif key in CHANGES:
            yield key, was, now


def _kept(old: Model, new: Model, above: str = "") -> Model:
    """The new model, with the old values of keys that wait for a restart."""
    update: dict[str, Any] = {}
    for name in type(new).model_fields:
        was, now, key = getattr(old, name), getattr(new, name), f"{above}{name}"
        if isinstance(now, BaseModel):
            update[name] = _kept(was, now, f"{key}.")
        elif CHANGES.get(key) is Change.AT_RESTART:
            update[name] = was
    return new.model_copy(update=update)
