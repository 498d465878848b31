from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import orjson
import pytest
from elastic_transport import TransportError
from elasticsearch import ApiError

from shipper.config import Elasticsearch as Settings
from shipper.deliver.batch import Batch, Pair, Whole
from shipper.deliver.dedupe import FORBIDDEN_FOR, Dedupe, LookUp
from shipper.elastic.client import connect
from shipper.elastic.packed import Packed
from tests.conformance.fake import Answer, Exchange, Fake, page, product, refuse

STREAM = "logs-neuroflow.app-x"
OTHER = "logs-neuroflow.workflow-x"


class Desk:
    """A dedupe with the fake and a simulated clock."""

    def __init__(self, fake: Fake) -> None:
        self.fake = fake
        self.now = 100.0
        self.warned: list[str] = []
        self.client = connect(Settings(hosts=[fake.url]))
        self.dedupe = Dedupe(
            self.client, self.warned.append, request_timeout=30, clock=self.clock, wall=lambda: 1e9 + self.now
        )

    def clock(self) -> float:
        """Seconds; each call gives a later time."""
        self.now += 1e-3
        return self.now

    def index(self, *names: str, stream: str = STREAM) -> None:
        """Create documents in the newest backing index."""
        self.fake.streams.setdefault(stream, [{}])[-1].update({name: {} for name in names})

    def look_up(self, *names: str, since: float | None = None) -> LookUp:
        return self.dedupe.look_up([pair(name) for name in names], self.dedupe.began if since is None else since)

    def unknown(self, *names: str, since: float | None = None) -> list[str]:
        """The ids that do not exist; all must be decided."""
        found = self.look_up(*names, since=since)
        assert ([], 0.0) == (found.undecided, found.wait)
        return [raw.decode() for _, raw in found.absent]

    def asked(self, path: str, stream: str = STREAM) -> int:
        return sum(line.endswith(f" /{stream}/{path}") for line in self.fake.journal)


