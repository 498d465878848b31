"""The privileges that each task needs, and which of them a key lacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from elastic_transport import ApiError
from elasticsearch import Elasticsearch

from shipper.elastic.names import run_index, streams_of

STREAMS, RUNS = "logs-neuroflow.*-*", "neuroflow-runs-*"


@dataclass(frozen=True)
class Need:
    """The privileges that one task needs.

    Attributes:
        work: the task.
        without: the effect of lacking some.
        cluster: cluster privileges.
        streams: index privileges on the data streams.
        runs: index privileges on the index of run documents.
        roles: the roles of ``mappings/roles`` that grant it.
        vital: nothing is shipped without them.
    """

    work: str
    without: str
    cluster: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    vital: bool = False


# A role of ``mappings/roles`` grants what its needs list, and nothing else.
NEEDS = (
    Need(
        "ship",
        "nothing is shipped",
        streams=("auto_configure", "create_doc"),
        roles=("neuroflow-ship", "neuroflow-ship-lookup"),
        vital=True,
    ),
    Need(
        "look up documents that may be indexed already, after a crash or an outage",
        "lines that are sent again after a rollover may be indexed twice",
        streams=("read",),
        roles=("neuroflow-ship-lookup",),
    ),
    Need(
        "look up quickly near a rollover (recommended)",
        "after a crash near a rollover the sidecar waits longer before it sends documents again",
        cluster=("monitor",),
        streams=("view_index_metadata",),
        roles=("neuroflow-ship-lookup",),
    ),
    Need(
        "keep run documents",
        "logs are shipped, but `workflow`, `stats` and dashboards of runs stay empty",
        runs=("create_index", "index", "view_index_metadata"),
        roles=("neuroflow-ship-lookup",),
    ),
    Need(
        "rebuild-runs",
        "the command is refused; only without `delete_index` it completes documents, in which wrong values stay",
        streams=("read",),
        runs=("create_index", "delete_index", "index", "view_index_metadata"),
        roles=("neuroflow-rebuild-runs",),
    ),
    Need(
        "setup, and templates at start",
        "run `neuroflow-ship setup` with another key, and the sidecar with --no-setup",
        cluster=("manage_index_templates",),
        roles=("neuroflow-setup", "neuroflow-setup-streams"),
    ),
    Need(
        "see which templates and mappings are in force",
        "`setup` and `check` do not notice those of others",
        cluster=("monitor",),
        streams=("view_index_metadata",),
        runs=("view_index_metadata",),
        roles=("neuroflow-setup",),
    ),
    Need(
        "setup --retention, setup --apply",
        "existing data streams stay as they are",
        cluster=("monitor",),
        streams=("manage",),
        runs=("manage",),
        roles=("neuroflow-setup-streams",),
    ),
    Need("neuroflow-logs", "the views are refused", streams=("read",), runs=("read",), roles=("neuroflow-view",)),
)


@dataclass(frozen=True)
class Lack:
    """The privileges that a key lacks for a need.

    Attributes:
        need: what they are for.
        missing: each as ``privilege on names``.
        partly: it has all of them for some of the data streams.
    """

    need: Need
    missing: tuple[str, ...]
    partly: bool = False


def lacks(client: Elasticsearch, namespace: str) -> list[Lack] | None:
    """Ask the cluster what the key lacks for each need; None where it has no security, or does not tell.

    Raises:
        elastic_transport.ApiError: 401, the key is invalid.
        elastic_transport.TransportError: the cluster can't be reached.
    """
    streams, runs = streams_of(namespace), run_index(namespace)
    # Full names: a key for one namespace lacks privileges on the pattern for all.
    index = [
        {"names": streams, "privileges": sorted({one for need in NEEDS for one in need.streams})},
        {"names": [runs], "privileges": sorted({one for need in NEEDS for one in need.runs})},
    ]
    try:
        answer = client.security.has_privileges(
            cluster=sorted({one for need in NEEDS for one in need.cluster}), index=index
        ).body
    except ApiError as error:
        if error.meta.status == 401:
            raise
        return None  # no security, an unsupported request, or a proxy that blocks it
    return lacking(answer, streams, runs) if isinstance(answer, dict) and "has_all_requested" in answer else None


def lacking(answer: Mapping[str, Any], streams: list[str], runs: str) -> list[Lack]:
    """What is missing for each need, by the answer of ``_has_privileges``; what it omits counts as granted."""

    def refused(kind: str, name: str | None, privilege: str) -> bool:
        granted = answer.get(kind)
        if name is not None:
            granted = granted.get(name) if isinstance(granted, Mapping) else None
        return isinstance(granted, Mapping) and granted.get(privilege) is False

    found = []
    for need in NEEDS:
        missing = [f"`{one}` (cluster)" for one in need.cluster if refused("cluster", None, one)]
        without: set[str] = set()
        for privilege in need.streams:
            names = [stream for stream in streams if refused("index", stream, privilege)]
            without.update(names)
            if names:
                missing.append(f"`{privilege}` on {STREAMS if len(names) == len(streams) else ', '.join(names)}")
        missing += [f"`{one}` on {RUNS}" for one in need.runs if refused("index", runs, one)]
        found.append(Lack(need, tuple(missing), partly=0 < len(without) < len(streams)))
    return found
