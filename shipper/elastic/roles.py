"""Puts the roles of ``mappings/roles`` into the cluster: each command's least privileges.

Roles of these names belong to neuroflow-ship: where one differs, ours replaces it, and what it granted is reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from elastic_transport import ApiError
from elasticsearch import Elasticsearch

from shipper.elastic.answers import Shape, validated
from shipper.elastic.assets import asset_dir
from shipper.elastic.client import is_genuine, is_there, reason_of, send_json
from shipper.elastic.privileges import RUNS, STREAMS

Role = dict[str, Any]
"""A role as the body of ``PUT _security/role`` has it."""

_FOUND: Shape = {
    str: {
        "description?": str,
        "metadata?": {},
        "cluster?": [str],
        "indices?": [{"names": [str], "privileges": [str]}],
    }
}
_PUT: Shape = {"role?": {"created?": bool}}
# Keys that are compared one privilege at a time, or that Elasticsearch sets itself.
_PRIVILEGES = {"cluster", "indices"}
_NOT_COMPARED = {"transient_metadata"}


class NoRolesError(Exception):
    """The cluster takes no roles of this key; the message says why, and what to do."""


@dataclass(frozen=True)
class RoleChange:
    """What was done (or, in a dry run, would be) about one role.

    Attributes:
        name: of the role.
        action: ``newer``: a later release put it, and it stays.
        before: how the replaced role differed, in words.
    """

    name: str
    action: Literal["created", "updated", "unchanged", "newer"]
    before: tuple[str, ...] = ()


def roles(namespace: str | None = None) -> dict[str, Role]:
    """The roles of this release by their names; with a namespace, for its streams and its run index alone.

    A role for one namespace is named after it (``neuroflow-ship@lab``), so that those of several namespaces exist
    side by side.
    """
    found = {path.stem: orjson.loads(path.read_bytes()) for path in sorted((asset_dir() / "roles").glob("*.json"))}
    if namespace is None:
        return found
    return {f"{name}@{namespace}": _limited(body, namespace) for name, body in found.items()}


def _limited(body: Role, namespace: str) -> Role:
    names = {STREAMS: f"{STREAMS.removesuffix('*')}{namespace}", RUNS: f"{RUNS.removesuffix('*')}{namespace}"}
    indices = [{**one, "names": [names[name] for name in one["names"]]} for one in body["indices"]]
    return {**body, "description": f"{body['description']} Only the namespace {namespace}.", "indices": indices}


def put_roles(client: Elasticsearch, namespace: str | None = None, *, dry_run: bool = False) -> list[RoleChange]:
    """Bring the cluster's roles to this release's state.

    Args:
        client: of a user or key with the cluster privilege ``manage_security``.
        namespace: the only one that the roles reach; None for all.
        dry_run: change nothing.

    Raises:
        NoRolesError: the cluster has no security, or the key lacks the privilege.
        elasticsearch.ApiError: the cluster refused for another reason.
        elastic_transport.TransportError: the cluster can't be reached, or its answer is invalid.
    """
    wanted = roles(namespace)
    try:
        installed = _installed(client, wanted)
        changes = [_change(name, body, installed.get(name)) for name, body in wanted.items()]
        for change in changes:
            if change.action in {"created", "updated"} and not dry_run:
                _put(client, change.name, wanted[change.name])
    except ApiError as error:
        if (why := _no_roles(error)) is None:
            raise
        raise NoRolesError(why) from None
    return changes


def _no_roles(error: ApiError) -> str | None:
    """Why the cluster takes no roles; None for any other error."""
    status, reason = error.meta.status, reason_of(error.body)
    if not is_genuine(error):
        return None
    if status == 403 and "security_exception" in reason:
        return (
            "roles: refused (403): the user or API key lacks the cluster privilege `manage_security`; no role was "
            "changed: run `neuroflow-ship setup --roles` as an administrator, for example with the user `elastic`; "
            f"reason: {reason}"
        )
    if status in {405, 410} or (status == 400 and "no handler found" in reason):
        return (
            "roles: this cluster has no security (or none that Elasticsearch's API sets up), so it has no roles and "
            "no role was put: whoever reaches it may do everything; switch on xpack.security.enabled, or leave out "
            f"--roles; reason: {reason}"
        )
    return None


def _installed(client: Elasticsearch, names: Mapping[str, Role]) -> dict[str, Role]:
    answer = client.options(ignore_status=404).security.get_role(name=list(names))
    asked = "the request for roles"
    # 404: none of them exists.
    found: dict[str, Role] = validated(answer, _FOUND, asked) if is_there(answer, asked) else {}
    return found


def _change(name: str, wanted: Role, found: Role | None) -> RoleChange:
    if found is None:
        return RoleChange(name, "created")
    about, ours = found.get("metadata", {}), wanted["metadata"]
    is_ours = about.get("managed_by") == ours["managed_by"]
    version = about.get("version")
    if is_ours and isinstance(version, int) and version > ours["version"]:
        return RoleChange(name, "newer")
    before = tuple(differences(wanted, found))
    if not before:
        return RoleChange(name, "unchanged")
    return RoleChange(name, "updated", before if is_ours else ("was not made by neuroflow-ship", *before))


def differences(wanted: Role, found: Role) -> Iterator[str]:
    """How a role of the cluster differs from ours, in words."""
    ours, theirs = _granted(wanted), _granted(found)
    if more := sorted(theirs - ours):
        yield f"granted {', '.join(more)}"
    if less := sorted(ours - theirs):
        yield f"lacked {', '.join(less)}"
    # Elasticsearch returns keys that nobody gave as empty lists and objects.
    keys = (wanted.keys() | found.keys()) - _PRIVILEGES - _NOT_COMPARED
    for key in sorted(key for key in keys if (wanted.get(key) or None) != (found.get(key) or None)):
        yield f"had {'another' if key in wanted else 'the key'} `{key}`"


def _granted(role: Role) -> set[str]:
    """The privileges of a role in words; a limit to some documents or fields belongs to the privilege."""
    found = {f"`{one}` (cluster)" for one in role.get("cluster", ())}
    for index in role.get("indices", ()):
        limits = sorted(key for key, value in index.items() if key not in {"names", "privileges"} and value)
        limited = f" with {', '.join(limits)}" if limits else ""
        found |= {f"`{one}` on {name}{limited}" for name in index["names"] for one in index["privileges"]}
    return found


def _put(client: Elasticsearch, name: str, body: Role) -> None:
    answer = send_json(client, "PUT", f"/_security/role/{name}", body)
    validated(answer, _PUT, f"the request to put the role {name}")
