"""A fuzz run without a sidecar or a node: the bytes pass through parse, redact, document and runs in this process."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson

from shipper.config import Shipper
from shipper.deliver.serialised import serialise
from shipper.document.ecs import Documents
from shipper.document.fact_templates import encoded
from shipper.parse.dispatch import parse
from shipper.parse.records import Records
from shipper.parse.shapes import Shapes
from shipper.runs.document import run_document
from shipper.runs.facts import RunFacts, facts_of
from shipper.tail.block import Block, Origin
from shipper.tail.reader import CHUNK_BYTES, Reader
from shipper.tail.rotation_names import split_rotation
from shipper.tail.splitter import Splitter
from shipper.tail.state.checkpoint import START
from tests.decoded_facts import facts_in
from tests.fuzz.fuzz import Place
from tests.fuzz.limits import MAX_ID, faults, fields_of_logs, fields_of_runs
from tests.fuzz.mutations import BYTE_MARK, MARK

NOW = 1_795_437_000 * 10**9
_LOGS, _RUNS = fields_of_logs(), fields_of_runs()
_FACTS = frozenset({"facts"})


def blocks(data: bytes, place: Place, shapes: Shapes | None = None) -> Iterator[Records]:
    """The records of a file, block by block as a reader gives them."""
    path = f"/var/log/neuroflow/{split_rotation(place.path)[0]}"
    origin = Origin(b"123456789", path, path, place.format, place.dataset)
    reader = Reader(origin, START, keep=8 * 2**20, compressed=False)
    splitter = reader._splitter
    assert isinstance(splitter, Splitter)

    def taken(block: Block) -> Records:
        records = parse(block, shapes)
        reader.held.hold(block, records.rest, records.parser_state)
        return records

    for at in range(0, len(data), CHUNK_BYTES):
        lines, offsets, cut = splitter.feed(data[at : at + CHUNK_BYTES])
        if lines:
            yield taken(reader._block(lines, offsets, cut, NOW, NOW))
    last = reader.finish(NOW, NOW, with_line=True)
    if last is not None:
        yield taken(last)


class Inside:
    """The documents of files, and their faults.

    Attributes:
        faults: what the cluster would reject, each with an example.
        marks: how often each was found in a document.
        documents: how many were made.
    """

    def __init__(self) -> None:
        settings = Shipper(host_name="h", timezone="Asia/Jerusalem")
        self._documents = Documents(settings, "1")
        self._fast = Documents(settings, "1", facts_of=facts_of)
        assert self._fast.shapes is not None
        self._fast.shapes.sampled = 1  # broken lines are rarely alike
        self._facts: RunFacts = {}
        self.faults: Counter[str] = Counter()
        self.marks: Counter[str] = Counter()
        self.documents = 0

    def take(self, place: Place, data: bytes) -> None:
        both = zip(blocks(data, place), blocks(data, place, self._fast.shapes), strict=True)
        for records, shaped in both:
            documents = self._documents.of(records)
            self._compare(documents, shaped, place)
            assert len(documents) == len(records.records)
            self.documents += len(documents)
            for document in documents:
                sent = orjson.loads(orjson.dumps(document))
                self._note(faults(sent, _LOGS), place.path)
                self.marks.update(marks_in(sent))
            for identity, facts in facts_in(facts_of(documents)).items():
                self._facts.setdefault(identity, {}).update(facts)

    def _compare(self, documents: list[dict[str, Any]], shaped: Records, place: Place) -> None:
        """Note where the fast path gives other documents or facts."""
        found = self._fast.with_templates(shaped)
        made = serialise(found, self._fast.take_facts())
        if set(facts_of(documents)) != set(encoded(made.facts)):
            self._note(["the fast path reports other facts"], place.path)
        for usual, fast in zip(documents, made.bodies, strict=True):
            if orjson.loads(orjson.dumps(usual)) != orjson.loads(fast + b"}"):
                self._note([f"the fast path gives {fast.decode():.300}"], place.path)

    def runs(self) -> dict[str, dict[str, Any]]:
        found = {}
        for identity, facts in self._facts.items():
            kept = orjson.loads(orjson.dumps(facts))
            document = orjson.loads(orjson.dumps(run_document(identity, kept)))
            self._note(faults(document, _RUNS, unmapped=_FACTS), "run document")
            if len(identity.encode()) > MAX_ID:
                self._note([f"_id of {len(identity.encode())} bytes"], "run document")
            # Serialised of what the cluster gives back it must be the same, else it would be written for ever.
            if orjson.loads(orjson.dumps(run_document(identity, document["facts"]))) != document:
                self._note([f"{identity!r:.200} never comes to rest"], "run document")
            found[identity] = document
        return found

    def _note(self, found: list[str], where: str) -> None:
        self.faults.update(f"{where}: {re.sub(r'fuzz[0-9]+', '…', fault)}" for fault in found)


def marks_in(source: dict[str, Any]) -> set[str]:
    """The marks in a document, also in the original bytes that it keeps."""
    neuroflow = source.get("neuroflow", {})
    if "context" in neuroflow:
        # What was filled in from other lines is theirs.
        names = neuroflow["context"] if isinstance(neuroflow["context"], list) else [neuroflow["context"]]
        neuroflow = {key: value for key, value in neuroflow.items() if key not in names}
        source = {**source, "neuroflow": neuroflow}
    if "/pipelines/" in source.get("log", {}).get("file", {}).get("path", ""):
        # Lines below one that names its logger and its node have these, too; the message is all of a line there.
        neuroflow = {key: value for key, value in neuroflow.items() if key != "node"}
        log = {key: value for key, value in source["log"].items() if key != "logger"}
        source = {**source, "neuroflow": neuroflow, "log": log}
    found = set(MARK.findall(json.dumps(source, ensure_ascii=False)))
    original = neuroflow.get("original")
    if original:
        found.update(mark.decode() for mark in BYTE_MARK.findall(b64decode(original)))
    return found