def pair(name: str, stream: str = STREAM) -> Pair:
    """An item and its line."""
    return orjson.dumps({"create": {"_index": stream, "_id": name}}) + b"\n{}\n", name.encode()


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A dedupe at the fake."""
    desk = Desk(Fake())
    yield desk
    desk.client.close()
    desk.fake.down()


def test_a_stream_that_was_not_there_holds_nothing(desk: Desk) -> None:
    """A missing stream is requested once; documents that were sent since need no look-up."""
    assert ["a"] == desk.unknown("a")
    desk.index("a")
    desk.now += 1000
    assert ["b"] == desk.unknown("b")
    assert (1, 0) == (desk.asked("_settings"), desk.asked("_search"))


def test_a_whole_batch_is_decided_at_once(desk: Desk) -> None:
    """It stays packed where its streams did not exist, or all wait; else each document is looked up."""

    def whole(*streams: str) -> Whole:
        items, raws = zip(*(pair(stream[15:-2], stream) for stream in streams), strict=True)
        datasets = Counter(stream[15:-2] for stream in streams)
        return Whole(Batch(Packed(items), Packed(raws), datasets=datasets, namespace="x"))

    desk.fake.tasks = {}
    new = whole(STREAM, OTHER)
    assert (new, [], 0.0) == desk.dedupe.look_up(new, desk.dedupe.began)
    since = desk.clock()
    for stream in (STREAM, OTHER):
        desk.index("old", stream=stream)
        desk.fake.rollover(stream)
    desk.fake.tasks = {f"n:{stream}": f"requests[3], indices[{stream}]" for stream in (STREAM, OTHER)}
    found = desk.dedupe.look_up(new, since)
    assert ([], new) == (found.absent, found.undecided)
    assert 0 < found.wait < 1
    desk.fake.tasks = {}
    desk.index("app")
    found = desk.dedupe.look_up(new, since)
    assert ([pair("workflow", OTHER)], [], 0.0) == found


def test_ids_are_found_in_every_backing_index(desk: Desk) -> None:
    """Ids are found in old and new indices, after one refresh."""
    desk.index("old")
    desk.fake.rollover(STREAM)
    desk.index("new")
    assert ["c"] == desk.unknown("old", "c", "new")
    assert ["d"] == desk.unknown("d")
    assert 1 == desk.asked("_refresh")


def test_nothing_known_before_the_doubt_counts(desk: Desk) -> None:
    """An id that did not exist before a request without an answer is looked up again."""
    desk.index("b")
    assert ["a"] == desk.unknown("a")
    desk.index("a")
    assert [] == desk.unknown("a", since=desk.clock())
    assert 2 == desk.asked("_refresh")


def test_a_request_that_runs_is_waited_for(desk: Desk) -> None:
    """Documents of a running request are undecided until it ends, and then looked up; later requests do not count."""
    desk.index("a")
    desk.fake.rollover(STREAM)
    desk.fake.tasks = {"n:1": f"requests[3], indices[{STREAM}]", "n:2": f"requests[3], indices[{OTHER}]"}
    found = desk.look_up("a", "b")
    assert ([], [b"a", b"b"]) == (found.absent, [raw for _, raw in found.undecided])
    assert 0 < found.wait < 1
    assert 0 == desk.asked("_search")
    desk.fake.streams[STREAM][0]["b"] = {}
    desk.fake.tasks = {"n:3": f"requests[3], indices[{STREAM}]"}
    assert ["c"] == desk.unknown("a", "b", "c")
    desk.fake.tasks = {"n:4": f"requests[3], indices[{STREAM}]"}
    assert ["d"] == desk.unknown("d")


def test_a_request_on_its_way_is_waited_for(desk: Desk) -> None:
    """A request that was sent before arrives before the next one, and is then running."""
    desk.index("a")
    desk.fake.tasks = {}

    def arrives(one: Exchange) -> None:
        desk.fake.tasks = {"n:1": f"requests[3], indices[{STREAM}]"}
        refuse(400, "action_request_validation_exception")(one)

    desk.fake.otherwise["POST /_bulk"] = arrives
    assert [b"b"] == [raw for _, raw in desk.look_up("b").undecided]
    desk.fake.tasks = {}
    assert ["b"] == desk.unknown("b")
    desk.fake.otherwise["POST /_bulk"] = refuse(502)
    with pytest.raises(ApiError):
        desk.unknown("b", since=desk.clock())


def test_each_look_lists_the_tasks_once(desk: Desk) -> None:
    """The first look sends an empty bulk request before it lists the tasks; later looks only list them."""

    def asked() -> list[str]:
        kept = [line for line in desk.fake.journal if line.split("?")[0] in {"POST /_bulk", "GET /_tasks"}]
        desk.fake.journal.clear()
        return kept

    desk.index("a")
    desk.fake.tasks = {"n:1": f"requests[3], indices[{STREAM}]"}
    asked()
    assert [b"b"] == [raw for _, raw in desk.look_up("b").undecided]
    assert ["POST /_bulk", "GET /_tasks"] == asked()
    assert [b"b"] == [raw for _, raw in desk.look_up("b").undecided]
    assert ["GET /_tasks"] == asked()


def test_a_later_doubt_waits_for_the_requests_of_its_time(desk: Desk) -> None:
    """The end of older requests decides nothing about one that timed out later."""
    desk.index("a")
    desk.fake.tasks = {}
    assert ["b"] == desk.unknown("b")
    desk.fake.tasks = {"n:5": f"requests[3], indices[{STREAM}]"}
    assert [b"b"] == [raw for _, raw in desk.look_up("b", since=desk.clock()).undecided]
    assert ["c"] == desk.unknown("c")


def test_a_shard_that_works_on_alone_is_waited_for(desk: Desk) -> None:
    """After the loss of the coordinating node its shard request, which names the backing index, still counts."""
    desk.index("a")
    desk.fake.tasks = {"n:1": f"requests[3], index[.ds-{STREAM}-2026.11.27-000001][0]"}
    assert [b"b"] == [raw for _, raw in desk.look_up("b").undecided]


def test_a_task_that_never_ends_is_not_waited_for(desk: Desk) -> None:
    """A task is waited for at most ten minutes."""
    desk.index("a")
    desk.fake.tasks = {"n:1": f"requests[3], indices[{STREAM}]"}
    assert [b"b"] == [raw for _, raw in desk.look_up("b").undecided]
    desk.now += 601
    assert ["b"] == desk.unknown("b")


def test_one_stream_does_not_wait_for_another(desk: Desk) -> None:
    """Documents of one stream are decided while those of another wait."""
    desk.index("a")
    desk.index("a", stream=OTHER)
    desk.fake.tasks = {"n:1": f"requests[3], indices[{STREAM}]"}
    found = desk.dedupe.look_up([pair("b"), pair("b", OTHER)], desk.dedupe.began)
    assert ([pair("b", OTHER)], [pair("b")]) == (found.absent, found.undecided)


def test_without_tasks_a_new_write_index_is_waited_for(desk: Desk) -> None:
    """Without the list of tasks, requests from before a rollover count as running for twice the time-out."""
    desk.index("a")
    desk.fake.rollover(STREAM)
    desk.fake.created[STREAM] = 1e9 + desk.now - 20
    found = desk.look_up("a", "b")
    assert ([], 2) == (found.absent, len(found.undecided))
    assert 39 < found.wait <= 40
    desk.now += 40
    assert ["b"] == desk.unknown("a", "b")


@pytest.mark.parametrize(("age", "rolled_over"), [(60, True), (1, False), (None, True)])
def test_nothing_waits_where_no_rollover_was_near(desk: Desk, age: float | None, rolled_over: bool) -> None:
    """An old write index, an only one, and one of unknown age cause no wait."""
    desk.index("a")
    if rolled_over:
        desk.fake.rollover(STREAM)
    if age is not None:
        desk.fake.created[STREAM] = 1e9 + desk.now - age
    assert ["b"] == desk.unknown("a", "b")


def test_a_clock_that_is_behind_waits_no_longer_than_a_request_takes(desk: Desk) -> None:
    """With a clock behind the cluster's the wait ends twice the time-out after the doubt."""
    desk.index("a")
    desk.fake.rollover(STREAM)
    desk.fake.created[STREAM] = 1e9 + desk.now + 86_400
    assert 59 < desk.look_up("b").wait <= 60
    desk.now += 60
    assert ["b"] == desk.unknown("b")


