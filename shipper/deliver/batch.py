"""Documents → bodies of bulk requests, and the spans that each covers.

A batch is bounded by bytes and by count; the sidecar limits its age.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import orjson

from shipper.config import DATASETS
from shipper.deliver.serialised import Serialised
from shipper.document.fact_templates import SomeFacts
from shipper.document.ids import ID_CHARS, ids_of
from shipper.elastic.fast_gzip import FAST
from shipper.elastic.names import streams_of
from shipper.elastic.packed import Packed
from shipper.parse.records import Records
from shipper.tail.progress import Span

Pair = tuple[bytes, bytes]
"""An item, and its line."""
_BEFORE_INDEX = b'{"create":{"_index":'
_BEFORE_BODY = b'"}}\n'
_BEFORE_DATASET = len(_BEFORE_INDEX + b'"logs-neuroflow.')


@dataclass(slots=True)
class Batch:
    """What one bulk request carries.

    Attributes:
        items: action line and document, as bytes, one a document.
        raws: the line of each item, for dead letters.
        spans: what the cursors may move over when every item has its outcome.
        maybe_sent: ranges (first, last + 1) of items that an earlier run may have sent, in order.
        reread: the same for items that this run may have sent: their file is read again from an earlier position.
        facts: of runs, from its documents.
        datasets: number of items by dataset.
        namespace: of their data streams.
    """

    items: Packed = field(default_factory=Packed)
    raws: Packed = field(default_factory=Packed)
    spans: list[Span] = field(default_factory=list)
    maybe_sent: list[tuple[int, int]] = field(default_factory=list)
    reread: list[tuple[int, int]] = field(default_factory=list)
    facts: list[SomeFacts] = field(default_factory=list)
    datasets: Counter[str] = field(default_factory=Counter)
    namespace: str = "default"

    @property
    def streams(self) -> list[str]:
        """The data streams of its items."""
        return streams_of(self.namespace, self.datasets)

    @property
    def size(self) -> int:
        """Bytes of all items."""
        return self.items.size

    def datasets_of(self, pairs: Sequence[Sequence[Any]]) -> Counter[str]:
        """How many of these items, each the first of a pair, go to which dataset."""
        if len(pairs) == len(self.items):
            return self.datasets
        if len(self.datasets) == 1:
            return Counter(dict.fromkeys(self.datasets, len(pairs)))
        return Counter(_dataset_of(pair[0]) for pair in pairs)


class Whole(Sequence[Pair]):
    """All documents of a batch, which are unpacked only if one of them is asked for.

    Raises:
        ValueError: the batch lacks a line.
    """

    def __init__(self, batch: Batch) -> None:
        if len(batch.items) != len(batch.raws):
            raise ValueError(f"{len(batch.raws)} lines for {len(batch.items)} items")
        self.batch = batch

    def __len__(self) -> int:
        return len(self.batch.items)

    def __iter__(self) -> Iterator[Pair]:
        return zip(self.batch.items, self.batch.raws, strict=True)

    @overload
    def __getitem__(self, index: int) -> Pair: ...

    @overload
    def __getitem__(self, index: slice) -> list[Pair]: ...

    def __getitem__(self, index: int | slice) -> Pair | list[Pair]:
        return list(self)[index]


class Packer:
    """Collects items until a batch is full.

    Args:
        namespace: of the data streams.
        common: fields that every document has (host, agent, …), spliced in as bytes.
        max_bytes: of a batch; a larger document is sent alone.
        max_events: of a batch, documents.
        compress: the items, as they are added.
    """

    def __init__(
        self, namespace: str, common: dict[str, Any], max_bytes: int, max_events: int, *, compress: bool = True
    ) -> None:
        self._max_bytes = max_bytes
        self._max_events = max_events
        self._namespace = namespace
        self._compress = compress
        self._heads = {}
        self._tails = {}
        for dataset in DATASETS:
            stream = {"type": "logs", "dataset": f"neuroflow.{dataset}", "namespace": namespace}
            (index,) = streams_of(namespace, [dataset])
            self._heads[dataset] = _BEFORE_INDEX + orjson.dumps(index) + b',"_id":"'
            self._tails[dataset] = b"," + orjson.dumps({**common, "data_stream": stream})[1:] + b"\n"
        self.batch = self._empty()

    def add(self, records: Records, serialised: Serialised, *, maybe_sent: bool = False) -> list[Batch]:
        """Add a block's documents, which may have been sent before; gives the batches that became full."""
        origin = records.block.origin
        head, tail = self._heads[origin.dataset], self._tails[origin.dataset]
        bodies = serialised.bodies
        pieces = [head, b"", _BEFORE_BODY, b"", tail] * len(bodies)
        pieces[1::5] = ids_of(origin.generation, records.starts, records.raws)
        pieces[3::5] = bodies
        fixed = len(head) + ID_CHARS + len(_BEFORE_BODY) + len(tail)
        sizes = [fixed + length for length in map(len, bodies)]
        full: list[Batch] = []
        first, count = 0, len(bodies)
        block = records.block
        start = block.offsets[0]
        while first < count:
            last = self._fit(sizes, first)
            if last == first:
                full.append(self.take())
                continue
            end = records.starts[last] if last < count else records.end
            parser_state = (
                records.parser_state
                if last == count or records.parser_states is None
                else records.parser_states[last - 1]
            )
            if maybe_sent:
                there = len(self.batch.items)
                ranges = self.batch.reread if origin.restarts else self.batch.maybe_sent
                ranges.append((there, there + last - first))
            self.batch.items.add_joined(b"".join(pieces[5 * first : 5 * last]), sizes[first:last])
            self.batch.raws.add(records.raws[first:last])
            self.batch.datasets[origin.dataset] += last - first
            if not first:
                # All facts of the block: no cursor moves past the block before this batch is settled.
                self.batch.facts += serialised.facts
            self.batch.spans.append(block.span(start, end, parser_state, last=last == count))
            first, start = last, end
        if not count and records.end > start:
            # Only blank lines: nothing to send, but the cursor moves over them after the lines before.
            self.batch.spans.append(block.span(start, records.end, records.parser_state))
        return full

    def take(self) -> Batch:
        """Give the batch and begin a new one."""
        batch, self.batch = self.batch, self._empty()
        batch.items.finish()
        batch.raws.finish()
        return batch

    def _empty(self) -> Batch:
        # Lines are compressed for the sake of memory alone, so only where that costs next to nothing.
        items, raws = Packed(compressed=self._compress), Packed(compressed=FAST, quick=True)
        return Batch(items, raws, namespace=self._namespace)

    def _fit(self, sizes: list[int], first: int) -> int:
        """Index after the last item, from ``first`` on, that the current batch has room for."""
        room = self._max_events - len(self.batch.items)
        space = self._max_bytes - self.batch.size
        last = min(len(sizes), first + room)
        if sum(sizes[first:last]) <= space:
            return last
        at = first
        while at < last and sizes[at] <= space:
            space -= sizes[at]
            at += 1
        return first + 1 if at == first and not self.batch.items else at


def _dataset_of(item: bytes) -> str:
    return item[_BEFORE_DATASET : item.index(b"-", _BEFORE_DATASET)].decode()
