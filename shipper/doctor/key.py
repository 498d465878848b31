"""Findings about the key: what it lacks for each part of the work, and what it should not have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from elasticsearch import Elasticsearch

from shipper.doctor.asking import ask
from shipper.doctor.finding import Finding, error, note, ok, warning
from shipper.elastic.names import run_index, streams_of
from shipper.elastic.privileges import Lack, lacks

EXCESS_CLUSTER = ("all", "manage", "manage_security", "manage_api_key")
"""Cluster privileges that the sidecar does not need."""
EXCESS_EVERYWHERE = ("all", "read", "write", "delete", "manage")
"""Privileges that nobody here needs on all indices, or on all logs."""
EXCESS_STREAMS = ("all", "delete", "delete_index", "index", "manage")
"""Privileges on the log streams that the sidecar does not need: with them log lines can be removed or changed."""
EXCESS_RUNS = ("all", "delete", "delete_index", "manage")
"""Privileges on the run documents that the sidecar does not need."""
_ROLE = (
    "make a key with the role neuroflow-ship-lookup (docs/permissions.md); who reads this machine's configuration "
    "can "
    "use the key"
)
# Patterns that reach beyond our indices, in words.
_BEYOND = {"*": "all indices", "logs-*": "logs-* (logs of others)"}
# Other work than the sidecar's own: a key of the sidecar lacks it on purpose.
_SIDECAR = ("look up documents", "keep run documents")


@dataclass(frozen=True)
class Privileges:
    """What a key may do.

    Attributes:
        lacks: for each part of the work; None where the cluster does not tell.
        excess: privileges that it should not have, ``privilege on what``.
        severe: some of these reach beyond our streams.
    """

    lacks: list[Lack] | None
    excess: tuple[str, ...] = ()
    severe: bool = False

    @property
    def may_install(self) -> bool:
        """Whether it may install templates, as far as is known."""
        return self.lacks is None or not any(
            lack.missing for lack in self.lacks if "manage_index_templates" in lack.need.cluster
        )


def privileges_of(client: Elasticsearch, namespace: str) -> Privileges:
    """Ask the cluster what the key may do.

    Raises:
        elastic_transport.ApiError: 401, the key is invalid.
        elastic_transport.TransportError: the cluster can't be reached.
    """
    found = lacks(client, namespace)
    if found is None:
        return Privileges(None)
    stream, runs = streams_of(namespace)[0], run_index(namespace)
    answer = ask(
        client,
        "POST",
        "/_security/user/_has_privileges",
        body={
            "cluster": list(EXCESS_CLUSTER),
            "index": [
                {"names": list(_BEYOND), "privileges": list(EXCESS_EVERYWHERE)},
                {"names": [stream], "privileges": list(EXCESS_STREAMS)},
                {"names": [runs], "privileges": list(EXCESS_RUNS)},
            ],
        },
    )
    excess, severe = excess_of(answer.content, stream, runs)
    return Privileges(found, excess, severe)


def excess_of(answer: Mapping[str, Any], stream: str, runs: str) -> tuple[tuple[str, ...], bool]:
    """What a key may and should not, and whether that reaches beyond our indices.

    Args:
        answer: of ``_has_privileges``.
        stream: the data stream that was asked about.
        runs: the index of run documents.
    """

    def granted(kind: str, name: str | None, wanted: Iterable[str]) -> list[str]:
        found = answer.get(kind)
        if name is not None:
            found = found.get(name) if isinstance(found, Mapping) else None
        names = [one for one in wanted if isinstance(found, Mapping) and found.get(one) is True]
        return ["all"] if "all" in names else names

    excess = [f"`{one}` (cluster)" for one in granted("cluster", None, EXCESS_CLUSTER)]
    severe = bool(excess)
    # The widest pattern tells; what is narrower follows from it.
    for pattern, words in _BEYOND.items():
        if wide := granted("index", pattern, EXCESS_EVERYWHERE):
            return (*excess, *(f"`{one}` on {words}" for one in wide)), True
    excess += [f"`{one}` on logs-neuroflow.*-*" for one in granted("index", stream, EXCESS_STREAMS)]
    excess += [f"`{one}` on neuroflow-runs-*" for one in granted("index", runs, EXCESS_RUNS)]
    return tuple(excess), severe


def key_findings(found: Privileges, host: str, namespace: str) -> Iterator[Finding]:
    """What each part of the work lacks, and what the key should not have.

    Args:
        found: what the key may do.
        host: the cluster.
        namespace: of the streams that it was asked for.
    """
    if found.lacks is None:
        yield note(
            "privileges-unseen",
            host,
            "permissions: the cluster has no security, or does not tell the key's privileges",
        )
        return
    for lack in found.lacks:
        work = lack.need.work
        if not lack.missing:
            yield ok("privileges", host, f"permissions: {work}: granted")
            continue
        without = "their documents are not shipped" if lack.need.vital and lack.partly else lack.need.without
        sentence = f"permissions: {work}: lacks {', '.join(lack.missing)}; {without}"
        do = f"give the key the role {' or '.join(lack.need.roles)}, which `neuroflow-ship setup --roles` puts"
        if lack.need.vital:
            do += f"; if it is a key for one namespace, see whether shipper.namespace ({namespace}) is that one"
            yield error("key-too-weak", host, sentence, do)
        elif work.startswith(_SIDECAR):
            yield warning("key-too-weak", host, sentence, do)
        else:
            yield note("key-lacks", host, sentence, "nothing, if this key is for other work")
    if found.excess:
        make = warning if found.severe else note
        yield make(
            "key-too-strong", host, f"the key may more than the sidecar needs: {', '.join(found.excess)}", _ROLE
        )
