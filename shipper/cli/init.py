"""``neuroflow-ship init``: writes a first configuration from what is found on this machine.

The file is the application's: what stands in it stays as it is, byte for byte, and sections are added behind it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from shipper.cli.exit_codes import USAGE
from shipper.cli.failure import Failure, tell

if TYPE_CHECKING:  # commands import what they need
    from shipper.cli.discovery import LocalCluster

# The file that is created where there is none.
DEFAULT_FILE = Path("/etc/neuroflow/neuroflow.yaml")
SECTIONS = ("elasticsearch", "shipper")
VARIABLE = "NEUROFLOW_ES_API_KEY"


class Surroundings(NamedTuple):
    """What was found out.

    Attributes:
        cluster: Elasticsearch on this machine.
        log_dir: where the application's logs are.
        named: whether the application's file names it.
        host: the name of this machine.
        container: what tells that this is a container.
        zone: the time zone's IANA name.
        remote: the type of the network file system with the logs.
        state_dir: for positions and dead letters.
        missing: the sections that the application's file lacks.
    """

    cluster: LocalCluster | None
    log_dir: Path
    named: bool
    host: str
    container: str | None
    zone: str | None
    remote: str | None
    state_dir: Path
    missing: tuple[str, ...] = SECTIONS


def text_of(found: Surroundings, *, new: bool) -> str:
    """The sections that are missing, with comments; of a new file also where the logs are."""
    parts = []
    if new:
        parts.append(
            "# The application's section: where the logs are.\n"
            f"logging:\n  log_dir: {json.dumps(str(found.log_dir), ensure_ascii=False)}\n"
        )
    if "elasticsearch" in found.missing:
        parts.append("".join(f"{line}\n" for line in _elasticsearch(found.cluster)))
    if "shipper" in found.missing:
        parts.append("".join(f"{line}\n" for line in _shipper(found)))
    return "\n".join(parts)


def _elasticsearch(cluster: LocalCluster | None) -> Iterator[str]:
    yield "# For neuroflow-ship: where the logs go. docs/configuration.md explains all keys."
    yield "elasticsearch:"
    if cluster is None:
        yield "  # Nothing answered on this machine: write the address of your cluster."
        yield '  hosts: ["http://127.0.0.1:9200"]'
    else:
        yield f"  hosts: [{json.dumps(cluster.url)}]"
    if cluster is None or cluster.secured:
        yield "  # The API key comes from the environment, or from a file that only the sidecar may read:"
        yield "  # api_key: ${file:/etc/neuroflow-ship/api_key}"
        yield f"  api_key: ${{{VARIABLE}:-}}"
    else:
        yield "  # This cluster asks for no credentials. One with security needs:"
        yield "  # api_key: ${file:/etc/neuroflow-ship/api_key}"
    if cluster is not None and cluster.authority is not None:
        yield f"  ca_certs: {json.dumps(str(cluster.authority))}"
    elif cluster is None or not cluster.verified:
        yield "  # With TLS, the certificate of the authority that signed the cluster's:"
        yield "  # ca_certs: /etc/neuroflow/http_ca.crt"


def _shipper(found: Surroundings) -> Iterator[str]:
    yield "# For neuroflow-ship: the sidecar. docs/configuration.md explains all keys."
    yield "shipper:"
    yield "  # A part of every document's id: choose a name that stays, and never change it."
    if found.container:
        yield f"  # This is a container ({found.container}), and the next one has another name than {found.host}."
        yield "  host_name: neuroflow"
    else:
        yield f"  host_name: {json.dumps(found.host, ensure_ascii=False)}"
    yield "  # Of timestamps without a zone."
    yield f"  timezone: {found.zone or 'local'}"
    if found.remote:
        yield f"  # {found.remote} reports no changes of other machines."
        yield "  watch: poll"
    yield "  # Positions in the logs, and dead letters. Keep it on a disk that stays; back-ups are not needed."
    yield f"  state_dir: {json.dumps(str(found.state_dir))}"
    yield "  # Which of the existing logs the first start ships: beginning, end, or those of the last days (7d)."
    yield "  start: auto"
    yield "  # Metrics and health over HTTP:"
    yield "  # telemetry: {listen: 127.0.0.1:9479}"
    yield "  # Replace ids of people before they leave this machine (docs/privacy.md):"
    yield '  # redact: {hash: [subject, session], hash_key: "${NEUROFLOW_HASH_KEY}"}'


def remarks(found: Surroundings) -> Iterator[str]:
    """Sentences on what was found."""
    if not found.named:
        yield f"no log directory is configured; the default is {found.log_dir}"
    if not os.path.isdir(found.log_dir):  # noqa: PTH112 - Path.is_dir raises where a parent may not be entered
        yield f"{found.log_dir}: not there yet; the sidecar waits for it"
    elif not os.access(found.log_dir, os.R_OK | os.X_OK):
        yield f"{found.log_dir}: this user may not read it; docs/operations.md has the group and the ACL"
    if "elasticsearch" not in found.missing:
        return
    if found.cluster is None:
        yield "no Elasticsearch answers on 127.0.0.1:9200; write the address of yours into elasticsearch.hosts"
    elif not found.cluster.verified:
        yield (
            f"{found.cluster.url}: Elasticsearch answers, but its certificate can't be verified; copy its "
            "certs/http_ca.crt to a place that the sidecar may read, and name that in elasticsearch.ca_certs"
        )
    else:
        asks = "asks for credentials" if found.cluster.secured else "asks for no credentials"
        yield f"{found.cluster.url}: Elasticsearch answers, and {asks}"


def next_steps(path: Path, found: Surroundings, *, writable: bool, written: bool, new: bool) -> Iterator[str]:
    """What to do next, one step each.

    Args:
        path: of the file.
        found: on this machine.
        writable: this user may write the state directory.
        written: the sections are in the file.
        new: the file was created, for this user and its group alone.
    """
    import shlex

    command = f"neuroflow-ship --config {shlex.quote(str(path))}"
    if not written:
        yield f"review the text, and add it: {command} init --write"
    elif new:
        yield f"let the sidecar's user read it (mode 0640): chgrp neuroflow-ship {shlex.quote(str(path))}"
    if "elasticsearch" in found.missing and (found.cluster is None or found.cluster.secured):
        yield f"create an API key for setup and one for the sidecar (docs/permissions.md), and set {VARIABLE}"
    if not writable:
        yield (
            f"create {found.state_dir} for the sidecar's user (systemd does it: StateDirectory), or name another "
            "directory in shipper.state_dir"
        )
    yield f"install the index templates: {command} setup"
    yield f"check files, cluster and permissions: {command} check"
    yield f"start the sidecar: {command} --no-setup (docs/operations.md and deploy/ have units and images)"


def extended(old: bytes, addition: str) -> bytes:
    """The file with the addition behind it; what was there stays, byte for byte."""
    end = "\r\n" if b"\r\n" in old else "\n"
    ends_line = not old or old.endswith(b"\n")
    return (
        old
        + ("" if ends_line else end).encode()
        + (end if old else "").encode()
        + addition.replace("\n", end).encode()
    )


def write(path: Path, old: bytes | None, addition: str) -> None:
    """Add to the file, or create it (0640); replaces it in one step, with owner, mode and ACL as they were.

    Args:
        path: without links.
        old: its content when it was read; None where it did not exist.
        addition: sections.

    Raises:
        ConfigError: the file would not be valid then; it stays as it is.
        OSError: it can't be written.
    """
    import shutil
    import tempfile

    from shipper.config import ConfigError, load
    from shipper.config_file import read

    before = _sections(path) if old is not None else {}
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(extended(old or b"", addition))
            file.flush()
            os.fsync(file.fileno())
        try:
            load(beside)
            kept = {key: value for key, value in read(beside).items() if key in before}
        except ConfigError as error:
            problem = str(error).replace(str(beside), str(path))
            raise ConfigError(f"{problem}; nothing was changed: add the sections by hand") from None
        if kept != before:
            raise ConfigError(f"{path}: its sections would change; nothing was changed: add the sections by hand")
        if old is None:
            beside.chmod(0o640)
            path.hardlink_to(beside)  # not a rename, which would replace what somebody else created meanwhile
        else:
            status = path.stat()
            os.chown(beside, status.st_uid, status.st_gid)
            shutil.copystat(path, beside)  # with the ACL, which is an extended attribute
            os.utime(beside)
            if path.read_bytes() != old:
                raise ConfigError(f"{path}: somebody else is changing it; nothing was written: run the command again")
            beside.replace(path)
    finally:
        with suppress(FileNotFoundError):
            beside.unlink()


def _sections(path: Path) -> dict[str, Any]:
    """The sections of the application's file; an empty one has none."""
    import yaml

    from shipper.config_file import read

    with suppress(yaml.YAMLError, UnicodeDecodeError):
        if yaml.safe_load(path.read_text(encoding="utf-8")) is None:
            return {}
    return read(path)


