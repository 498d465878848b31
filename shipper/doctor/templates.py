"""Findings about index templates: missing, older, newer, or overruled by somebody else's."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

from elastic_transport import ApiError
from elasticsearch import Elasticsearch

from shipper.doctor.finding import Finding, error, note, ok, warning
from shipper.elastic.in_force import InForce, in_force
from shipper.elastic.steps import Remark, Step
from shipper.elastic.templates import Change, install
from shipper.elastic.upgrade import plan

_SETUP = "run `neuroflow-ship setup` with a key that may (docs/permissions.md has its role)"


def check_templates(client: Elasticsearch, namespace: str, *, may_install: bool) -> Iterator[Finding]:
    """Compare what is installed, what is in force, and what existing indices have, with this release's templates.

    Args:
        client: the cluster.
        namespace: of the streams.
        may_install: the key may install templates, so a starting sidecar does.

    Raises:
        elastic_transport.ApiError: the cluster refused.
        elastic_transport.TransportError: the cluster can't be reached, or the answer is invalid.
    """
    try:
        changes = install(client, dry_run=True)
    except ApiError as refused:
        if refused.meta.status != 403:
            raise
        changes = []  # the comparison with what is in force says that the key may not see them
    yield from installed_findings(changes, may_install=may_install)
    found = in_force(client, namespace)
    yield from in_force_findings(found, namespace)
    if found.templates or found.indices or found.unreadable:
        return  # what else differs only matters when these are right
    try:
        yield from stream_findings(plan(client, namespace, time.time() * 1000))
    except ApiError as refused:
        if refused.meta.status not in {403, 404}:  # may not be seen, or was deleted meanwhile
            raise


def installed_findings(changes: Sequence[Change], *, may_install: bool) -> Iterator[Finding]:
    """What ``setup`` would change."""
    missing, older, newer = (
        [change.name for change in changes if change.action == action] for action in ("created", "updated", "newer")
    )
    if missing and may_install:
        yield note(
            "templates-missing",
            "templates",
            f"the templates {_some(missing)} are not installed: the sidecar installs them when it starts, unless "
            "with --no-setup",
        )
    elif missing:
        yield error(
            "templates-missing",
            "templates",
            f"the templates {_some(missing)} are not installed, and this key may not install them: documents would "
            "be refused or mapped wrongly",
            _SETUP,
        )
    if older:
        what = f"the templates {_some(older)} are of an older release, or were changed"
        if may_install:
            yield note("templates-older", "templates", f"{what}: the sidecar updates them when it starts")
        else:
            yield warning(
                "templates-older",
                "templates",
                f"{what}, and this key may not update them: fields of this release may not be searchable",
                _SETUP,
            )
    if newer:
        yield note(
            "templates-newer",
            "templates",
            f"the templates {_some(newer)} are of a newer release than this one, and stay as they are",
            "update neuroflow-ship on this machine",
        )


def stream_findings(steps: Iterable[Step | Remark]) -> Iterator[Finding]:
    """What existing data streams lack, by what ``setup --apply`` would do."""
    for step in steps:
        if isinstance(step, Step):
            yield note(
                "streams-older",
                step.about,
                f"{step.about} is not as the templates say; what would be done: {step.what}",
                "run `neuroflow-ship setup --apply` with a key that may; until then new fields of it are not "
                "searchable",
            )


def in_force_findings(found: InForce, namespace: str) -> Iterator[Finding]:
    """What differs from our templates where it counts."""
    for sentence in found.templates:
        yield error(
            "template-overruled", "templates", f"wrong: {sentence}", "do what the sentence says, then run check again"
        )
    for sentence in found.indices:
        yield error(
            "index-mapped-otherwise",
            "templates",
            f"wrong: {sentence}",
            "do what the sentence says, then run check again",
        )
    for remark in found.remarks:
        yield note("templates-remark", "templates", f"templates: {remark}")
    if not (found.templates or found.indices or found.remarks):
        yield ok(
            "templates", "templates", f"templates: ours are, or will be, in force for logs-neuroflow.*-{namespace}"
        )


def _some(names: Iterable[str]) -> str:
    """A few of the names."""
    each = list(names)
    return ", ".join(each[:3]) + (f" and {len(each) - 3} more" if len(each) > 3 else "")
