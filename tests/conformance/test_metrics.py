"""/metrics of a running sidecar: through outages, kills and hostile names."""

from __future__ import annotations

import json
import os
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.conformance.fake import Fake
from tests.conformance.faked import FakedHarness
from tests.conformance.harness import eventually
from tests.conformance.writers import app_line

Samples = dict[tuple[str, tuple[str, ...]], float]


def write(faked: FakedHarness, first: int, last: int) -> None:
    """Append numbered lines to the application's log."""
    with faked.log.open("a") as file:
        file.writelines(app_line(f"m{number}") + "\n" for number in range(first, last))


@contextmanager
def scraped(faked: FakedHarness) -> Iterator[list[Samples]]:
    """The pages of /metrics while the block runs."""
    seen: list[Samples] = []
    over = threading.Event()

    def scrape() -> None:
        while not over.wait(0.05):
            if samples := faked.scrape():
                seen.append(samples)

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


class TestMetrics:
    def test_files_of_which_something_is_missing(self, faked: FakedHarness) -> None:
        """A pipe in a log's place counts; one among logs, which is none, doesn't: an alert would never end."""
        logs = faked.log.parent
        (logs / "celery").mkdir()
        for name in ("worker.log", "celery/pipe.log", "celery/another.log"):
            os.mkfifo(logs / name)
        sidecar = faked.begin()
        assert eventually(lambda: (faked.scrape() or {}).get(("files_not_read", ())) == 1), faked.scrape()
        assert 3 == len(json.loads(faked.run("status", "--json").stdout)["not_read"])
        assert 0 == sidecar.stop(), sidecar.said

    def test_an_outage_is_visible(self, faked: FakedHarness, fake: Fake) -> None:
        """Lag, queue, retries by cause and readiness during an outage; nothing of it remains afterwards."""
        sidecar = faked.begin()
        write(faked, 0, 3)
        assert eventually(lambda: fake.documents == 3)
        fake.down()
        write(faked, 3, 10)
        log = (str(faked.log),)

        def there() -> bool:
            page = faked.scrape() or {}
            return (
                page.get(("retries_total", ("connection",)), 0) >= 7
                and page.get(("lag_bytes", log), 0) == 7 * len(app_line("m3") + "\n") == page["total_lag_bytes", ()]
                and page["queue_bytes", ()] > 0
                and page["lag_seconds", log] == page["oldest_unacknowledged_seconds", ()] > 0
                and (page["ready", ()], page["documents_in_flight", ()]) == (0, 7)
            )

        assert eventually(there), faked.scrape()
        fake.up()
        assert eventually(lambda: (faked.scrape() or {}).get(("documents_total", ("app", "acknowledged"))) == 10)
        page = faked.scrape() or {}
        assert not [name for name, _ in page if name == "lag_bytes"]
        expected = {
            "ready": 1, "total_lag_bytes": 0, "oldest_unacknowledged_seconds": 0, "queue_bytes": 0, "dead_letters": 0,
            "documents_in_flight": 0, "generations": 1, "files_not_read": 0,
        }  # fmt: skip
        assert expected == {name: page[name, ()] for name in expected}
        assert page["sent_bytes_total", ()] > 0
        assert page["bulk_duration_seconds_count", ()] >= 3
        assert page["scan_duration_seconds_count", ()] >= 1
        assert page["last_scan_seconds", ()] > 0
        assert page["process_resident_memory_bytes", ()] > 0
        assert 0 == sidecar.stop(), sidecar.said

    def test_counters_never_go_back(self, faked: FakedHarness, fake: Fake) -> None:
        """Over kills and restarts in the middle of work no counter shows less than before: Prometheus would take
        that for a new start from zero.
        """
        faked.configure(batch={"max_events": 20}, flush_interval=0.05)
        fake.decide = lambda name, _: 400 if sum(name.encode()) % 10 == 3 else 201
        with scraped(faked) as seen:
            for life in range(4):
                sidecar = faked.begin()
                before = len(seen)
                write(faked, 100 * life, 100 * life + 100)
                assert eventually(lambda before=before: len(seen) > before + 3)  # type: ignore[misc]
                if life % 2:
                    sidecar.stop()
                else:
                    sidecar.kill()
            sidecar = faked.begin()
            before = len(seen)
            assert eventually(lambda: fake.documents + len(faked.letters()) == 400)
            assert eventually(lambda: len(seen) > before and seen[-1]["documents_in_flight", ()] == 0)
        assert 0 == sidecar.stop(), sidecar.said
        totals = [{key: value for key, value in page.items() if key[0].endswith("_total")} for page in seen]
        for page in totals:
            page.pop(("process_cpu_seconds_total", ()))
        assert [] == [key for one, two in pairwise(totals) for key in one if two.get(key, 0) < one[key]]
        assert len(faked.letters()) == seen[-1]["dead_letters", ()]

    def test_nothing_is_shown_that_a_crash_takes_back(self, faked: FakedHarness, fake: Fake) -> None:
        """Documents whose position is not stored yet don't count before: after a kill they are duplicates."""
        faked.configure(scan_interval=3600, watch="poll")
        write(faked, 0, 20)
        fake.decide = lambda _, document: 503 if document["message"] == "m7" else 201
        with scraped(faked) as seen:
            sidecar = faked.begin()
            assert eventually(lambda: fake.documents == 19)
            before = len(seen)
            assert eventually(lambda: len(seen) > before + 50)  # pages are kept for a second
            sidecar.kill()
            fake.decide = lambda *_: 201
            sidecar = faked.begin()
            before = len(seen)
            assert eventually(lambda: fake.documents == 20 and len(seen) > before + 50)
        assert 0 == sidecar.stop(), sidecar.said
        key = ("documents_total", ("app", "acknowledged"))
        shown = [page.get(key, 0) for page in seen]
        assert shown == sorted(shown)
        assert 1 == shown[-1]

    def test_names_of_files_are_only_names(self, faked: FakedHarness, fake: Fake) -> None:
        """Hostile names of logs are labels in both formats; chosen ids in them are hashed; idle logs have none."""
        faked.configure(redact={"hash": ["subject"], "hash_key": "more than sixteen characters"})
        folder = os.fsencode(faked.logs / "pipelines")
        for name in (b'a"b\\', b"c\nevil_total 7\n", b"\x1b[31m\xff"):
            os.makedirs(os.path.join(folder, name))  # noqa: PTH103, PTH118 - bytes, which Path refuses
            with open(os.path.join(folder, name, b"sub-0421_1_20260302_091500.log"), "wb") as file:  # noqa: PTH118, PTH123 - as above
                file.write(b"subject 0421\n")
        fake.down()
        sidecar = faked.begin()

        def logs() -> list[str]:
            return [labels[0] for name, labels in faked.scrape() or {} if name == "lag_bytes"]

        assert eventually(lambda: len(logs()) == 3), faked.scrape()
        assert not [log for log in logs() if "sub-0421" in log]
        asked = urllib.request.Request(
            f"http://{faked.listen}/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"}
        )
        with urllib.request.urlopen(asked, timeout=10) as page:
            assert page.headers["content-type"].startswith("application/openmetrics-text")
            text = page.read().decode()
        assert "sub-0421" not in text
        parsed = text_string_to_metric_families(text)  # type: ignore[no-untyped-call] # prometheus-client's
        families = {family.name: family for family in parsed}
        assert sorted(logs()) == sorted(one.labels["log"] for one in families["neuroflow_ship_lag_bytes"].samples)
        assert "evil" not in families
        fake.up()
        assert eventually(lambda: logs() == [])
        assert 0 == sidecar.stop(), sidecar.said

    def test_nothing_is_imported_for_nobody(self, faked: FakedHarness) -> None:
        """Without an address a run imports neither prometheus-client nor an HTTP server."""
        faked.configure(telemetry={})
        code = (
            "import atexit, json, sys\n"
            "atexit.register(lambda: print(json.dumps([one for one in sys.modules if one.startswith("
            "('prometheus_client', 'http.server', 'shipper.health.'))]), file=sys.stderr))\n"
            "sys.argv.append('--once')\nfrom shipper.cli.ship import main\nmain()"
        )
        process = faked.start_code(code)
        _, said = process.communicate(timeout=60)
        assert 0 == process.returncode, said
        imported = json.loads(said.splitlines()[-1])
        assert {f"shipper.health.{name}" for name in ("own_log", "pulse", "strays", "systemd")} == set(imported)
