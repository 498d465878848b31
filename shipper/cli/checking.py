"""``check``: runs each check of the doctor, prints its findings, and turns them into an exit code."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipper.cli.exit_codes import CLUSTER, INCOMPLETE, OK, USAGE
from shipper.cli.host_name import state_of, warnings_of
from shipper.cli.parts import redactor_of, scan_of
from shipper.credentials import credential_mask
from shipper.doctor.finding import CONFIGURATION, UNREACHED, Finding, Severity, count, error, note, warning
from shipper.printable import printable

if TYPE_CHECKING:  # keeps imports of commands without a cluster, and of --version, fast
    from elasticsearch import Elasticsearch

    from shipper.config import Config
    from shipper.config import Elasticsearch as Settings
    from shipper.doctor.processes import Process, Sidecar

COLOURS = {Severity.OK: None, Severity.NOTE: "cyan", Severity.WARNING: "yellow", Severity.ERROR: "red"}
Checks = Iterator[tuple[str, Iterable[Finding]]]


def run_check(config: Config, *, as_json: bool, strict: bool) -> int:
    """Print what every check finds, group by group; gives the exit code."""
    redactor = redactor_of(config)

    def clean(text: str) -> str:
        return printable(credential_mask.text(redactor.path(text)), lines=False)

    findings: list[tuple[str, Finding]] = []
    for group, found in _checks(config, redactor.conceal):
        if not as_json:
            click.echo(f"{group}:")
        for one in found:
            finding = Finding(one.name, one.severity, *map(clean, (one.subject, one.sentence, one.do)))
            findings.append((group, finding))
            if not as_json:
                _show(finding)
    plain = [finding for _, finding in findings]
    code = code_of(plain, strict=strict)
    if as_json:
        _print_json(findings, code)
    else:
        click.echo(summary(plain))
    return code


def invalid(sentence: str) -> int:
    """Print an invalid configuration as JSON; gives the exit code."""
    finding = error(CONFIGURATION, CONFIGURATION, printable(sentence), "correct the configuration")
    _print_json([(CONFIGURATION, finding)], USAGE)
    return USAGE


def _print_json(found: list[tuple[str, Finding]], code: int) -> None:
    findings = [{"group": group, **finding.plain()} for group, finding in found]
    counted = count(finding for _, finding in found)
    click.echo(json.dumps({"exit_code": code, "count": counted, "findings": findings}, indent=2))


def code_of(findings: Iterable[Finding], *, strict: bool) -> int:
    """The exit code: by the worst finding, with a code of its own for a cluster that can't be reached."""
    found = list(findings)
    errors = {one.name for one in found if one.severity is Severity.ERROR}
    if CONFIGURATION in errors:
        return USAGE
    if errors & UNREACHED or ("version-too-old" in errors and any(one.name == "skipped" for one in found)):
        return CLUSTER
    worst = max((one.severity for one in found), default=Severity.OK)
    return INCOMPLETE if worst >= (Severity.WARNING if strict else Severity.ERROR) else OK


def summary(findings: Sequence[Finding]) -> str:
    """One line: how many problems there are, and their names."""
    parts = []
    for severity in (Severity.ERROR, Severity.WARNING, Severity.NOTE):
        names = [one.name for one in findings if one.severity is severity]
        if names:
            kinds = "" if severity is Severity.NOTE else f" ({', '.join(dict.fromkeys(names))})"
            parts.append(f"{len(names)} {severity.word}{'s' if len(names) > 1 else ''}{kinds}")
    return f"found: {', '.join(parts)}" if parts else "found: nothing wrong"


def _show(finding: Finding) -> None:
    problem = finding.severity >= Severity.WARNING
    colour = None if os.environ.get("NO_COLOR") else COLOURS[finding.severity]
    word = "" if finding.severity is Severity.OK else f"{finding.severity.word}: "
    click.echo(f"  {click.style(word, fg=colour, bold=problem) if colour else word}{finding.sentence}")
    if finding.do:
        click.echo(f"    do: {finding.do}")