def test_after_a_wait_the_stream_is_refreshed_again(desk: Desk) -> None:
    """Documents that arrived at the end of the wait are found."""
    desk.index("a")
    desk.fake.rollover(STREAM)
    desk.fake.created[STREAM] = 1e9 + desk.now - 59.9
    assert ["b"] == desk.unknown("b", since=desk.now - 100)
    assert 1 == desk.asked("_refresh")
    desk.fake.created[STREAM] = 1e9 + desk.now
    desk.now += 2
    assert 1 == len(desk.look_up("b").undecided)
    desk.now += 60
    assert ["b"] == desk.unknown("b")
    assert 2 == desk.asked("_refresh")


def test_half_an_answer_is_none(desk: Desk) -> None:
    """A missing shard makes the look-up fail instead of its documents look missing."""
    desk.index("a")
    allowed: list[str] = []

    def look(one: Exchange) -> None:
        allowed.append(one.params.get("allow_partial_search_results", "true"))
        refuse(503, "search_phase_execution_exception")(one)

    desk.fake.otherwise[f"POST /{STREAM}/_search"] = look
    with pytest.raises(ApiError):
        desk.unknown("a")
    assert ["false"] == allowed


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("_search", {}), ("_search", {"hits": []}), ("_search", {"hits": {"hits": [{}]}}), ("_search", []),
        ("_search", {"hits": {"total": {"value": 1}, "hits": []}}), ("_search", {"hits": {"hits": [{"_id": "z"}]}}),
        ("_settings", {}), ("_settings", {"a": 1}),
    ],
)  # fmt: skip
def test_a_strange_answer_is_no_answer(desk: Desk, path: str, body: object) -> None:
    """An answer of an unexpected form raises, and no document counts as missing."""
    desk.index("a")
    desk.fake.otherwise[f"{'POST' if path == '_search' else 'GET'} /{STREAM}/{path}"] = product(
        200, orjson.dumps(body)
    )
    with pytest.raises(TransportError):
        desk.unknown("a")


@pytest.mark.parametrize("body", [{}, {"nodes": []}, {"nodes": {"n": 1}}, {"nodes": {}, "node_failures": [{}]}, 1])
def test_a_strange_list_of_tasks_proves_nothing(desk: Desk, body: object) -> None:
    """With an unexpected list of tasks the time decides."""
    desk.index("a")
    desk.fake.rollover(STREAM)
    desk.fake.created[STREAM] = 1e9 + desk.now
    desk.fake.otherwise["GET /_tasks"] = product(200, orjson.dumps(body))
    assert 59 < desk.look_up("b").wait <= 60