def surroundings(path: Path, sections: dict[str, Any], missing: tuple[str, ...]) -> Surroundings:
    """Find out what is needed, in some seconds at most."""
    import socket

    from shipper.cli.discovery import local_cluster, time_zone
    from shipper.cli.host_name import sign_of_container
    from shipper.config import Shipper, log_dir_of
    from shipper.doctor.rooms import disk_under

    log_dir, host = log_dir_of(path, sections), socket.gethostname()
    disk = disk_under(log_dir)
    return Surroundings(
        cluster=local_cluster() if "elasticsearch" in missing else None,
        log_dir=log_dir,
        named=any(
            isinstance(part := sections.get(one), dict) and part.get("log_dir") for one in ("logging", "paths")
        ),
        host=host,
        container=sign_of_container(host),
        zone=time_zone(os.environ),
        remote=disk.kind if disk is not None and disk.network else None,
        state_dir=Shipper().state_dir,
        missing=missing,
    )


def _place(explicit: str | None) -> Path:
    """The application's file, or where one belongs."""
    from shipper import config as configuration
    from shipper.config_file import home_directory

    try:
        found = configuration.find(explicit, os.environ, home_directory())
    except configuration.ConfigError:
        found = DEFAULT_FILE if DEFAULT_FILE.parent.is_dir() else Path("neuroflow.yaml")
    try:
        return Path(os.path.realpath(found))
    except FileNotFoundError:
        raise Failure(f"{found}: the working directory does not exist any more: change to another", USAGE) from None