def _checks(config: Config, conceal: Callable[[str], str]) -> Checks:
    """Every check with its group; the files first, which can be many, the problems of one group behind its facts."""
    from shipper.doctor.configuration import check_configuration
    from shipper.doctor.state import check_state

    yield "configuration", _guarded("configuration", lambda: check_configuration(config))
    yield "files", _problems_last(_guarded("files", lambda: _files(config, conceal)))
    yield "state", _guarded("state", lambda: check_state(config.shipper.state_dir))
    yield from _cluster(config)
    if config.kibana.url is not None:
        from shipper.doctor.kibana import check_kibana

        yield "Kibana", _guarded("Kibana", lambda: check_kibana(config))


def _guarded(subject: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """The findings of a check; one that fails itself does not stop the others."""
    try:
        yield from check()
    except Exception as reason:  # noqa: BLE001 - a bug, or something that nobody thought of: the other checks go on
        yield warning(
            "check-failed",
            subject,
            f"{subject}: can't be checked to its end: {type(reason).__name__}: {reason}",
            "look at the reason; if it is none of yours, report it with this message",
        )


def _problems_last(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda one: one.severity >= Severity.WARNING)


def _files(config: Config, conceal: Callable[[str], str]) -> Iterator[Finding]:
    from shipper.cli.first_start import first_start
    from shipper.doctor import files as of_files
    from shipper.doctor.denied import user_name
    from shipper.doctor.rooms import disk_under, log_disk
    from shipper.doctor.zones import last_times, zone_findings
    from shipper.tail import report
    from shipper.tail.found_files import split
    from shipper.tail.sources import sources_of

    shipper, log_dir = config.shipper, config.log_dir
    user = user_name(os.geteuid())
    yield from of_files.directory_findings(log_dir, user)
    found, scanner = scan_of(config, lambda _: None)
    troubles = report.not_read(shipper.state_dir, found, host=shipper.host, conceal=conceal)
    reasons = scanner.omitted | {path: why for path, (why, _) in troubles.items()}
    harmless = frozenset(scanner.omitted) - scanner.unread
    whole = frozenset(path for path, (_, all_of_it) in troubles.items() if all_of_it)
    offsets = report.offsets(shipper.state_dir)
    yield from of_files.file_findings(found, offsets, whole, shipper.namespace)
    yield from of_files.unread_findings(reasons, harmless, of_files.denied_of(reasons, user))
    sources = sources_of(config)
    if text := first_start(config, found):
        yield note("first-start", "shipper.start", text)
    inside = of_files.names_in(log_dir)
    near = None if found else of_files.near_directory(log_dir, sources)
    yield from of_files.match_findings(str(log_dir), inside, sources, len(found), len(reasons), near)
    inputs = [file.source for file in found]
    yield from of_files.input_findings(sources, inputs, reasons, lambda path: not os.path.lexists(path))
    if found:
        known = {*reasons, *(file.path for file in found), str(shipper.state_dir)}
        yield from of_files.stranger_findings(str(log_dir), of_files.strangers(log_dir, known, shipper.exclude))
    before = state_of(*report.remembered(shipper.state_dir), shipper.host)
    for sentence in warnings_of(config, before, lambda: any(file.size for file in found)):
        yield warning("host-name", "shipper.host_name", sentence, "set shipper.host_name, as the sentence says")
    yield from _guarded(
        "times",
        lambda: zone_findings(last_times(found, shipper), datetime.now(UTC), time.localtime().tm_gmtoff),
    )
    yield from log_disk(str(log_dir), disk_under(log_dir), watch=shipper.watch, scan_interval=shipper.scan_interval)
    roots = sorted({split(source.pattern)[0] for source in sources})
    yield from _guarded("watching", lambda: _watching(config, roots))
    yield from _guarded("processes", lambda: _processes(config, {file.key: file.shown for file in found}))


def _watching(config: Config, roots: list[str]) -> Iterator[Finding]:
    from shipper.doctor.state import observe
    from shipper.doctor.watches import count_directories, inotify_of, watch_findings

    state = observe(config.shipper.state_dir)
    found = inotify_of(os.geteuid(), [number for number in (state.holder, os.getpid()) if number is not None])
    yield from watch_findings(str(config.log_dir), count_directories(roots), found, watch=config.shipper.watch)


def _processes(config: Config, files: Mapping[tuple[int, int], str]) -> Iterator[Finding]:
    from shipper.doctor.processes import check_processes

    return check_processes(str(config.log_dir), str(config.shipper.state_dir), files, _sidecar_of)


def _sidecar_of(process: Process, named: str) -> Sidecar | None:
    """What another sidecar reads, and where it writes; None where its configuration can't be read."""
    from shipper import config as configuration
    from shipper.doctor.processes import Sidecar

    if process.directory is None:
        return None
    environ, directory = process.environ or {}, Path(process.directory)
    try:
        path = directory / configuration.find(named or None, environ, Path(environ.get("HOME", "/")), directory)
        other = configuration.load(path, environ)
        files = frozenset(file.key for file in scan_of(other, lambda _: None)[0])
    except (configuration.ConfigError, OSError):
        return None
    log_dir, state_dir = map(os.path.realpath, (other.log_dir, other.shipper.state_dir))
    return Sidecar(process.number, log_dir, state_dir, files)


def _cluster(config: Config) -> Checks:
    """The checks that ask the cluster; when it stops answering, the rest is left out."""
    from shipper.doctor import cluster, key, templates
    from shipper.doctor.hosts import has_key, host_findings, protection_findings, reach
    from shipper.elastic.client import connect, where

    settings, namespace = config.elasticsearch, config.shipper.namespace
    place = where(settings)
    reached = reach(settings)
    hosts = [*host_findings(reached, no_key=not has_key(settings)), *protection_findings(settings)]
    good = [one.settings for one in reached if one.problem is None]
    if not good:
        yield "cluster", [*hosts, note("skipped", place, "not checked: clock, version, permissions, templates")]
        return
    if not settings.cloud_id:
        settings = settings.model_copy(update={"hosts": [host for one in good for host in one.hosts]})
    client = connect(settings)
    asking = Asking(client, settings)
    try:
        inside = (
            lambda: cluster.check_version(client, place),
            lambda: cluster.check_clock(client, place),
            lambda: cluster.check_capacity(client, place),
            lambda: cluster.check_blocks(client, namespace),
        )
        yield "cluster", _problems_last([*hosts, *(one for check in inside for one in asking.findings(check))])
        privileges = key.Privileges(None)

        def permissions() -> Iterable[Finding]:
            nonlocal privileges
            privileges = key.privileges_of(client, namespace)
            return key.key_findings(privileges, place, namespace)

        yield "permissions", asking.findings(permissions)
        may = privileges.may_install
        yield "templates", asking.findings(lambda: templates.check_templates(client, namespace, may_install=may))
    finally:
        client.close()


class Asking:
    """Runs checks that ask the cluster, until it stops answering: then each would wait for a time-out.

    A failure that has been found already (a version that is too old) is not repeated.
    """

    def __init__(self, client: Elasticsearch, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._away = False
        self._names: set[str] = set()

    def findings(self, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
        """The findings of a check; when it fails, those before and a sentence."""
        from elastic_transport import ConnectionError as TransportConnectionError
        from elastic_transport import ConnectionTimeout

        from shipper.doctor.hosts import problem_of
        from shipper.elastic.client import explain, where
        from shipper.elastic.products import OtherProductError

        place = where(self._settings)
        if self._away:
            return []
        found: list[Finding] = []
        try:
            found += check()
        except Exception as reason:  # noqa: BLE001 - the answer may be anything: the other checks go on
            self._away = isinstance(reason, TransportConnectionError | ConnectionTimeout | OtherProductError)
            why = explain(reason, self._settings)
            sentence = f"can't be checked to its end: {why}"
            name = (problem_of(reason, why) if self._away else None) or "check-failed"
            severity = Severity.ERROR if self._away else Severity.WARNING
            if name not in self._names:
                do = "correct what the reason names, and run check again"
                found.append(Finding(name, severity, place, sentence, do))
            if self._away:
                found.append(note("skipped", place, "the other checks of the cluster are left out"))
        self._names |= {one.name for one in found}
        return found


def check_in_force(client: Elasticsearch, config: Config) -> bool:
    """After ``setup``: print how templates and indices differ from ours; False when any does."""
    from elastic_transport import ApiError, TransportError

    from shipper.elastic.client import explain
    from shipper.elastic.in_force import in_force

    try:
        found = in_force(client, config.shipper.namespace)
    except (ApiError, TransportError) as refused:
        reason = explain(refused, config.elasticsearch)
        click.echo(printable(f"templates: can't check which are in force: {reason}"), err=True)
        return True
    for sentence in (*found.templates, *found.indices):
        click.echo(printable(f"wrong: {sentence}"), err=True)
    return not (found.templates or found.indices)
