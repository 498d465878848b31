"""Findings about the configuration file and the user."""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from shipper.config import OUR_SECTIONS, Config, ConfigError
from shipper.config_file import read
from shipper.doctor.finding import CONFIGURATION, Finding, note, ok, warning


def check_configuration(config: Config) -> Iterator[Finding]:
    """The file, who may read it, and who runs this command."""
    path = str(config.path)
    yield ok(CONFIGURATION, path, f"configuration: {path}: valid")
    with suppress(ConfigError):  # it was just read
        yield from misspelt_sections(path, frozenset(map(str, read(config.path))))
    yield from readable_secrets(path, _mode(config.path), holds=_holds_credential(config))
    yield from running_as(os.geteuid(), path)


def misspelt_sections(path: str, sections: Collection[str]) -> Iterator[Finding]:
    """Sections whose names are nearly those of sections that are read, and missing.

    Args:
        path: of the file.
        sections: that are in it.
    """
    known = {*OUR_SECTIONS, "logging", "paths"}
    missing = [one for one in (*OUR_SECTIONS, "logging") if one not in sections]
    if "paths" in sections and "logging" in missing:
        missing.remove("logging")
    for name in sorted(set(sections) - known):
        for close in difflib.get_close_matches(name.lower(), missing, n=1, cutoff=0.7):
            yield warning(
                "section-misspelt",
                path,
                f"{path} has a section {name} and none with the name {close}: it is taken for one of the "
                "application, and the defaults count",
                f"call it {close}, if it is meant for neuroflow-ship",
            )


def readable_secrets(path: str, mode: int | None, *, holds: bool) -> Iterator[Finding]:
    """A file with a credential in it that every user of the machine may read.

    Args:
        path: of the file.
        mode: its permission bits; None if unknown.
        holds: whether a credential stands in it.
    """
    if mode is not None and holds and mode & stat.S_IROTH:
        yield warning(
            "secrets-readable",
            path,
            f"{path} holds a credential, and every user of this machine may read it (mode {mode:04o})",
            "let only the sidecar's group read it (chmod 640 and chgrp), or put the credential into an environment "
            "variable",
        )


def running_as(uid: int, path: str) -> Iterator[Finding]:
    """A note for root, which reads everything: the sidecar's user may be refused what root is not."""
    if uid == 0:
        yield note(
            "root",
            path,
            "this command runs as root, who may read everything: it can't tell what another user may not read",
            "run the sidecar, and this command, as a user of its own that may read the logs",
        )


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode & 0o7777
    except OSError:
        return None


def _holds_credential(config: Config) -> bool:
    try:
        text = config.path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return any(secret in text for secret in config.credentials)