def _kind(sections: Mapping[str, Any], *, new: bool) -> str:
    """What the file is, in words."""
    if new:
        return "no such file yet"
    if not sections or {"logging", "paths"} & sections.keys():
        return "found the application's configuration"
    return (
        f"found, with the sections {', '.join(map(str, list(sections)[:5]))}, and neither logging nor paths: is this "
        "neuroflow's file?"
    )


@click.command()
@click.option("--write", "to_file", is_flag=True, help="Add the sections to the file, or create it.")
@click.pass_context
def init(context: click.Context, to_file: bool) -> None:
    """Print the sections of neuroflow.yaml for the sidecar, from what is found on this machine."""
    import shlex

    from shipper.cli.discovery import may_be_written
    from shipper.config_file import MAX_BYTES
    from shipper.regular_files import read_regular

    path = _place(context.obj["config"])
    try:
        old: bytes | None = read_regular(path, MAX_BYTES)
    except FileNotFoundError:
        old = None
    sections = {} if old is None else _sections(path)
    missing = tuple(one for one in SECTIONS if one not in sections)
    command = f"neuroflow-ship --config {shlex.quote(str(path))}"
    if not missing:
        tell(f"{path}: has the sections {' and '.join(SECTIONS)} already; nothing was changed. Next: {command} check")
        return
    found = surroundings(path, sections, missing)
    addition = text_of(found, new=not sections)
    tell(f"{path}: {_kind(sections, new=old is None)}")
    for sentence in remarks(found):
        tell(sentence)
    if to_file:
        try:
            write(path, old, addition)
        except OSError as error:
            raise Failure(
                f"{path}: can't be written: {error.strerror}; add the output of `{command} init` by hand", USAGE
            ) from None
        tell(f"{path}: {' and '.join(missing)} written" if old is None else f"{path}: {' and '.join(missing)} added")
    else:
        click.echo(addition, nl=False)
    writable = may_be_written(found.state_dir)
    for number, step in enumerate(next_steps(path, found, writable=writable, written=to_file, new=old is None), 1):
        tell(f"next, {number}: {step}")
