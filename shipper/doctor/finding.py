"""A *finding*: one thing that ``check`` found, good or bad, as a value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any

CONFIGURATION = "configuration"
"""Name of the finding about the configuration file and its keys."""
UNREACHED = frozenset({"tls", "timeout", "unreachable", "credentials", "not-elasticsearch", "cluster-unavailable"})
"""The errors that mean: no cluster took the key."""


class Severity(IntEnum):
    """How bad a finding is, the worst last."""

    OK = 0
    """As it should be."""
    NOTE = 1
    """Worth knowing; nothing has to be done."""
    WARNING = 2
    """Shipping works, but lines may be late, missing, twice, or wrong."""
    ERROR = 3
    """Nothing, or something of what is configured, is shipped."""

    @property
    def word(self) -> str:
        """The name in lower-case letters."""
        return self.name.lower()


@dataclass(frozen=True)
class Finding:
    """One finding.

    Attributes:
        name: stable, for scripts; docs/commands.md lists them all.
        severity: how bad it is.
        subject: the file, directory, host, stream or key that it is about.
        sentence: what was found.
        do: what to do now; empty where nothing has to be done.
    """

    name: str
    severity: Severity
    subject: str
    sentence: str
    do: str = ""

    def plain(self) -> dict[str, Any]:
        """The finding for JSON."""
        return {**asdict(self), "severity": self.severity.word}


def ok(name: str, subject: str, sentence: str) -> Finding:
    """A finding that all is well."""
    return Finding(name, Severity.OK, subject, sentence)


def note(name: str, subject: str, sentence: str, do: str = "") -> Finding:
    """A finding worth knowing."""
    return Finding(name, Severity.NOTE, subject, sentence, do)


def warning(name: str, subject: str, sentence: str, do: str) -> Finding:
    """A finding about what works, but not as it should."""
    return Finding(name, Severity.WARNING, subject, sentence, do)


def error(name: str, subject: str, sentence: str, do: str) -> Finding:
    """A finding about what does not work."""
    return Finding(name, Severity.ERROR, subject, sentence, do)


def count(findings: Iterable[Finding]) -> dict[str, int]:
    """The number of findings by severity, the worst first."""
    severities = [finding.severity for finding in findings]
    return {one.word: severities.count(one) for one in reversed(Severity)}
