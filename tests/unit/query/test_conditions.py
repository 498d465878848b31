from __future__ import annotations

import pytest

from shipper.query.conditions import Begins, Condition, Exists, Is, OneOf, kql, queries


@pytest.mark.parametrize(
    ("condition", "query", "kuery"),
    [
        (Is("kind", "session"), {"term": {"kind": "session"}}, 'kind : "session"'),
        (Is("a", 'say "x\\y"'), {"term": {"a": 'say "x\\y"'}}, 'a : "say \\"x\\\\y\\""'),
        (OneOf("status", ("a", "b")), {"terms": {"status": ["a", "b"]}}, 'status : ("a" or "b")'),
        (Exists("x.y"), {"exists": {"field": "x.y"}}, "x.y : *"),
        (Begins("event.action", "task."), {"prefix": {"event.action": "task."}}, "event.action : task.*"),
    ],
)
def test_a_condition_in_both_languages(condition: Condition, query: dict[str, object], kuery: str) -> None:
    """The condition is equal in Elasticsearch's DSL and in KQL."""
    assert [query] == queries([condition])
    assert kuery == kql([condition])


def test_all_of_them() -> None:
    """Several conditions are joined by AND; none matches everything."""
    assert 'kind : "a" and b : *' == kql([Is("kind", "a"), Exists("b")])
    assert "" == kql([])
