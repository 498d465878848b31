"""Conditions on documents, each declared once, for Elasticsearch (Query DSL) and for Kibana (KQL).  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Query = dict[str, Any]


@dataclass(frozen=True)
class Is:
    """A field has this value."""

    field: str
    value: str

    def query(self) -> Query:
        """Query DSL."""
        return {"term": {self.field: self.value}}

    def kql(self) -> str:
        """Kibana Query Language."""
        return f"{self.field} : {_quoted(self.value)}"


@dataclass(frozen=True)
class OneOf:
    """A field has one of these values."""

    field: str
    values: tuple[str, ...]

    def query(self) -> Query:
        """Query DSL."""
        return {"terms": {self.field: list(self.values)}}

    def kql(self) -> str:
        """Kibana Query Language."""
        return f"{self.field} : ({' or '.join(map(_quoted, self.values))})"


@dataclass(frozen=True)
class Exists:
    """A field has any value."""

    field: str

    def query(self) -> Query:
        """Query DSL."""
        return {"exists": {"field": self.field}}

    def kql(self) -> str:
        """Kibana Query Language."""
        return f"{self.field} : *"


@dataclass(frozen=True)
class Begins:
    """A field's value begins with this."""

    field: str
    start: str

    def query(self) -> Query:
        """Query DSL."""
        return {"prefix": {self.field: self.start}}

    def kql(self) -> str:
        """Kibana Query Language."""
        return f"{self.field} : {self.start}*"


Condition = Is | OneOf | Exists | Begins


def every(conditions: Iterable[Query]) -> Query:
    """Documents that meet all conditions; nothing is scored."""
    return {"bool": {"filter": list(conditions)}}


def between(since: datetime | None, until: datetime | None) -> list[Query]:
    """The condition that an event is in a span of time, both ends included; [] when neither is given."""
    limits = {name: when.isoformat() for name, when in (("gte", since), ("lte", until)) if when is not None}
    return [{"range": {"@timestamp": limits}}] if limits else []


def queries(conditions: Iterable[Condition]) -> list[Query]:
    """All of them as Query DSL."""
    return [condition.query() for condition in conditions]


def kql(conditions: Iterable[Condition]) -> str:
    """All of them, in Kibana Query Language."""
    return " and ".join(condition.kql() for condition in conditions)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
