from __future__ import annotations

from itertools import accumulate, pairwise

import orjson
from hypothesis import given
from hypothesis import strategies as st

from shipper.deliver.batch import Batch, Packer
from shipper.deliver.serialised import Serialised, serialise
from shipper.document.ids import ids_of
from shipper.parse.records import Records
from shipper.tail.block import Block, Origin
from shipper.tail.fingerprint import checkpoint_hash_of
from shipper.tail.state.checkpoint import NOTHING

NAMES = (b"a" * 9, b"b" * 9)


def records_of(name: bytes, content: bytes, start: int, *, parser_state: str = "end") -> Records:
    """A record for each line that is not blank; every line of the content ends."""
    lines = content.split(b"\n")[:-1]
    offsets = list(accumulate((len(line) + 1 for line in lines), initial=start))
    block = Block(Origin(name, "/a.log", "/a.log", "auto", "app"), lines, offsets)
    said = [(at, line) for at, line in zip(offsets, lines, strict=False) if line.strip()]
    return Records(
        block,
        records=[{} for _ in said],
        raws=[line for _, line in said],
        starts=[at for at, _ in said],
        end=offsets[-1],
        rest=len(lines),
        parser_states=[f"after {at}" for at, _ in said],
        parser_state=parser_state,
    )


def documents_of(records: Records) -> Serialised:
    """One document for each record."""
    return serialise([{"message": raw.decode()} for raw in records.raws])


LINES = st.lists(st.sampled_from(["", " ", "x", "word " * 10, "y" * 400]), min_size=1, max_size=8)


@given(
    blocks=st.lists(st.tuples(st.sampled_from(NAMES), LINES), max_size=8),
    max_bytes=st.sampled_from([1, 300, 700, 10**6]),
    max_events=st.integers(1, 6),
)
def test_batches_are_bounded_and_spans_have_no_gap(
    blocks: list[tuple[bytes, list[str]]], max_bytes: int, max_events: int
) -> None:
    """Batches contain everything in order within their bounds; spans adjoin, with valid checkpoint hashes."""
    packer = Packer("default", {"agent": {"type": "t"}}, max_bytes, max_events)
    files = dict.fromkeys(NAMES, b"")
    batches: list[Batch] = []
    expected: list[bytes] = []
    for name, lines in blocks:
        content = "".join(f"{line}\n" for line in lines).encode()
        records = records_of(name, content, len(files[name]))
        files[name] += content
        expected += ids_of(name, records.starts, records.raws)
        batches += packer.add(records, documents_of(records))
    batches.append(packer.take())
    assert expected == [
        orjson.loads(item.partition(b"\n")[0])["create"]["_id"].encode() for b in batches for item in b.items
    ]
    for batch in batches:
        assert sum(map(len, batch.items)) == batch.size
        assert len(batch.items) == len(batch.raws) <= max_events
        assert batch.size <= max_bytes or len(batch.items) == 1
    for name, content in files.items():
        spans = [span for batch in batches for span in batch.spans if span.generation == name]
        assert [0, *(span.end for span in spans)] == [*(span.start for span in spans), len(content)]
        for span in spans:
            proof = span.checkpoint_hash
            assert checkpoint_hash_of(content[span.end - proof.length : span.end]) == proof
            assert NOTHING != proof


@given(max_events=st.integers(1, 5))
def test_parser_state_travels_with_its_span(max_events: int) -> None:
    """A span has the parser state after its last record; the block's last span has that of the block's end."""
    packer = Packer("default", {}, 10**6, max_events)
    records = records_of(NAMES[0], b"1\n2\n3\n4\n5\n", 0)
    batches = [*packer.add(records, documents_of(records)), packer.take()]
    spans = [span for batch in batches for span in batch.spans]
    assert [(f"after {span.end - 2}" if span.end < 10 else "end") for span in spans] == [
        span.parser_state for span in spans
    ]
    assert all(before.end == after.start for before, after in pairwise(spans))


def test_items_are_bulk_lines() -> None:
    """Each item is an action and a document on one line each, with the common fields and the stream's name."""
    packer = Packer("lab", {"host": {"name": "h"}}, 10**6, 10)
    records = records_of(NAMES[0], b"one\ntwo\n", 0)
    packer.add(records, documents_of(records))
    stream = {"type": "logs", "dataset": "neuroflow.app", "namespace": "lab"}
    items = list(packer.take().items)
    for item, text, _id in zip(items, ("one", "two"), ids_of(NAMES[0], [0, 4], [b"one", b"two"]), strict=True):
        action, document, rest = item.split(b"\n")
        assert {"create": {"_index": "logs-neuroflow.app-lab", "_id": _id.decode()}} == orjson.loads(action)
        assert {"message": text, "host": {"name": "h"}, "data_stream": stream} == orjson.loads(document)
        assert b"" == rest


def test_blank_lines_move_the_cursor() -> None:
    """Blank lines give a span without documents, in order."""
    packer = Packer("default", {}, 10**6, 10)
    assert [] == packer.add(records_of(NAMES[0], b"\n \n", 0), Serialised([], []))
    batch = packer.take()
    assert ([], [(0, 3)]) == (list(batch.items), [(span.start, span.end) for span in batch.spans])


def test_cut_lines_prove_nothing() -> None:
    """After a cut line the checkpoint hash covers only the bytes behind it, or none."""
    packer = Packer("default", {}, 10**6, 10)
    records = records_of(NAMES[0], b"cut\nwhole\n", 0)
    records.block.offsets = [0, 1000, 1006]
    records.starts, records.end = [0, 1000], 1006
    packer.add(records, documents_of(records))
    assert [checkpoint_hash_of(b"whole\n")] == [span.checkpoint_hash for span in packer.take().spans]
    records = records_of(NAMES[0], b"cut\n", 0)
    records.block.offsets, records.end = [0, 1000], 1000
    packer.add(records, documents_of(records))
    assert [NOTHING] == [span.checkpoint_hash for span in packer.take().spans]
