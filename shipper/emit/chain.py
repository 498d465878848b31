"""From a logger's call to the event that is written: level, context, time, exception.  Never raises."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from operator import mod
from typing import Any

import structlog

from shipper.emit.exceptions import exception_text, stack_text
from shipper.emit.levels import levels
from shipper.emit.output import Output
from shipper.emit.own_keys import free_key, set_own
from shipper.emit.plain import text
from shipper.emit.rotating_file import Rotation
from shipper.emit.standard_streams import report_failure
from shipper.emit.strangers import FAILURES, guarded

SERVICE = "neuroflow"
ARGUMENTS = "positional_args"
"""Field for arguments that don't fit into the event; structlog's name for it."""
_LEVELS = {**logging.getLevelNamesMapping(), "EXCEPTION": logging.ERROR}
_NAMES = {"warn": "warning", "exception": "error", "fatal": "critical", "msg": "info"}


class Chain:
    """The only structlog processor that is configured; it writes the event itself.

    Attributes:
        output: of the last ``setup_logging``; None before that, as in a spawned process that was given a bound
            logger: then lines go to standard output.
    """

    def __init__(self) -> None:
        self.output: Output | None = None

    def __reduce__(self) -> str:
        """Pickle by name: bound loggers contain it, and in another process that process's chain applies."""
        return "CHAIN"

    def wants(self, level: int, logger: Any, *contexts: Mapping[str, Any]) -> bool:
        """Whether an event of this level is written.

        Args:
            level: of the event.
            logger: from structlog's factory; it may have a name.
            contexts: of the event; the first component applies.
        """
        output = self.output or _standard_output()
        if level < output.levels.lowest:
            return False
        for context in contexts:
            if "component" in context:
                component = context["component"]
                break
        else:
            component = getattr(logger, "name", None)
            if component is None:
                component = structlog.contextvars.get_contextvars().get("component")
        return level >= output.levels.of(None if component is None else text(component))

    def write(self, event: Mapping[str, Any]) -> None:
        """Write the finished event.  Never raises."""
        (self.output or _standard_output()).write(event)

    def __call__(self, logger: Any, method_name: str, event_dict: MutableMapping[str, Any]) -> Any:
        """Write an event of another logger class, or one that other processors have handled."""
        try:
            level = _LEVELS.get(method_name.upper(), logging.INFO)
            if self.wants(level, logger, event_dict):
                # Arguments are present where structlog's logger for the standard library is configured.
                event, rest = interpolated(event_dict.pop("event", ""), event_dict.pop(ARGUMENTS, ()))
                self.write(complete_event(_NAMES.get(method_name, method_name), logger, event_dict, event, rest))
        except FAILURES as error:  # logging must not stop the application
            report_failure(error, text(event_dict))
        raise structlog.DropEvent


CHAIN = Chain()


def complete_event(
    level: str, logger: Any, given: Mapping[str, Any], event: Any, arguments: tuple[Any, ...] = ()
) -> dict[str, Any]:
    """The event with all its fields."""
    fields: dict[str, Any] = dict(structlog.contextvars.get_contextvars())
    name = getattr(logger, "name", None)
    if isinstance(name, str) and "component" not in given:
        set_own(fields, "component", name)
    fields.update(given)
    set_own(fields, "event", text(event))
    if arguments:
        fields[free_key(fields, ARGUMENTS) if ARGUMENTS in fields else ARGUMENTS] = arguments
    set_own(fields, "level", level)
    stamp(fields)
    render(fields)
    return fields


def interpolated(event: Any, args: Any) -> tuple[Any, Any]:
    """The event with its arguments filled in and no arguments; if they don't fit, both unchanged."""
    # Not isinstance, which may run code of the event's class.
    if type(args) is not tuple or not args or not issubclass(type(event), str) or "%" not in event:
        return event, args
    try:
        # As in the standard library, a single mapping fills by names.
        named = len(args) == 1 and isinstance(args[0], Mapping) and args[0]
        return guarded(mod, event, args[0] if named else args), ()
    except FAILURES:  # __str__ of the application's objects may raise anything
        return event, args


def stamp(fields: MutableMapping[str, Any]) -> None:
    """Add time and service."""
    set_own(fields, "@timestamp", datetime.now(UTC).isoformat(timespec="microseconds"))
    set_own(fields, "service", SERVICE)


def render(fields: MutableMapping[str, Any]) -> None:
    """Replace ``stack_info`` and ``exc_info`` by stack and traceback as text; an invalid ``exc_info`` stays."""
    stack_info = fields.pop("stack_info", None)
    if stack_info is not None and stack_info is not False:
        set_own(fields, "stack", stack_text())
    exc_info = fields.pop("exc_info", None)
    traceback = exception_text(exc_info)
    if traceback is not None:
        set_own(fields, "exception", traceback)
    elif type(exc_info) not in {bool, int, tuple, type(None)}:
        fields["exc_info"] = exc_info


@functools.cache
def _standard_output() -> Output:
    return Output(levels("INFO", None), "json", None, None, Rotation())
