"""Findings about a cluster that answers: its clock, version, disks, blocks and shard limit.

A key may be refused any of it: then a note says which privilege would show it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from elasticsearch import Elasticsearch

from shipper.config import DATASETS
from shipper.doctor.asking import Answer, ask
from shipper.doctor.finding import Finding, error, note, ok, warning
from shipper.elastic.names import run_index, streams_of
from shipper.elastic.products import OLDEST

# Seconds that two clocks may differ.
MAX_SKEW = 5.0
# Elasticsearch's own defaults, where the cluster does not tell its watermarks.
WATERMARKS = {"high": "90%", "flood_stage": "95%"}
_MAKE_ROOM = "make room on the nodes' disks"
_CONSEQUENCES = {"high": "moves shards away from it", "flood_stage": "makes indices read-only"}
BLOCKS = ("read_only_allow_delete", "read_only", "write", "read")

_DISK = "cluster.routing.allocation.disk."

# Elasticsearch resolves date math before it finds that there is no such index or that the key may not search it, and
# its refusal names the result: the one way to see its clock that needs no privilege.  It sends no header Date.
_CLOCK = "<logs-neuroflow.app-clock-{now{yyyy.MM.dd.HH.mm.ss.SSS}}>"
_RESOLVED = re.compile(r"app-clock-(\d{4}(?:\.\d+){6})")


def check_clock(client: Elasticsearch, host: str, wall: Callable[[], float] = time.time) -> Iterator[Finding]:
    """Whether the clocks of the cluster and of this machine differ."""
    before = wall()
    answer = ask(client, "POST", f"/{quote(_CLOCK, safe='')}/_search", {"size": 0})
    after = wall()
    yield clock_finding(host, clock_of(answer), before, after)


def clock_of(answer: Answer) -> tuple[float, float] | None:
    """The time that an answer tells, as seconds since the epoch and their precision; None where it tells none."""
    if found := _RESOLVED.search(str(answer.body)):
        return datetime.strptime(f"{found[1]}+0000", "%Y.%m.%d.%H.%M.%S.%f%z").timestamp(), 0.001
    try:
        return (parsedate_to_datetime(answer.date).timestamp(), 1.0) if answer.date else None
    except ValueError:
        return None


def clock_finding(host: str, told: tuple[float, float] | None, before: float, after: float) -> Finding:
    """The difference of the clocks, less what the request itself took.

    Args:
        host: the cluster.
        told: its time and the precision of that, seconds.
        before: this machine's time when the request was sent, seconds since the epoch.
        after: the same when the answer had come.
    """
    if told is None:
        return note("clock-unseen", host, "can't compare the clocks: the cluster's answers tell no time")
    at, precision = told
    skew = at - after if at > after else min(0.0, at + precision - before)
    if abs(skew) <= MAX_SKEW:
        return ok("clock", host, f"clock: this machine's and the cluster's differ by less than {MAX_SKEW:g} s")
    return warning(
        "clock-skew",
        host,
        f"the clock of this machine is {abs(skew):.0f} s {'behind' if skew > 0 else 'ahead of'} the cluster's "
        f"({_clock(before)} here, {_clock(at)} there): `--since`, following and alert rules miss lines, or "
        "show them late",
        "synchronise the wrong clock (`timedatectl` tells whether this one is synchronised)",
    )


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")


def check_version(client: Elasticsearch, host: str) -> Iterator[Finding]:
    """Whether every node is recent enough, and whether it is Elasticsearch."""
    nodes = ask(client, "GET", "/_nodes", {"filter_path": "nodes.*.version"})
    root = None if versions_of(nodes) else ask(client, "GET", "/")
    yield version_finding(host, nodes, root)


def versions_of(nodes: Answer) -> list[str]:
    """The versions of the nodes, as an answer tells them."""
    found = nodes.content.get("nodes")
    each = found.values() if isinstance(found, dict) else ()
    return sorted({str(one["version"]) for one in each if isinstance(one, dict) and "version" in one}, key=_number)


def version_finding(host: str, nodes: Answer, root: Answer | None) -> Finding:
    """By the answers of ``_nodes`` and, where that tells none, ``GET /``."""
    versions = versions_of(nodes)
    told = root.body.get("version") if root and isinstance(root.body, dict) else None
    if not versions and isinstance(told, dict) and "number" in told:
        if told.get("build_flavor") == "serverless":
            return ok("version", host, "version: Elasticsearch Serverless")
        versions = [str(told["number"])]
        if told.get("distribution"):
            return error(
                "not-elasticsearch",
                host,
                f"{host} is {told['distribution']} {versions[0]}, not Elasticsearch",
                "name an Elasticsearch cluster in elasticsearch.hosts",
            )
    if not versions:
        return note(
            "version-unseen", host, "can't see the cluster's version: grant the cluster privilege `monitor` to see it"
        )
    if _number(versions[0]) < OLDEST:
        return error(
            "version-too-old",
            host,
            f"{host} runs Elasticsearch {versions[0]}, which is older than {OLDEST[0]}.{OLDEST[1]}, the oldest that "
            "is supported",
            "update the cluster",
        )
    return ok("version", host, f"version: Elasticsearch {', '.join(versions)}")


def _number(version: str) -> tuple[int, int]:
    found = re.match(r"(\d{1,9})\.(\d{1,9})", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def check_capacity(client: Elasticsearch, host: str) -> Iterator[Finding]:
    """Disks, shard limit, and blocks of the whole cluster."""
    health = ask(client, "GET", "/_cluster/health")
    if not health.content:
        if health.status != 403:
            yield note("capacity-unseen", host, "the cluster does not tell its disks, blocks and shard limit")
            return
        yield note(
            "capacity-unseen",
            host,
            "can't see the cluster's disks, blocks and shard limit: grant the cluster privilege `monitor` to see "
            "them",
        )
        return
    wanted = ["*.cluster.max_shards_per_node", "*.cluster.blocks", f"*.{_DISK.rstrip('.')}"]
    answer = ask(client, "GET", "/_cluster/settings", {"include_defaults": "true", "filter_path": ",".join(wanted)})
    settings = flat_settings(answer.content)
    columns = {"format": "json", "h": "node,disk.avail,disk.total", "bytes": "b"}
    disks = ask(client, "GET", "/_cat/allocation", columns)
    yield from health_findings(host, health.content)
    yield from shard_findings(host, health.content, settings.get("cluster.max_shards_per_node"))
    yield from cluster_block_findings(host, settings)
    marks = {key.removeprefix(_DISK): value for key, value in settings.items()}
    yield from disk_findings(host, disks.body if disks.status == 200 else None, marks)


def flat_settings(body: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a cluster by their full names: transient ones count before persistent ones before defaults."""
    found: dict[str, Any] = {}
    for level in ("defaults", "persistent", "transient"):
        found |= _flat(body.get(level))
    return found


