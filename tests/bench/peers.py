"""Who is measured: neuroflow-ship, other shippers where their programs are there, and the official client."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.bench.cases import Logs


class Job(NamedTuple):
    """What a peer has to do.

    Attributes:
        folder: for its configuration and state; empty.
        logs: to ship.
        url: where to.
        target: name of a plain index, or the namespace of ours.
        gzip: compress requests.
    """

    folder: Path
    logs: Logs
    url: str
    target: str
    gzip: bool

    @property
    def place(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "127.0.0.1", parts.port or 9200


class Peer(NamedTuple):
    """One program.

    Attributes:
        name: in tables, and for ``--peer``.
        program: on PATH; empty: it comes with this project.
        variable: of the environment, which names the program otherwise.
        set_up: writes its configuration; takes the program and gives the command.
        ends: it ends when everything is shipped; others are ended then.
        gzips: it can compress requests.
    """

    name: str
    program: str
    variable: str
    set_up: Callable[[str, Job], list[str]]
    ends: bool = False
    gzips: bool = True

    def found(self, environ: Mapping[str, str]) -> str | None:
        """Path of the program; None where it is not there."""
        if not self.program:
            return sys.executable
        return shutil.which(environ.get(self.variable) or self.program)


def config_of(job: Job) -> Path:
    """Write our configuration; gives its path."""
    path = job.folder / "neuroflow.yaml"
    # Names of a log directory's own files are read without being named.
    inputs = [] if "/" in job.logs.case.place else [{"paths": [job.logs.pattern], "format": "auto"}]
    shipper = {
        "state_dir": str(job.folder / "state"),
        "namespace": job.target,
        "inputs": inputs,
        "batch": {"compress": job.gzip},
    }
    sections = {
        "logging": {"log_dir": str(job.logs.folder)},
        "elasticsearch": {"hosts": [job.url]},
        "shipper": shipper,
    }
    path.write_text(json.dumps(sections))  # which is YAML
    return path


def _ours(python: str, job: Job) -> list[str]:
    return [python, "-m", "shipper.cli.ship", "--config", str(config_of(job)), "--once"]


def _client(python: str, job: Job) -> list[str]:
    options = [*(["--json"] if job.logs.case.json else []), *(["--gzip"] if job.gzip else [])]
    return [python, "-m", "tests.bench.client", job.url, job.target, job.logs.pattern, *options]


def _fluent_bit(program: str, job: Job) -> list[str]:
    host, port = job.place
    (job.folder / "parsers.conf").write_text(
        "[PARSER]\n  name bench\n  format json\n  time_key @timestamp\n  time_format %Y-%m-%dT%H:%M:%S.%L%z\n"
        "  time_keep on\n"
    )
    parser = "  parser bench\n" if job.logs.case.json else ""
    path = job.folder / "fluent-bit.conf"
    path.write_text(
        f"[SERVICE]\n  flush 1\n  grace 1\n  log_level error\n  parsers_file {job.folder}/parsers.conf\n"
        f"[INPUT]\n  name tail\n  path {job.logs.pattern}\n  read_from_head true\n  refresh_interval 1\n{parser}"
        f"[OUTPUT]\n  name es\n  match *\n  host {host}\n  port {port}\n  index {job.target}\n"
        "  suppress_type_name on\n  write_operation create\n  buffer_size false\n  retry_limit no_limits\n"
        f"{'  compress gzip' if job.gzip else ''}\n"
    )
    return [program, "-c", str(path)]


def _rsyslog(program: str, job: Job) -> list[str]:
    host, port = job.place
    # A line of JSON is sent as it is, which is the cheapest that rsyslog can do.
    template = (
        'template(name="bench" type="string" string="%msg%")'
        if job.logs.case.json
        else 'template(name="bench" type="list" option.jsonf="on") {\n'
        '  property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")\n'
        '  property(outname="message" name="msg" format="jsonf")\n}'
    )
    path = job.folder / "rsyslog.conf"
    path.write_text(
        f'global(workDirectory="{job.folder}" maxMessageSize="1m")\n'
        f'module(load="imfile" mode="inotify")\nmodule(load="omelasticsearch")\n{template}\n'
        f'input(type="imfile" File="{job.logs.pattern}" Tag="bench" ruleset="bench")\n'
        'ruleset(name="bench" queue.type="FixedArray" queue.size="50000" queue.dequeueBatchSize="5000") {\n'
        f'  action(type="omelasticsearch" server="{host}" serverport="{port}" template="bench" '
        f'searchIndex="{job.target}" searchType="" bulkmode="on" maxbytes="5m" action.resumeRetryCount="-1")\n}}\n'
    )
    return [program, "-n", "-f", str(path), "-i", str(job.folder / "pid")]


def _vector(program: str, job: Job) -> list[str]:
    parsed = {"type": "remap", "inputs": ["files"], "source": ". = object!(parse_json!(.message))"}
    sink = {
        "type": "elasticsearch",
        "inputs": ["parsed" if job.logs.case.json else "files"],
        "endpoints": [job.url],
        "api_version": "v8",
        "mode": "bulk",
        "bulk": {"index": job.target, "action": "create"},
        "compression": "gzip" if job.gzip else "none",
        "healthcheck": {"enabled": False},
    }
    path = job.folder / "vector.json"
    path.write_text(
        json.dumps(
            {
                "data_dir": str(job.folder),
                "sources": {"files": {"type": "file", "include": [job.logs.pattern], "read_from": "beginning"}},
                "transforms": {"parsed": parsed} if job.logs.case.json else {},
                "sinks": {"bench": sink},
            }
        )
    )
    return [program, "--quiet", "--config", str(path)]


def _filebeat(program: str, job: Job) -> list[str]:
    parsers = [{"ndjson": {"target": "", "overwrite_keys": True}}] if job.logs.case.json else []
    path = job.folder / "filebeat.yml"
    path.write_text(
        json.dumps(
            {
                "filebeat.inputs": [
                    {"type": "filestream", "id": "bench", "paths": [job.logs.pattern], "parsers": parsers}
                ],
                "output.elasticsearch": {
                    "hosts": [job.url],
                    "index": job.target,
                    "compression_level": 1 if job.gzip else 0,
                    "allow_older_versions": True,
                },
                "path.data": str(job.folder),
                "path.logs": str(job.folder),
                "setup.template.enabled": False,
                "setup.ilm.enabled": False,
            }
        )
    )
    return [program, "-c", str(path), "--strict.perms=false"]


OURS = "neuroflow-ship"
PEERS = [
    Peer(OURS, "", "", _ours, ends=True),
    Peer("Fluent Bit", "fluent-bit", "FLUENT_BIT", _fluent_bit),
    Peer("rsyslog", "rsyslogd", "RSYSLOGD", _rsyslog, gzips=False),
    Peer("Vector", "vector", "VECTOR", _vector),
    Peer("Filebeat", "filebeat", "FILEBEAT", _filebeat),
    Peer("streaming_bulk", "", "", _client, ends=True),
]


def those_there(
    names: Collection[str], environ: Mapping[str, str], say: Callable[[str], None]
) -> list[tuple[Peer, str]]:
    """Peers whose programs are there, with their paths.

    Args:
        names: of those that are wanted; empty: all.
        environ: the environment.
        say: takes a sentence about each whose program is missing.
    """
    there = []
    for peer in PEERS:
        if names and peer.name not in names:
            continue
        if (program := peer.found(environ)) is not None:
            there.append((peer, program))
        elif named := environ.get(peer.variable):
            say(f"{peer.name} is not measured: {peer.variable} names {named}, which is no program")
        else:
            say(f"{peer.name} is not measured: no {peer.program} is on PATH, and {peer.variable} names none")
    return there
