"""How long the documents of each data stream are kept: ``setup --retention``.

The retention is written into the lab's own component template (``…@custom``), which ``setup`` otherwise never
touches: so it outlives the next ``setup`` and the next release.  A data stream takes its retention from the template
only when it is created, so an existing one is changed as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from math import inf
from typing import Any, NamedTuple

from elasticsearch import Elasticsearch

from shipper.elastic.answers import Shape, validated
from shipper.elastic.client import is_there, send_json
from shipper.elastic.steps import Remark, Step
from shipper.elastic.streams import Stream, simulated, stream, stream_names

UNLIMITED = "unlimited"
AUDIT = "neuroflow.audit"
_TIME = re.compile(r"([1-9]\d{0,6})([dhms])")
_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000}
# Shorter is a typing error: a data stream rolls over once an hour at most, so this is kept in any case.
_LEAST_MS = _MS["h"]
# Of a component template what may be put; the rest (when it was created) is the cluster's.
_PUT = ("template", "version", "_meta", "deprecated")
_CUSTOM: Shape = {"component_templates": [{"name": str, "component_template": {"template?": {}}}]}


class Retention(NamedTuple):
    """How long the documents of one data stream are kept; ``keep`` as Elasticsearch takes it, None without an end."""

    dataset: str
    keep: str | None

    @property
    def shown(self) -> str:
        """The value in words."""
        return self.keep or UNLIMITED


def retention_of(text: str, datasets: list[str]) -> Retention:
    """What an option such as ``audit=3650d`` says.

    Args:
        text: of the option.
        datasets: that there are, in full (``neuroflow.audit``).

    Raises:
        ValueError: it is wrong; the message says how.
    """
    name, sign, value = (part.strip() for part in text.partition("="))
    short = [one.removeprefix("neuroflow.") for one in datasets]
    if not sign or not value:
        raise ValueError(f"{text!r}: write STREAM=TIME, for example audit=3650d or app=unlimited")
    if name == "runs":
        raise ValueError(
            "runs: neuroflow-runs-* is an index, not a data stream: its documents are kept until deleted"
        )
    if name not in short:
        raise ValueError(f"{name!r} is no data stream; there are {', '.join(short)}")
    if value == UNLIMITED:
        return Retention(f"neuroflow.{name}", None)
    if not _TIME.fullmatch(value) or milliseconds(value) < _LEAST_MS:
        raise ValueError(f"{value!r} is no time; write days or hours (30d, 12h, at least 1h), or {UNLIMITED}")
    return Retention(f"neuroflow.{name}", value)


def datasets(namespace: str) -> list[str]:
    """The datasets that have a data stream."""
    return [name.removeprefix("logs-").removesuffix(f"-{namespace}") for name in stream_names(namespace)]


def milliseconds(keep: str | None) -> float:
    """A retention in milliseconds; infinite without an end, or where it is written in another way."""
    found = _TIME.fullmatch(keep or "")
    return int(found[1]) * _MS[found[2]] if found else inf


def plan(client: Elasticsearch, namespace: str, wanted: list[Retention], now_ms: float) -> list[Step | Remark]:
    """What has to be done so that these retentions are in force.

    Raises:
        elasticsearch.ApiError: the key may not read the templates or the streams.
        elastic_transport.TransportError: the cluster can't be reached, or its answer is invalid.
    """
    steps: list[Step | Remark] = []
    for one in wanted:
        name = f"logs-{one.dataset}-{namespace}"
        custom = f"logs-{one.dataset}@custom"
        found = _custom(client, custom)
        exists = stream(client, name)
        lifecycle = (simulated(client, name) or {}).get("lifecycle")
        usual = (lifecycle or {}).get("data_retention")
        loses = ""
        if exists is None and one.dataset == AUDIT and lifecycle and milliseconds(one.keep) < milliseconds(usual):
            loses = f"the audit trail is kept for {one.shown} only, not for {usual or UNLIMITED}"
        if (body := custom_with(found, one.keep)) != found:
            what = f"new data streams keep documents for {one.shown}"
            steps.append(Step(custom, what, "PUT", f"/_component_template/{custom}", body, loses))
        if exists is not None:
            steps += of_stream(exists, one.keep, now_ms, usual)
    return steps


def of_stream(one: Stream, keep: str | None, now_ms: float, usual: str | None) -> list[Step | Remark]:
    """What has to be done so that a stream keeps its documents for so long.

    Args:
        one: an existing data stream.
        keep: the retention; None without an end.
        now_ms: milliseconds since the epoch.
        usual: what counts where the cluster does not tell the stream's own retention.
    """
    if one.policy is not None:
        return [Remark(one.name, f"the ILM policy {one.policy} manages it; its retention is the policy's")]
    lifecycle = None if one.described is None else one.described.get("lifecycle")
    known = one.described is not None
    before = (lifecycle or {}).get("data_retention") if known else usual
    if known and lifecycle is not None and before == keep:
        return []
    # Keys that the answer adds are no part of the request.
    kept = {key: value for key, value in (lifecycle or {}).items() if key in ("enabled", "downsampling")}
    body = {**kept, **({"data_retention": keep} if keep else {})}
    shown = f"{before or UNLIMITED}{'' if known else ' (as the template says: the cluster does not tell)'}"
    return [
        Step(
            one.name,
            f"documents are kept for {keep or UNLIMITED} instead of {shown}",
            "PUT",
            f"/_data_stream/{one.name}/_lifecycle",
            body,
            _loss(one, keep, now_ms) if milliseconds(keep) < milliseconds(before) else "",
        )
    ]


def custom_with(found: Mapping[str, Any] | None, keep: str | None) -> dict[str, Any]:
    """A component template with this retention and otherwise what it had.

    The retention of one that has none is the release's, which ``null`` replaces by none.
    """
    body = {key: value for key, value in (found or {}).items() if key in _PUT}
    template = body.get("template") or {}
    lifecycle = {**(template.get("lifecycle") or {}), "data_retention": keep}
    return {**body, "template": {**template, "lifecycle": lifecycle}}


def doomed(one: Stream, keep: str | None, now_ms: float) -> tuple[list[str], float]:
    """The indices that are old enough to be deleted, and when the next one is; infinite for never.

    An index counts from its rollover, which is when the next one was created.  The write index is never deleted.
    """
    ages = list(zip(one.indices, one.indices[1:], strict=False))
    ends = [(index.name, following.created_ms + milliseconds(keep)) for index, following in ages]
    gone = [name for name, at in ends if at <= now_ms]
    return gone, min((at for _, at in ends if at > now_ms), default=inf)


def _loss(one: Stream, keep: str | None, now_ms: float) -> str:
    gone, following = doomed(one, keep, now_ms)
    rule = f"an index is deleted {keep} after its rollover"
    if gone:
        return (
            f"Elasticsearch deletes {len(gone)} of {len(one.indices)} indices within minutes ({_some(gone)}); {rule}"
        )
    first = "" if following == inf else f"; the first on {datetime.fromtimestamp(following / 1000, UTC).date()}"
    return f"nothing is deleted at once; {rule}{first}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _custom(client: Elasticsearch, name: str) -> dict[str, Any] | None:
    answer = send_json(client, "GET", f"/_component_template/{name}", ignore=(404,))
    if not is_there(answer, asked := f"the request for {name}"):
        return None
    (entry,) = validated(answer, _CUSTOM, asked)["component_templates"]
    body = {key: value for key, value in entry["component_template"].items() if key in _PUT}
    lifecycle = (body.get("template") or {}).get("lifecycle")
    if lifecycle and lifecycle.get("enabled") is True:
        lifecycle.pop("enabled")  # the cluster writes it, and it is the default
    return body
