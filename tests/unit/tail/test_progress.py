from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.tail.progress import MAX_WAITING, Progress, Span
from shipper.tail.state.checkpoint import NOTHING


@pytest.mark.parametrize("most", [0, 256])
@given(lengths=st.lists(st.tuples(st.sampled_from([b"a", b"b"]), st.integers(1, 9)), max_size=20), data=st.data())
def test_cursor_is_the_end_of_the_acknowledged_prefix(
    most: int, lengths: list[tuple[bytes, int]], data: st.DataObject
) -> None:
    """The cursor passes all spans before the first unacknowledged one, in any order of answers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shipper.tail.progress.MAX_WAITING", most)
        _acknowledge(lengths, data)


def _acknowledge(lengths: list[tuple[bytes, int]], data: st.DataObject) -> None:
    progress = Progress()
    ends = {b"a": 0, b"b": 0}
    spans: list[Span] = []
    for name, length in lengths:
        span = Span(name, ends[name], ends[name] + length, NOTHING, "")
        ends[name] = span.end
        progress.begin(span)
        spans.append(span)
    cursors = {b"a": 0, b"b": 0}
    done: set[int] = set()
    order = data.draw(st.permutations(spans))
    while order:
        count = data.draw(st.integers(1, len(order)))
        part, order = order[:count], order[count:]
        done |= {id(span) for span in part}
        for grown in progress.acknowledge(part):
            assert grown.end > cursors[grown.generation]
            cursors[grown.generation] = grown.end
        for name in ends:
            expected = 0
            for span in (span for span in spans if span.generation == name):
                if id(span) not in done:
                    break
                expected = span.end
            assert expected == cursors[name]


def test_same_place_read_again_is_another_span() -> None:
    """After reading again, an old answer applies to its own span only."""
    progress = Progress()
    first, again = Span(b"a", 0, 5, NOTHING, ""), Span(b"a", 0, 5, NOTHING, "")
    progress.begin(first)
    progress.begin(again)
    assert [] == progress.acknowledge([again])
    assert [again] == progress.acknowledge([first])


def test_what_travels_in_one_document_is_passed_at_once() -> None:
    """A record over two generations moves both cursors at once, after all earlier spans."""
    progress = Progress()
    joined = Span(b"b", 0, 7, NOTHING, "")
    above, record = Span(b"a", 0, 5, NOTHING, ""), Span(b"a", 5, 9, NOTHING, "", joined=joined)
    below = Span(b"b", 7, 8, NOTHING, "")
    for span in (above, record, below):
        progress.begin(span)
    assert [] == progress.acknowledge([record, below])
    assert [record, below] == progress.acknowledge([above])


def test_what_waits_behind_a_span_without_outcome_is_little() -> None:
    """Spans behind one without an outcome are merged."""
    progress = Progress()
    spans = [Span(b"a", at, at + 1, NOTHING, str(at)) for at in range(20_000)]
    for span in spans:
        progress.begin(span)
        if span is not spans[0]:
            assert [] == progress.acknowledge([span])
    assert progress.waiting <= 2 * MAX_WAITING + 2
    [grown] = progress.acknowledge([spans[0]])
    assert (20_000, "19999") == (grown.end, grown.parser_state)
    assert progress.settled
