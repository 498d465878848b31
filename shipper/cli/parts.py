"""Creates parts of the shipper from the configuration, for commands."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:  # a slow import, needed with a cluster only
    from elasticsearch import Elasticsearch

    from shipper.cli.templates import Templates
    from shipper.config import Config
    from shipper.deliver.dead_letters import DeadLetters
    from shipper.redact.redactor import Redactor
    from shipper.runs.writer import RunDocuments
    from shipper.tail.found_files import Found
    from shipper.tail.scanner import Scanner


def configured(context: click.Context) -> Config:
    """The configuration of a command of ``neuroflow-ship``.

    Raises:
        ConfigError: there is none, or it is wrong.
    """
    from shipper import config as configuration
    from shipper.config_file import home_directory
    from shipper.credentials import credential_mask

    config = configuration.load(configuration.find(context.obj["config"], os.environ, home_directory()))
    credential_mask.add(config.credentials)
    return config


def absence_of(path: Path, missing: str) -> str | None:
    """Why a directory can't be used, in words; None where it can.

    Args:
        path: of the directory.
        missing: the words for one that does not exist.
    """
    try:
        return None if stat.S_ISDIR(path.stat().st_mode) else "is no directory"
    except (FileNotFoundError, NotADirectoryError):
        return missing
    except OSError as error:
        return f"can't be looked at: {error.strerror}"


def run_documents_of(client: Elasticsearch, config: Config) -> RunDocuments:
    """The index of run documents."""
    from shipper.elastic.names import run_index
    from shipper.runs.index import make_run_index
    from shipper.runs.writer import RunDocuments

    index = run_index(config.shipper.namespace)
    compress = config.shipper.batch.compress
    return RunDocuments(client, index, lambda: make_run_index(client, index), compress=compress)


def templates_of(client: Elasticsearch, config: Config, *, setup: bool) -> Templates:
    """Installs the templates, or only checks them."""
    from shipper.cli.templates import Templates

    return Templates(client, config.elasticsearch, config.shipper.namespace, setup=setup)


def dead_letters_of(config: Config, redactor: Redactor) -> DeadLetters:
    """The dead letters in the state directory."""
    from shipper.deliver.dead_letters import DeadLetters

    return DeadLetters(config.shipper.state_dir, lambda: datetime.now(UTC).isoformat(), redactor)


def redactor_of(config: Config) -> Redactor:
    """A redactor with the ids that the sidecar has collected so far."""
    from shipper.redact.redactor import Redactor
    from shipper.tail import report

    return Redactor(config.shipper.redact, report.known(config.shipper.state_dir))


def scan_of(config: Config, warn: Callable[[str], None]) -> tuple[list[Found], Scanner]:
    """The current input files, and the scanner that found them."""
    from shipper.tail.scanner import Scanner
    from shipper.tail.sources import link_targets, sources_of

    scanner = Scanner(sources_of(config), config.shipper.exclude, warn, link_targets=link_targets(config))
    return scanner.scan(), scanner