def test_a_cluster_in_trouble_is_asked_again(desk: Desk) -> None:
    """A 503 for the list of tasks does not count as a missing privilege."""
    desk.index("a")
    desk.fake.otherwise["GET /_tasks"] = refuse(503, "why")
    with pytest.raises(ApiError):
        desk.unknown("a")


def test_ids_that_are_there_twice_hide_no_others(desk: Desk) -> None:
    """Copies of one id do not displace other ids from an answer."""
    desk.index("a", "b")
    desk.fake.rollover(STREAM)
    desk.index("a", "b", "c")

    def look(one: Exchange) -> None:
        wanted = orjson.loads(one.body)["query"]["ids"]["values"]
        hits = [{"_id": name} for index in desk.fake.streams[STREAM] for name in wanted if name in index]
        one.send(200, {"hits": {"total": {"value": len(hits)}, "hits": hits[: len(wanted)]}})

    desk.fake.otherwise[f"POST /{STREAM}/_search"] = look
    assert ["d"] == desk.unknown("a", "b", "c", "d")


def test_a_404_of_a_proxy_does_not_mean_that_nothing_is_there(desk: Desk) -> None:
    """A 404 without Elasticsearch's header raises."""
    desk.index("a")
    desk.fake.otherwise[f"GET /{STREAM}/_settings"] = page(404)
    with pytest.raises(TransportError):
        desk.unknown("a")


def test_read_is_all_that_a_key_needs(desk: Desk) -> None:
    """Without the privileges to list tasks, read settings and refresh, the look-up still works."""
    desk.index("a")
    desk.fake.rollover(STREAM)
    for request in ("GET", "POST"):
        desk.fake.otherwise[f"{request} /{STREAM}/_{'settings' if request == 'GET' else 'refresh'}"] = refuse(403)
    desk.fake.otherwise["GET /_tasks"] = refuse(403)
    assert ["b"] == desk.unknown("a", "b")
    assert [] == desk.warned


@pytest.mark.parametrize(("day", "waits"), [("2001.09.08", False), ("2001.09.09", True)])
def test_names_tell_the_day_to_a_key_that_may_only_read(desk: Desk, day: str, waits: bool) -> None:
    """The date in an index name bounds its age: 1e9 is early on 9 September 2001."""
    desk.now = 4 * 3600.0
    desk.index("a")
    names = [f".ds-{STREAM}-2001.08.01-000001", f".ds-{STREAM}-{day}-000002"]
    desk.fake.otherwise[f"GET /{STREAM}/_settings"] = refuse(403)
    desk.fake.otherwise[f"POST /{STREAM}/_field_caps"] = product(200, orjson.dumps({"indices": names}))
    assert waits == bool(desk.look_up("b", since=desk.clock()).wait)


@pytest.mark.parametrize(
    "answer", [page(403), refuse(403, "cluster_block_exception", "index [a] blocked by: [read]")]
)
def test_a_refusal_that_is_not_of_the_key_is_no_answer(desk: Desk, answer: Answer) -> None:
    """A proxy's page and a blocked index tell nothing about the key: the look-up is repeated."""
    desk.index("a")
    desk.fake.otherwise[f"POST /{STREAM}/_search"] = answer
    with pytest.raises(ApiError):
        desk.unknown("a")
    del desk.fake.otherwise[f"POST /{STREAM}/_search"]
    assert [] == desk.unknown("a")
    assert [] == desk.warned


def test_a_key_that_may_not_read_is_told_once(desk: Desk) -> None:
    """Without read all ids count as unknown, with one warning; the look-up is tried again after a minute."""
    desk.index("a")
    desk.fake.otherwise[f"POST /{STREAM}/_search"] = refuse(403)
    assert ["a"] == desk.unknown("a")
    asked = len(desk.fake.journal)
    assert ["a"] == desk.unknown("a")
    assert asked == len(desk.fake.journal)
    desk.now += FORBIDDEN_FOR
    assert ["a"] == desk.unknown("a")
    del desk.fake.otherwise[f"POST /{STREAM}/_search"]
    desk.now += FORBIDDEN_FOR
    assert [] == desk.unknown("a")
    (warning,) = desk.warned
    assert "grant `read`" in warning
