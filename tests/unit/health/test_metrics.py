"""The page that Prometheus reads: well-formed, by the conventions, true whatever files are called."""

from __future__ import annotations

import os
import re
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from shipper.config import DATASETS
from shipper.deliver.retry_policy import after_answer
from shipper.elastic.outcomes import RETRY_CAUSES, Outcome, Verdict, retry_cause
from shipper.health.metrics import FRESH, Metrics
from shipper.printable import printable
from shipper.tail.found_files import shown
from shipper.telemetry import OUTCOMES, Counters, Gauges

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
HOSTILE = [
    b'/l/a"b\\c', b"/l/line\nfeed", b"/l/cr\rlf\r\n", b"/l/\xff\xfe", b"/l/\x1b[31mred", b'/l/"} 1\nevil_total 7',
    "/l/é\u2028\u202e".encode(), b"/l/" + b"x" * 250, b"/l/\\n", b"/l/ # EOF",
]  # fmt: skip


def counted() -> Counters:
    """Counters of a sidecar that has done a little of everything."""
    counters = Counters()
    counters.begin(10, dataset="app", lines=12, size=900)
    counters.begin(5, dataset="audit", lines=5, size=100)
    counters.settle(acknowledged={"app": 7, "audit": 2}, duplicate={"app": 1}, dead={"audit": 1})
    counters.retry({"timeout": 3})
    counters.add("sent_bytes", 400)
    counters.add("run_documents_written", 2)
    counters.bulk_seconds.observe(0.07)
    counters.scan_seconds.observe(0.0004)
    counters.publish(counters.moment())
    return counters


def page(gauges: Gauges | None = None, accept: str = "", counters: Counters | None = None) -> str:
    """The page as a client gets it."""
    return Metrics(counters or counted(), lambda: gauges or Gauges(), "1.2.3").page(accept)[1].decode()


def families(text: str, accept: str = "") -> list[Metric]:
    """The page as prometheus-client's own parsers read it."""
    read = openmetrics.text_string_to_metric_families if accept else text_string_to_metric_families
    return list(read(text))


