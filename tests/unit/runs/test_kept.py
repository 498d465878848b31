from __future__ import annotations

from typing import Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from shipper.runs import kept as module
from shipper.runs.kept import MAX_FACTS, kept

Facts = dict[str, dict[str, Any]]


def fact(at: int, verb: str, **said: Any) -> Facts:
    """A fact at a second of the minute."""
    told = {**said, "verb": verb, "source": "events"}
    return {f"2026-03-02T10:00:00{at:09d} {verb} {hash(tuple(sorted(told.items()))):x}": told}


some_facts = st.lists(
    st.builds(
        lambda at, verb, said: fact(at, verb, **said),
        st.integers(0, 30),
        st.sampled_from(["created", "started", "stage_started", "stage_completed", "stage_failed", "finished"]),
        st.fixed_dictionaries({}, optional={
            "stage": st.sampled_from("ab"), "duration": st.integers(0, 3),
            "error": st.sampled_from(["", "e" * 1500, "f" * 1500, "g" * 5000]),
        }),
    ),
    max_size=30,
).map(lambda facts: {key: value for some in facts for key, value in some.items()})  # fmt: skip


@given(some_facts, some_facts, st.sampled_from([(7, 2, 3), (12, 3, 4), (MAX_FACTS, 64, 3)]))
def test_what_is_kept_does_not_depend_on_what_was_dropped_before(
    one: Facts, other: Facts, limits: tuple[int, int, int]
) -> None:
    """Two portions give the same kept facts, whether the first was reduced before the second came or not."""
    most, heaviest, few = limits
    with patch.multiple(module, MAX_FACTS=most, _MAX_WEIGHT=heaviest, _FEW=few):
        whole = kept({**one, **other})
        assert list(whole.items()) == list(kept({**kept(one), **other}).items())
        assert list(whole.items()) == list(kept({**kept(other), **kept(one)}).items())
        assert sum(map(module.weight, whole.values())) < most + heaviest


def test_of_a_stage_the_newest_of_a_kind_are_kept() -> None:
    """A stage with endless events does not grow, and displaces no other facts."""
    first = fact(1, "started")
    ends = [fact(2 + number, "stage_completed", stage="a") for number in range(1000)]
    found = kept({key: value for some in [first, *ends] for key, value in some.items()})
    assert [*first, *ends[-2], *ends[-1]] == list(found)


def test_long_facts_count_more() -> None:
    """However long its errors are, a run's facts take about 200 KiB at most."""
    errors = [fact(number, "failed", error="\N{SNOWMAN}" * 8000 + str(number)) for number in range(300)]
    found = kept({key: value for some in errors for key, value in some.items()})
    assert 9 == len(found)
    assert list(errors[-1]) == list(found)[-1:]
