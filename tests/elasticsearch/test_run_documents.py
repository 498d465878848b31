"""Run documents on a real node: several writers, replays, any order, and rebuilt from the streams."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from elasticsearch import Elasticsearch

from shipper.cli.ship import ship
from shipper.elastic.assets import assets
from shipper.elastic.capabilities import adapt
from shipper.elastic.names import run_index
from shipper.elastic.templates import capabilities_of
from shipper.runs.document import run_document
from shipper.runs.facts import RunFacts, WaitingFacts
from shipper.runs.index import make_run_index
from shipper.runs.writer import RunDocuments
from shipper.testnode.node import Node

Lines = list[dict[str, Any]]


def at(second: int) -> str:
    """A second of an hour."""
    return f"2026-03-02T10:{second // 60:02d}:{second % 60:02d}.000000Z"


def story(runs: int) -> tuple[Lines, Lines]:
    """Workflows with their runs, as events and audit records; every third run fails."""
    events: Lines = []
    audit: Lines = []
    for run in range(runs):
        workflow, second = run // 4, run * 20
        failed = run % 3 == 2
        ids = {"run_id": run, "workflow_run_id": workflow}
        if run % 4 == 0:
            events.append(
                {"event": "workflow.started", "workflow_run_id": workflow, "trigger": "scheduled", "at": second}
            )
        events += [
            {"event": "pipeline.queued", "pipeline": "qsiprep", "subject_id": run, "session_id": run, **ids,
             "at": second},
            {"event": "pipeline.started", "run_id": run, "at": second + 1},
            {"event": "pipeline.failed", "run_id": run, "error": "Memory limit",
             "at": second + 9} if failed else {"event": "pipeline.completed", "run_id": run, "duration": 7.5,
             "at": second + 9},
        ]  # fmt: skip
        rows = [
            ("created", None),
            ("status_changed", "running"),
            ("status_changed", "failed" if failed else "completed"),
        ]
        audit += [
            {
                "entity_type": "pipeline_run", "entity_id": run, "action": action, "new_value": new or "qsiprep",
                "message": "" if new else f"Pipeline qsiprep (attempt {run % 3 + 1}) queued", "at": second + place,
            }
            for place, (action, new) in enumerate(rows)
        ]  # fmt: skip
        audit.append({
            "entity_type": "session", "entity_id": run, "action": "status_changed",
            "new_value": "failed" if failed else "completed", "at": second + 10,
        })  # fmt: skip
        if run % 4 == 3:
            metrics = {
                "workflow_run_id": workflow, "stages_successful": 5, "stage_durations": {"qsiprep": 12.5},
                "started_at": "2026-03-02T10:00:00.123456+00:00",
            }  # fmt: skip
            events += [
                {"event": "metrics.workflow_completed", "metrics": metrics, "at": second + 11},
                {"event": "workflow.completed", "workflow_run_id": workflow, "duration": 80, "stages": 5,
                 "at": second + 12},
            ]  # fmt: skip
    return events, audit


class Lab:
    """Log directories, their sidecars, and the run documents."""

    def __init__(self, es: Elasticsearch, url: str, namespace: str, folder: Path) -> None:
        self.es, self.url, self.namespace, self.folder = es, url, namespace, folder
        self.index = run_index(namespace)

    def command(self, name: str, *arguments: str) -> str:
        config = self.folder / f"{name}.yaml"
        config.write_text(
            f"logging: {{log_dir: {self.folder / name}}}\nelasticsearch: {{hosts: ['{self.url}']}}\n"
            f"shipper: {{namespace: {self.namespace}, state_dir: {self.folder / name}-state, host_name: {name}}}\n"
        )
        result = CliRunner().invoke(ship, ["--config", str(config), *arguments])
        assert 0 == result.exit_code, result.output
        return result.output

    def ship(self, name: str, events: Lines, audit: Lines) -> None:
        for path, lines in (("neuroflow.log", events), ("audit/audit_2026_03.jsonl", audit)):
            file = self.folder / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a") as log:
                for line in lines:
                    said = {key: value for key, value in line.items() if key != "at"}
                    log.write(json.dumps({**said, "timestamp": at(line["at"])}) + "\n")
        self.command(name, "--once")

    def runs(self) -> dict[str, Any]:
        self.es.indices.refresh(index=self.index)
        hits = self.es.search(index=self.index, size=1000)["hits"]["hits"]
        return {hit["_id"]: hit["_source"] for hit in hits}

    def forget(self) -> None:
        self.es.indices.delete(index=self.index, ignore_unavailable=True)


@pytest.fixture
def lab(es: Elasticsearch, node: Node, namespace: str, tmp_path: Path) -> Lab:
    """A lab without logs."""
    return Lab(es, node.url, namespace, tmp_path)


def test_whatever_comes_in_whatever_order(lab: Lab) -> None:
    """Shuffled, repeated, from several sidecars and rebuilt from the streams, the documents are equal."""
    events, audit = story(12)
    lab.ship("clean", events, audit)
    clean = lab.runs()
    assert {"pipeline_run": 12, "workflow_run": 3, "session": 12} == {
        kind: sum(one["kind"] == kind for one in clean.values())
        for kind in ("pipeline_run", "workflow_run", "session")
    }
    run = {key: value for key, value in clean["pipeline_run:5"].items() if key not in {"facts", "event"}}
    assert {
        "kind": "pipeline_run", "status": "failed",
        "data_stream": {"namespace": lab.namespace}, "service": {"name": "neuroflow"},
        "@timestamp": at(100), "created_at": at(100), "queued_at": at(100),
        "started_at": at(101), "failed_at": at(102), "updated_at": at(109), "duration_seconds": 1.0, "attempt": 3,
        "error": {"message": "Memory limit"},
        "neuroflow": {
            "run_id": "5", "pipeline": "qsiprep", "subject_id": "5", "session_id": "5", "workflow_run_id": "1",
        },
    } == run  # fmt: skip
    assert "27 workflow runs, pipeline runs and sessions" in lab.command("clean", "rebuild-runs")
    assert clean == lab.runs()

    lab.forget()
    chance = random.Random(5)
    for name in ("one", "two"):
        some = [line for line in events for _ in range(2)]
        rows = [line for line in audit for _ in range(2)]
        chance.shuffle(some)
        chance.shuffle(rows)
        half = len(some) // 2 if name == "one" else 0
        lab.ship(name, some[half:], rows)
    assert clean == lab.runs()
    lab.command("one", "rebuild-runs")
    assert clean == lab.runs()


def test_only_a_part_of_it_came(lab: Lab) -> None:
    """The audit trail alone gives the status of runs and sessions; what it does not contain stays absent."""
    _, audit = story(3)
    lab.ship("audit", [], audit)
    assert ["completed", "completed", "failed"] == [lab.runs()[f"pipeline_run:{run}"]["status"] for run in range(3)]
    assert ["completed", "completed", "failed"] == [lab.runs()[f"session:{run}"]["status"] for run in range(3)]


def facts_of_many(runs: int) -> RunFacts:
    """Several facts of each of some runs."""
    return {
        f"pipeline_run:{run}": {
            f"{at(second)[:19]}000000000 {verb} {run:08x}": {"verb": verb, "source": "events", "at": at(second)}
            for second, verb in enumerate(("queued", "started", "completed"))
        }
        for run in range(runs)
    }


def test_writers_at_the_same_time_come_to_the_same(es: Elasticsearch, namespace: str) -> None:
    """Six writers at once, each with other facts of the same runs, make the same documents."""
    index = run_index(namespace)
    facts = facts_of_many(30)
    parts: list[WaitingFacts] = [
        {identity: {key: one}} for identity, some in facts.items() for key, one in some.items() for _ in range(2)
    ]
    random.Random(3).shuffle(parts)

    def write(part: WaitingFacts) -> None:
        runs = RunDocuments(es, index, lambda: make_run_index(es, index))
        while part:
            written = runs.write(part)
            assert [] == written.refused
            part = written.retry

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, parts))
    es.indices.refresh(index=index)
    found = {hit["_id"]: hit["_source"] for hit in es.search(index=index, size=100)["hits"]["hits"]}
    place = {"data_stream": {"namespace": namespace}}
    assert {identity: {**run_document(identity, some), **place} for identity, some in facts.items()} == found


def test_two_writers_during_a_rebuild(es: Elasticsearch, namespace: str) -> None:
    """Two writers add facts while a rebuild writes all earlier ones into an empty index."""
    index = run_index(namespace)
    chance = random.Random(9)
    facts = facts_of_many(40)
    stages = {
        f"workflow_run:{run}": {
            f"{at(second)[:19]}000000000 stage_completed {run:04x}{second:04x}": {
                "stage": f"s{second % 3}", "verb": "stage_completed", "source": "events", "at": at(second),
            }
            for second in range(20)
        }
        for run in range(5)
    }  # fmt: skip
    parts: list[WaitingFacts] = [
        {identity: {key: one}} for identity, some in {**facts, **stages}.items() for key, one in some.items()
    ]
    chance.shuffle(parts)
    lock, said = threading.Lock(), list[WaitingFacts]()

    def write(runs: RunDocuments, part: WaitingFacts) -> None:
        while part:
            written = runs.write(part)
            assert [] == written.refused
            part = written.retry

    def go_on(mine: list[WaitingFacts]) -> None:
        runs = RunDocuments(es, index, lambda: make_run_index(es, index))
        for part in mine:
            with lock:
                said.append(part)
            write(runs, part)

    threads = [threading.Thread(target=go_on, args=(parts[number::2],)) for number in range(2)]
    for thread in threads:
        thread.start()
    while len(said) < len(parts) // 2:
        time.sleep(0.01)
    es.indices.delete(index=index)
    with lock:
        until_then = list(said)
    time.sleep(1)  # as rebuild-runs does
    anew = RunDocuments(es, index, lambda: make_run_index(es, index))
    for part in until_then:
        write(anew, part)
    for thread in threads:
        thread.join()
    es.indices.refresh(index=index)
    found = {hit["_id"]: hit["_source"] for hit in es.search(index=index, size=100)["hits"]["hits"]}
    place = {"data_stream": {"namespace": namespace}}
    assert {
        identity: {**run_document(identity, some), **place} for identity, some in {**facts, **stages}.items()
    } == found


def test_a_run_is_written_once_and_then_put(es: Elasticsearch, namespace: str) -> None:
    """A new run is created at once; known runs are not read, except after another writer's change."""
    index = run_index(namespace)
    one, other = (RunDocuments(es, index, lambda: make_run_index(es, index)) for _ in range(2))
    ((identity, facts),) = facts_of_many(1).items()
    versions = []
    for runs, (key, fact) in zip((one, one, other), facts.items(), strict=True):
        assert {} == runs.write({identity: {key: fact}}).retry
        versions.append(es.get(index=index, id=identity)["_version"])
    # Whoever does not know the run has its facts united, and puts what they make.
    assert [1, 2, 4] == versions
    assert "completed" == es.get(index=index, id=identity)["_source"]["status"]