def samples(text: str, accept: str = "") -> dict[tuple[str, tuple[str, ...]], float]:
    """Each sample by its name and the values of its labels."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in families(text, accept)
        for sample in family.samples
    }


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_every_number_has_its_name(accept: str) -> None:
    """Counters by dataset, outcome and cause, gauges and histograms, in both formats."""
    gauges = Gauges(
        queue_bytes=30, lags=MappingProxyType({"/l/a": (5, 2.5)}), total_lag_bytes=6, oldest_unacknowledged_seconds=9,
        dead_letters=4, generations=3, files_not_read=2, last_scan_seconds=0.0004, ready=False,
    )  # fmt: skip
    found = samples(page(gauges, accept), accept)
    expected = {
        ("read_lines_total", ("app",)): 12, ("read_lines_total", ("audit",)): 5, ("read_bytes_total", ("app",)): 900,
        ("documents_total", ("app", "acknowledged")): 7, ("documents_total", ("app", "duplicate")): 1,
        ("documents_total", ("audit", "dead")): 1, ("retries_total", ("timeout",)): 3, ("sent_bytes_total", ()): 400,
        ("run_documents_written_total", ()): 2, ("documents_in_flight", ()): 4, ("queue_bytes", ()): 30,
        ("lag_bytes", ("/l/a",)): 5, ("lag_seconds", ("/l/a",)): 2.5, ("total_lag_bytes", ()): 6,
        ("oldest_unacknowledged_seconds", ()): 9, ("dead_letters", ()): 4, ("generations", ()): 3,
        ("files_not_read", ()): 2, ("last_scan_seconds", ()): 0.0004, ("ready", ()): 0, ("build_info", ("1.2.3",)): 1,
        ("bulk_duration_seconds_bucket", ("0.05",)): 0, ("bulk_duration_seconds_bucket", ("0.1",)): 1,
        ("bulk_duration_seconds_bucket", ("+Inf",)): 1, ("bulk_duration_seconds_count", ()): 1,
        ("bulk_duration_seconds_sum", ()): 0.07, ("scan_duration_seconds_bucket", ("0.001",)): 1,
    }  # fmt: skip
    assert expected == {key: found.get((f"neuroflow_ship_{key[0]}", key[1])) for key in expected}


@pytest.mark.parametrize(
    ("openmetrics", "accept"),
    [
        (True, "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;q=0.2,*/*;q=0.1"),
        (True, "application/openmetrics-text"), (True, "text/plain;q=0, APPLICATION/OpenMetrics-Text ; Q = 0.1"),
        (False, "text/plain,application/openmetrics-text;q=0.9"), (False, "application/openmetrics-text;q=0"),
        (False, "*/*"), (False, "text/html, application/xml;q=0.9"), (False, "q=1;,;,="),
    ],
)  # fmt: skip
def test_the_format_that_the_client_prefers(openmetrics: bool, accept: str) -> None:
    """By the weights of its header; plain text where it does not care."""
    media_type = Metrics(counted(), Gauges, "1").page(accept)[0]
    assert openmetrics == media_type.startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert openmetrics != media_type.startswith("text/plain; version=0.0.4")


@given(st.lists(st.sampled_from(["application/openmetrics-text", ";version=", ";q=", "x\x1b", ",", "1.0.0", "9"])))
def test_no_header_costs_memory(parts: list[str]) -> None:
    """A client chooses between two pages; nothing of its header is in the answer."""
    metrics = Metrics(counted(), Gauges, "1")
    known = {metrics.page(accept)[0] for accept in ("", OPENMETRICS)}
    assert metrics.page("".join(parts))[0] in known
    assert 2 == len(metrics._pages)


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_what_has_not_happened_yet_is_zero(accept: str) -> None:
    """Else the first rejected documents, and the first retries, would not be in any rate."""
    text = Metrics(Counters(), Gauges, "1", causes=("timeout", "blocked")).page(accept)[1].decode()
    found = {
        (name, labels): value for (name, labels), value in samples(text, accept).items() if name.endswith("_total")
    }
    del found["process_cpu_seconds_total", ()]
    by_dataset = {(f"neuroflow_ship_read_{what}_total", (one,)) for what in ("lines", "bytes") for one in DATASETS}
    assert {*found.values()} == {0.0}
    assert found.keys() == by_dataset | {
        *(("neuroflow_ship_documents_total", (one, outcome)) for one in DATASETS for outcome in OUTCOMES),
        *(("neuroflow_ship_retries_total", (cause,)) for cause in ("timeout", "blocked")),
        ("neuroflow_ship_sent_bytes_total", ()), ("neuroflow_ship_run_documents_written_total", ()),
    }  # fmt: skip


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_a_file_may_have_any_name(accept: str) -> None:
    """A name with quotes, line feeds, escapes or broken UTF-8 is one label, and adds no series."""
    names = [printable(shown(os.fsdecode(name)), lines=False) for name in HOSTILE]
    assert len(HOSTILE) == len(set(names))
    found = samples(page(Gauges(lags={name: (at, 1.0) for at, name in enumerate(names)}), accept), accept)
    lags = {labels: value for (name, labels), value in found.items() if name == "neuroflow_ship_lag_bytes"}
    assert {(name,): float(at) for at, name in enumerate(names)} == lags
    assert not [name for name, _ in found if "evil" in name]


def test_names_follow_the_conventions() -> None:
    """What ``promtool check metrics`` checks: help, suffixes, base units, no type or abbreviation in a name."""
    text = page()
    helped = dict(re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE))
    typed = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert helped.keys() == typed.keys()
    assert all(helped.values())
    wrong = [
        name
        for name, kind in typed.items()
        if (kind == "counter") != name.endswith("_total")
        or not re.fullmatch(r"(neuroflow_ship|process)_[a-z_]+", name)
        or re.search(r"_(counter|gauge|histogram|summary|ms|millis|kb|mb|minutes|hours|percent)(_|$)", name)
        or (kind != "histogram" and name.endswith(("_count", "_sum", "_bucket")))
        or (kind == "histogram" and not name.endswith(("_seconds", "_bytes")))
    ]
    assert [] == wrong
    assert {"neuroflow_ship_build_info", "process_cpu_seconds_total", "process_resident_memory_bytes"} <= typed.keys()
    samples_of = [family.name for family in families(text)]
    assert len(samples_of) == len(set(samples_of))


def test_registry_is_its_own() -> None:
    """The global registry, which other libraries fill, is neither served nor filled."""
    before = list(REGISTRY.collect())
    assert "python_gc" not in page()
    assert [one.name for one in before] == [one.name for one in REGISTRY.collect()]


def test_a_page_is_made_once_a_second() -> None:
    """Scrapes within a second share one page of each format."""
    now, measured = 50.0, 0

    def gauges() -> Gauges:
        nonlocal measured
        measured += 1
        return Gauges()

    metrics = Metrics(counted(), gauges, "1", lambda: now)
    pages = [metrics.page(accept) for accept in ("", "", OPENMETRICS, "*/*", OPENMETRICS)]
    assert 2 == measured
    assert pages[0] == pages[1] == pages[3]
    assert pages[2] == pages[4] != pages[0]
    now += FRESH
    metrics.page()
    assert 3 == measured


def test_in_flight_is_what_is_left() -> None:
    """Read documents = those with an outcome + those in flight, on every page."""
    found = samples(page())
    outcomes = sum(value for (name, _), value in found.items() if name == "neuroflow_ship_documents_total")
    assert 15 == outcomes + found["neuroflow_ship_documents_in_flight", ()]


@pytest.mark.parametrize(
    ("outcome", "status", "kind", "cause"),
    [
        (Outcome.RETRY, 429, "es_rejected_execution_exception", "overloaded"),
        (Outcome.RETRY, 503, "unavailable_shards_exception", "server_error"),
        (Outcome.RETRY, 500, "", "server_error"),
        (Outcome.RETRY, 403, "cluster_block_exception", "blocked"),
        (Outcome.RETRY, 429, "cluster_block_exception", "blocked"),
        (Outcome.RETRY, 400, "validation_exception", "blocked"),
        (Outcome.RETRY, 408, "", "timeout"),
        (Outcome.RETRY, 0, "no_status", "invalid_answer"),
        (Outcome.RETRY, 404, "", "invalid_answer"),
        (Outcome.UNAUTHORIZED, 401, "security_exception", "unauthorized"),
        (Outcome.UNAUTHORIZED, 403, "security_exception", "unauthorized"),
        (Outcome.MISSING_TEMPLATE, 404, "index_not_found_exception", "missing_template"),
        (Outcome.DEAD, 413, "", "too_large"),
        (Outcome.DEAD, 400, "", "refused"),
    ],
)
def test_causes_are_a_closed_set(outcome: Outcome, status: int, kind: str, cause: str) -> None:
    """Every reason to send a document again has one of a few names."""
    assert cause == retry_cause(outcome, status, kind)
    assert cause in RETRY_CAUSES


def test_each_document_has_its_own_cause() -> None:
    """Of one answer each document that is sent again counts under its own cause."""
    verdicts = [Verdict(Outcome.RETRY, 429), Verdict(Outcome.RETRY, 503), Verdict(Outcome.RETRY, 429)]
    assert {"overloaded": 2, "server_error": 1} == after_answer([(b"a", b"a")] * 3, verdicts, 1.0).causes
