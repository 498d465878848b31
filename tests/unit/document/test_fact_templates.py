from __future__ import annotations

from itertools import permutations

import pytest

from shipper.document.fact_templates import SEPARATOR, FoundFacts, SameStory, encoded, fact_template, precedes

STARTED, FINISHED, FAILED = (
    fact_template("pipeline_run", verb, (f'{{"verb":"{verb}","at":"', 'Z"}'), (0,))
    for verb in ("started", "finished", "failed")
)


def at(second: int) -> str:
    """A second of the minute."""
    return f"2026-03-02T10:00:{second:02d}.000000"


def test_facts_with_the_same_time_are_one_story_in_the_order_in_which_they_happen() -> None:
    """A clock that shows seconds gives the start and the end of a short task the same time."""
    found = FoundFacts()
    for run in ("pipeline_run:1", "pipeline_run:2"):
        found.add(STARTED, run, at(1), at(1))
        found.add(FINISHED, run, at(1), at(1))
    values = "\n".join([SEPARATOR.join((at(1), at(1)))] * 2).encode()
    assert [SameStory((STARTED, FINISHED), b"pipeline_run:1\npipeline_run:2", values)] == found.take()


@pytest.mark.parametrize("told", [*permutations([(STARTED, 1), (FINISHED, 1), (FAILED, 1), (STARTED, 2)])])
def test_no_fact_stands_behind_a_later_one(told: tuple[tuple[object, int], ...]) -> None:
    """Facts that are found in another order are given apart; none is lost."""
    found = FoundFacts()
    for template, second in told:
        found.add(template, "pipeline_run:1", at(second), at(second))  # type: ignore[arg-type] # it is a template
    stories = found.take()
    assert 4 == len(encoded(stories)) == len(set(encoded(stories)))
    for story in stories:
        assert isinstance(story, SameStory)
        moments = story.values.decode().split(SEPARATOR)
        for place in range(1, len(moments)):
            earlier, later = story.templates[place - 1 : place + 1]
            assert moments[place - 1] < moments[place] or (
                moments[place - 1] == moments[place] and precedes(earlier, moments[place - 1], later, moments[place])
            )