def test_later_facts_of_a_session_whoever_writes_them(es: Elasticsearch, namespace: str) -> None:
    """Tasks follow each other for hours; the document is the same as from all facts at once, in any order."""
    index, identity = run_index(namespace), "session:sub-001_ses-baseline"
    one, other = (RunDocuments(es, index, lambda: make_run_index(es, index)) for _ in range(2))
    ids = {"subject_id": "sub-001", "session_id": "ses-baseline"}
    facts = {
        f"{at(second)[:19]}000000000 {verb} {second:08x}": {
            **ids, **said, "verb": verb, "source": "events", "at": at(second),
        }
        for second in range(130)
        for verb, said in (("processing", {}), ("finished", {"outcome": "failure" if second % 3 else "success"}))
    }  # fmt: skip
    told = [*facts.items()]
    for first in range(0, len(told), 5):
        part: WaitingFacts = {identity: dict(told[first : first + 5])}
        while part:
            part = (other if first % 35 == 0 else one).write(part).retry
    found = es.get(index=index, id=identity)["_source"]
    assert {**run_document(identity, facts), "data_stream": {"namespace": namespace}} == found
    assert 200 == len(found["facts"])
    random.Random(4).shuffle(told)
    es.indices.delete(index=index)
    for first in range(0, len(told), 50):
        assert {} == other.write({identity: dict(told[first : first + 50])}).retry
    assert found == es.get(index=index, id=identity)["_source"]