def _flat(settings: Any, above: str = "") -> dict[str, Any]:
    """Settings by full names, whether they are nested or dotted."""
    found: dict[str, Any] = {}
    for name, value in settings.items() if isinstance(settings, dict) else ():
        found |= _flat(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": value}
    return found


def health_findings(host: str, health: Mapping[str, Any]) -> Iterator[Finding]:
    """A red cluster lacks a primary shard of some index."""
    if health.get("status") == "red":
        yield warning(
            "cluster-red",
            host,
            f"{host} is red: primary shards of some indices are missing "
            f"({health.get('unassigned_primary_shards', '?')} "
            "of them); if these are ours, documents for them wait",
            "start the nodes that are away; `GET _cluster/allocation/explain` tells why a shard has no node",
        )


def shard_findings(host: str, health: Mapping[str, Any], limit: Any) -> Iterator[Finding]:
    """Whether the indices of all streams, and their rollovers, still find room under the shard limit."""
    nodes, shards = health.get("number_of_data_nodes"), health.get("active_shards")
    if not (isinstance(nodes, int) and isinstance(shards, int) and str(limit).isdecimal()):
        return
    most = int(limit) * nodes
    shards += int(health.get("unassigned_shards") or 0)
    needed = 2 * (len(DATASETS) + 1)  # a primary and a replica each
    if most - shards < needed:
        full = most - shards < 2
        yield (error if full else warning)(
            "shard-limit",
            host,
            f"{host} holds {shards} of the {most} shards that it may ({limit} a node): "
            f"{'no' if full else 'hardly any'} data stream can be created or rolled over",
            "delete old indices, lower the number of shards, or raise cluster.max_shards_per_node",
        )
    else:
        yield ok("shards", host, f"shards: {shards} of {most}")


def cluster_block_findings(host: str, settings: Mapping[str, Any]) -> Iterator[Finding]:
    """A cluster that takes no writes at all."""
    set_ones = [key for key, value in settings.items() if key.startswith("cluster.blocks.") and str(value) == "true"]
    if set_ones:
        yield error(
            "cluster-read-only",
            host,
            f"{host} takes no writes: {set_ones[0]} is set",
            f"remove it when its cause is gone: PUT /_cluster/settings with {set_ones[0]}: null, and with nothing "
            "else",
        )


def disk_findings(host: str, rows: Any, settings: Mapping[str, Any]) -> Iterator[Finding]:
    """Nodes whose disks are over the cluster's watermarks.

    Args:
        host: the cluster.
        rows: of ``_cat/allocation``, in bytes.
        settings: under ``cluster.routing.allocation.disk.``.
    """
    disks = {
        str(row.get("node")): (int(row["disk.avail"]), int(row["disk.total"]))
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict) and all(str(row.get(key)).isdecimal() for key in ("disk.avail", "disk.total"))
    }
    disks = {node: (free, size) for node, (free, size) in disks.items() if size}
    if not disks:
        return
    used = {node: round(100 * (1 - free / size)) for node, (free, size) in disks.items()}
    watched = str(settings.get("threshold_enabled", "true")) == "true"
    for mark in ("flood_stage", "high") if watched else ():
        full = [node for node, (free, size) in disks.items() if free < least_free(settings, mark, size)]
        if full:
            yield warning(
                "cluster-disk",
                host,
                f"disks of nodes are nearly full: {', '.join(f'{node} {used[node]} %' for node in full)}; over the "
                f"watermark `{mark}` Elasticsearch {_CONSEQUENCES[mark]}",
                "delete old data, shorten the retention, or add disk or nodes",
            )
            return
    yield ok("disks", host, f"disks: the fullest node has used {max(used.values())} %")


