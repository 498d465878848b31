"""Timestamps that containers print, in the zone of the containers."""

from __future__ import annotations

from typing import Any

from shipper.document.pipeline_output import ToUtc
from shipper.parse.records import Records
from shipper.parse.timestamps import Reading, Zone, to_utc
from shipper.tail.block import Block


class ContainerTimes:
    """Converts them to UTC.

    Args:
        zone: of the containers.
    """

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._last_ns: dict[bytes, int] = {}

    def to_utc(self, block: Block) -> ToUtc:
        """What converts timestamps of containers in a block."""
        reading = Reading(block.origin.generation, block.read_at_ns, block.modified_ns, self._last_ns)

        def moment_of(stamp: str) -> tuple[str | None, str | None]:
            try:
                return to_utc(stamp, self._zone, reading)
            except (ValueError, OverflowError):
                return None, None

        return moment_of

    def use(self, documents: list[dict[str, Any]], records: Records) -> None:
        """Give lines that a container printed into another log the time in them."""
        moment_of = self.to_utc(records.block)
        for index, stamp in records.contained.items():
            document = documents[index]
            at, zone = moment_of(stamp)
            if at is None:
                continue
            document["@timestamp"] = at
            event = {key: value for key, value in document["event"].items() if key != "timezone"}
            document["event"] = {**event, "timezone": zone} if zone else event
