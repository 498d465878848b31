"""Ends a failed command with a sentence and an exit code."""

from __future__ import annotations

from typing import Any

import click

from shipper.cli.exit_codes import INTERRUPTED, USAGE
from shipper.credentials import credential_mask
from shipper.interrupts import interrupted
from shipper.printable import printable


def tell(sentence: str, *, lines: bool = False) -> None:
    """Print a sentence of ``neuroflow-ship`` to standard error; or several, where it consists of ``lines``."""
    click.echo(printable(credential_mask.text(f"neuroflow-ship: {sentence}"), lines=lines), err=True)


class Failure(click.ClickException):
    """Ends a command with a sentence, or several ``lines`` of them, and an exit code."""

    def __init__(self, message: str, code: int, *, lines: bool = False) -> None:
        super().__init__(message)
        self._lines = lines
        self.exit_code = code  # type: ignore[misc] # a class variable there, one per error here

    def show(self, file: Any = None) -> None:  # noqa: ARG002 - the parent's signature
        """Print the sentence to standard error, or log it where the sidecar's log is JSON."""
        from shipper.health.own_log import OWN_WORDS, writes_json  # most commands need no log
        from shipper.telemetry import log

        if writes_json():
            log.error("%s", "; ".join(self.message.splitlines()), extra=OWN_WORDS)
        else:
            tell(self.message, lines=self._lines)


class Commands(click.Group):
    """Commands; an invalid configuration or an unusable file ends them with a sentence and exit code 2.

    Ctrl-C ends them with 130.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return self._invoke(ctx)
        except (Exception, KeyboardInterrupt) as error:
            if interrupted(error):
                ctx.exit(INTERRUPTED)
            raise

    def _invoke(self, ctx: click.Context) -> Any:
        from shipper.config import ConfigError  # a slow import that --help and --version don't need

        try:
            return super().invoke(ctx)
        except ConfigError as error:
            raise Failure(str(error), USAGE, lines=True) from None
        except OSError as error:
            if error.filename is None:
                raise
            advice = "; run this command as the sidecar's user" if isinstance(error, PermissionError) else ""
            raise Failure(f"{error.filename}: can't be used: {error.strerror}{advice}", USAGE) from None