def test_a_second_time_writes_nothing(es: Elasticsearch, namespace: str) -> None:
    """Replays leave every document at its version."""
    index = run_index(namespace)
    runs = RunDocuments(es, index, lambda: make_run_index(es, index))
    version: Callable[[], int] = lambda: es.get(index=index, id="pipeline_run:0")["_version"]  # noqa: E731 - short
    runs.write(facts_of_many(2))
    first = version()
    runs.write(facts_of_many(2))
    assert first == version()


def test_an_index_without_our_template_is_made_with_its_mapping(es: Elasticsearch, namespace: str) -> None:
    """A thousand facts add no field to the mapping."""
    index = run_index(f"{namespace}.bare")
    runs = RunDocuments(es, index, lambda: make_run_index(es, index))
    before = None
    try:
        for count in (1, 50):
            assert [] == runs.write(facts_of_many(count)).refused
            mapping = es.indices.get_mapping(index=index).body
            assert before in {None, json.dumps(mapping, sort_keys=True)}
            before = json.dumps(mapping, sort_keys=True)
    finally:
        es.indices.delete(index=index, ignore_unavailable=True)


def test_an_index_of_an_older_release_gets_what_it_lacks(es: Elasticsearch, namespace: str) -> None:
    """New fields are added to its mapping; old documents stay, and can be sorted."""
    index = f"old-runs-{namespace}"  # a name that no template adds to
    (asset,) = (asset for asset in assets() if asset.name == "neuroflow-runs")
    old = adapt(asset.body, capabilities_of(es))["template"]["mappings"]
    del old["properties"]["data_stream"], old["properties"]["neuroflow"]["properties"]["run_id"]["fields"]
    es.indices.create(index=index, mappings=old)
    es.index(index=index, id="pipeline_run:77", document={"kind": "pipeline_run", "neuroflow": {"run_id": "77"}})

    def numbers() -> list[Any]:
        es.indices.refresh(index=index)
        order = {"neuroflow.run_id.number": {"order": "desc", "missing": "_last", "unmapped_type": "long"}}
        return [hit["_source"]["neuroflow"]["run_id"] for hit in es.search(index=index, sort=[order])["hits"]["hits"]]

    try:
        assert ["77"] == numbers()
        mappings = []
        for _ in range(2):
            runs = RunDocuments(es, index, lambda: make_run_index(es, index))
            assert [] == runs.write(facts_of_many(3)).refused
            mappings.append(es.indices.get_mapping(index=index)[index]["mappings"])
        assert mappings[0] == mappings[1]
        assert asset.body["version"] == mappings[0]["_meta"]["version"]
        assert ["2", "1", "0", "77"] == numbers()
        found = es.search(index=index, query={"term": {"data_stream.namespace": namespace}})["hits"]["hits"]
        assert {"pipeline_run:0", "pipeline_run:1", "pipeline_run:2"} == {hit["_id"] for hit in found}
    finally:
        es.indices.delete(index=index, ignore_unavailable=True)


def test_ids_that_are_no_numbers_have_none(es: Elasticsearch, namespace: str) -> None:
    """Runs whose ids are no numbers sort behind the numbered ones."""
    index = run_index(namespace)
    runs = RunDocuments(es, index, lambda: make_run_index(es, index))
    fact = {f"{at(1)[:19]}000000000 queued 0": {"verb": "queued", "source": "events", "at": at(1)}}
    names = ["2", "10", "6c83fab3-d064", str(2**63), "NaN"]
    assert [] == runs.write({f"pipeline_run:{name}": fact for name in names}).refused
    es.indices.refresh(index=index)
    order = {"neuroflow.run_id.number": {"order": "desc", "missing": "_last"}}
    found = [hit["_source"]["neuroflow"]["run_id"] for hit in es.search(index=index, sort=[order])["hits"]["hits"]]
    assert ["10", "2", "6c83fab3-d064", str(2**63), "NaN"] == [*found[:2], *sorted(found[2:], key=names.index)]
