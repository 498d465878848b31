"""The loggers of the application: structlog's methods, which never raise.

The level is checked first: events below it are not formatted, and no processor runs.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Any, cast

import structlog
from structlog.typing import FilteringBoundLogger

from shipper.emit.chain import ARGUMENTS, Chain, complete_event, interpolated
from shipper.emit.own_keys import free_key
from shipper.emit.plain import text
from shipper.emit.standard_streams import report_failure
from shipper.emit.strangers import FAILURES

_METHODS = {
    logging.CRITICAL: "critical",
    logging.ERROR: "error",
    logging.WARNING: "warning",
    logging.INFO: "info",
    logging.NOTSET: "debug",
}


def _methods(number: int, name: str) -> tuple[Callable[..., Any], Callable[..., Awaitable[Any]]]:
    """The logger methods of a level; the second writes in another thread, to be awaited."""

    def method(self: BoundLogger, event: Any = "", /, *args: Any, **kw: Any) -> Any:
        return self._log(number, name, event, args, kw)

    async def async_method(self: BoundLogger, event: Any = "", /, *args: Any, **kw: Any) -> Any:
        return await self._alog(number, name, event, args, kw)

    method.__name__, async_method.__name__ = name, f"a{name}"
    method.__doc__ = async_method.__doc__ = f"Log at level {name}."
    return method, async_method


class BoundLogger(structlog.BoundLoggerBase):
    """The logger from ``get_logger``, and from ``structlog.get_logger`` after ``setup_logging``.

    Every method takes an event, arguments for its ``%`` like the standard library's loggers, and fields of any name.
    Arguments that don't fit go to the field ``positional_args``.
    """

    debug, adebug = _methods(logging.DEBUG, "debug")
    info, ainfo = _methods(logging.INFO, "info")
    warning, awarning = _methods(logging.WARNING, "warning")
    error, aerror = _methods(logging.ERROR, "error")
    critical, acritical = _methods(logging.CRITICAL, "critical")
    msg, amsg = info, ainfo
    warn, awarn = warning, awarning
    err, fatal, afatal = error, critical, acritical

    def exception(self, event: Any = "", /, *args: Any, **kw: Any) -> Any:
        """Log at level error, with the exception that is being handled."""
        kw.setdefault("exc_info", True)
        return self._log(logging.ERROR, "error", event, args, kw)

    def log(self, level: Any, event: Any = "", /, *args: Any, **kw: Any) -> Any:
        """Log at a level, by number or name."""
        number = level_number(level)
        return self._log(number, method_of(number), event, args, kw)

    async def aexception(self, event: Any = "", /, *args: Any, **kw: Any) -> Any:
        """Log at level error, with the exception that is being handled, written by another thread."""
        kw.setdefault("exc_info", True)
        return await self._alog(logging.ERROR, "error", event, args, kw)

    async def alog(self, level: Any, event: Any = "", /, *args: Any, **kw: Any) -> Any:
        """Log at a level, by number or name, written by another thread."""
        number = level_number(level)
        return await self._alog(number, method_of(number), event, args, kw)

    def is_enabled_for(self, level: int) -> bool:
        """Whether an event of this level would be written."""
        chain = self._chain()
        return chain is None or chain.wants(level, self._logger, self._context)

    def get_effective_level(self) -> int:
        """The lowest level that is written."""
        return next((level for level in sorted(_METHODS) if self.is_enabled_for(level)), logging.CRITICAL)

    def _chain(self) -> Chain | None:
        """The chain, if it is configured: tests and applications may configure other processors."""
        return next((one for one in self._processors if type(one) is Chain), None)

    def _log(self, level: int, method: str, event: Any, args: tuple[Any, ...], kw: dict[str, Any]) -> Any:
        try:
            chain = self._chain()
            if chain is not None and not chain.wants(level, self._logger, kw, self._context):
                return None
            return self._writer_of(chain, method, event, args, kw)()
        except FAILURES as error:  # logging must not stop the application
            report_failure(error, f"{text(event)} {text(args)} {text(kw)}")
            return None

    async def _alog(self, level: int, method: str, event: Any, args: tuple[Any, ...], kw: dict[str, Any]) -> Any:
        try:
            chain = self._chain()
            if chain is not None and not chain.wants(level, self._logger, kw, self._context):
                return None
            if kw.get("exc_info") is True:  # the thread that writes handles no exception
                kw["exc_info"] = sys.exc_info()
            write = self._writer_of(chain, method, event, args, kw)
        except FAILURES as error:  # logging must not stop the application
            report_failure(error, f"{text(event)} {text(args)} {text(kw)}")
            return None
        context = contextvars.copy_context()
        try:
            writing = asyncio.get_running_loop().run_in_executor(None, context.run, write)
        except RuntimeError:  # the loop is closing and takes no more work
            return write()
        return await writing

    def _writer_of(
        self, chain: Chain | None, method: str, event: Any, args: tuple[Any, ...], kw: dict[str, Any]
    ) -> Callable[[], Any]:
        """Complete the event as it is at the moment of the call; gives a function that writes it."""
        if type(event) is str and not event and "event" in kw:
            event = kw.pop("event")  # by name, as structlog's own methods take it
        event, rest = interpolated(event, args)
        if chain is not None and list(self._processors) == [chain]:
            done = complete_event(method, self._logger, {**self._context, **kw}, event, rest)
            return lambda: chain.write(done)
        if rest:
            kw[free_key(kw, ARGUMENTS) if ARGUMENTS in kw else ARGUMENTS] = rest
        if "event" in kw:
            kw[free_key(kw, "event")] = kw.pop("event")
        return lambda: self._through_others(method, event, kw)

    def _through_others(self, method: str, event: Any, kw: dict[str, Any]) -> Any:
        """Pass the event to processors that others have configured."""
        try:
            args, fields = self._process_event(method, event, kw)
            return getattr(self._logger, method)(*args, **fields)
        except structlog.DropEvent:
            return None
        except FAILURES as error:  # logging must not stop the application
            report_failure(error, f"{text(event)} {text(kw)}")
            return None


def unbound(**initial: Any) -> FilteringBoundLogger:
    """A logger that uses the configuration at the time of each call; it may be obtained before there is one."""
    return cast("FilteringBoundLogger", structlog.wrap_logger(None, wrapper_class=BoundLogger, **initial))


def level_number(level: Any) -> int:
    """A level, by number or name, as a number; anything else is info."""
    try:
        numbers = logging.getLevelNamesMapping()
        return numbers[level.upper()] if isinstance(level, str) else int(level)
    except FAILURES:  # methods of the application's objects may raise anything
        return logging.INFO


def method_of(number: int) -> str:
    """The logger method of the nearest level at or below a number."""
    return next((name for level, name in _METHODS.items() if number >= level), "debug")