_UNITS = {"b": 0, "kb": 1, "mb": 2, "gb": 3, "tb": 4, "pb": 5}


def least_free(settings: Mapping[str, Any], mark: str, size: int) -> float:
    """The bytes that a disk has to have free under a watermark.

    Args:
        settings: as of ``disk_findings``.
        mark: the watermark.
        size: of the disk, bytes.
    """
    value = str(settings.get(f"watermark.{mark}") or WATERMARKS[mark])
    if (plain := _bytes(value)) is not None:
        return plain
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(%?)", value) or re.fullmatch(r"(\d+)(%)", WATERMARKS[mark])
    part = 0.0 if found is None else float(found[1]) / (100 if found[2] else 1)
    room = _bytes(str(settings.get(f"watermark.{mark}.max_headroom")))
    free = (1 - part) * size
    return free if room is None else min(free, room)


def _bytes(value: str) -> int | None:
    found = re.fullmatch(r"(\d{1,15})\s*([kmgtp]?b)", value.lower())
    return int(found[1]) * 1024 ** _UNITS[found[2]] if found else None


def check_blocks(client: Elasticsearch, namespace: str) -> Iterator[Finding]:
    """Whether any index that is written to is read-only."""
    unseen = []
    for name in [*streams_of(namespace), run_index(namespace)]:
        answer = ask(client, "GET", f"/{name}/_settings/index.blocks*", {"flat_settings": "true"})
        if "cluster_block_exception" in str(answer.body):
            yield _metadata_block(name)
        elif answer.status == 403:
            unseen.append(name)
        yield from block_findings(name, answer.content)
    if unseen:
        more = f" and {len(unseen) - 1} more are" if len(unseen) > 1 else " is"
        yield note(
            "blocks-unseen",
            ", ".join(unseen),
            f"can't see whether {unseen[0]}{more} read-only: grant `view_index_metadata` on them to see it",
        )


def _metadata_block(name: str) -> Finding:
    return warning(
        "index-read-only",
        name,
        f"settings and mappings of {name} can't be read or changed: index.blocks.metadata is set; `setup --apply` "
        "and look-ups fail",
        f"find out who set it, then PUT /{name}/_settings with index.blocks.metadata: null",
    )


def block_findings(name: str, indices: Mapping[str, Any]) -> Iterator[Finding]:
    """The blocks of the newest index behind a name, by its settings (flat)."""
    for index in sorted(indices, key=lambda one: one.rpartition("-")[2])[-1:]:
        settings = indices[index].get("settings") if isinstance(indices[index], dict) else None
        for block in BLOCKS:
            key = f"index.blocks.{block}"
            if not (isinstance(settings, dict) and str(settings.get(key)) == "true"):
                continue
            remove = f"then PUT /{index}/_settings with {key}: null"
            if block == "read":
                yield warning(
                    "index-read-only",
                    name,
                    f"{index}, to which {name} is written, can't be searched: {key} is set; views and look-ups fail",
                    f"find out who set it, {remove}",
                )
                return
            by_disk = block == "read_only_allow_delete"
            cause = " (Elasticsearch sets it when a disk is over the flood stage)" if by_disk else ""
            yield error(
                "index-read-only",
                name,
                f"{index}, to which {name} is written, takes no documents: {key} is set{cause}; they wait",
                f"{_MAKE_ROOM if by_disk else 'find out who set it'}, {remove}",
            )
            return
