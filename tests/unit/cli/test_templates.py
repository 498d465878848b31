"""The templates while the sidecar runs, against the fake."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from shipper.cli.templates import FORBIDDEN_FOR, Templates, begun
from shipper.config import Elasticsearch as Settings
from shipper.elastic.client import connect
from tests.conformance.fake import Answer, Fake, page, product, raw, refuse


@pytest.fixture
def fake() -> Iterator[Fake]:
    """A cluster without templates."""
    one = Fake()
    yield one
    one.down()


@pytest.fixture
def templates(fake: Fake) -> Iterator[Templates]:
    """The templates of a sidecar that has just started."""
    settings = Settings(hosts=[fake.url], request_timeout=1)
    client = connect(settings)
    yield Templates(client, settings, "default")
    client.close()


def test_a_second_look_costs_three_requests(templates: Templates, fake: Fake) -> None:
    """A periodic check sends three requests and puts nothing."""
    assert templates.put()
    templates.finish(30)
    put = dict(fake.templates)
    fake.journal.clear()
    assert templates.put()
    assert 3 == len(fake.journal)
    assert put == fake.templates


def test_what_is_gone_is_put_back(templates: Templates, fake: Fake) -> None:
    """A deleted index or component template is put again unchanged."""
    assert templates.put()
    put = dict(fake.templates)
    for name in list(put):
        del fake.templates[name]
        assert templates.put()
        assert put == fake.templates


def test_what_somebody_made_of_them_stays(templates: Templates, fake: Fake) -> None:
    """The periodic check keeps a change by hand; the next start may undo it."""
    assert templates.put()
    changed = fake.templates["/_index_template/logs-neuroflow.app"] = {"index_patterns": ["logs-neuroflow.app-*"]}
    assert templates.put()
    assert changed is fake.templates["/_index_template/logs-neuroflow.app"]


@pytest.mark.parametrize(
    "answer",
    [
        refuse(503), refuse(401), refuse(400), page(403), page(404), page(200), page(302), product(200, "[]"),
        product(200, '{"component_templates": 1, "index_templates": 1, "nodes": 1}'), raw(b"SSH-2.0\r\n"),
    ],
)  # fmt: skip
def test_no_answer_is_no_template(
    templates: Templates, fake: Fake, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a valid answer the templates count as missing: this is logged once, and tried again."""
    logging.getLogger("neuroflow-ship").propagate = True
    fake.otherwise[""] = answer
    assert [False, False] == [templates.put(), templates.put()]
    assert 1 == caplog.text.count("the index templates must be installed first; trying again")
    fake.otherwise.clear()
    assert templates.put()


@pytest.mark.parametrize("answer", [refuse(503), refuse(400), page(404), page(200), product(200, "[]")])
def test_a_failing_look_changes_nothing(templates: Templates, fake: Fake, answer: Answer) -> None:
    """After templates were found, a failed check does not stop shipping."""
    assert templates.put()
    fake.templates.clear()
    fake.otherwise[""] = answer
    assert templates.put()
    fake.otherwise.clear()
    assert templates.put()
    assert fake.templates


def test_a_key_that_may_not_is_left_alone(
    templates: Templates, fake: Fake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A missing privilege is logged once, and tried again after a while."""
    logging.getLogger("neuroflow-ship").propagate = True
    now = 1000.0
    monkeypatch.setattr("shipper.cli.templates.time.monotonic", lambda: now)
    fake.otherwise[""] = refuse(403, "security_exception")
    assert templates.put()
    asked = len(fake.journal)
    assert templates.put()
    assert asked == len(fake.journal)
    assert 1 == caplog.text.count("run `neuroflow-ship setup` with a key that may")
    now += FORBIDDEN_FOR
    fake.otherwise.clear()
    assert templates.put()
    assert fake.templates


SIMULATE = "POST /_index_template/_simulate_index/"


def simulated(mappings: dict[str, object]) -> Answer:
    """The cluster's answer to a simulation."""
    return product(200, {"template": {"mappings": mappings}})


def test_documents_wait_for_what_decides_only(templates: Templates, fake: Fake) -> None:
    """Documents wait for node capabilities, templates and precedence; existing indices are checked after the first
    document.
    """
    assert templates.put()
    templates.finish(30)
    looks = [line for line in fake.journal if line.startswith("GET")]
    assert 4 == looks.index("GET /_index_template", 3) + 1
    assert all("GET /logs-neuroflow" not in line for line in looks[:4])
    assert 5 == sum("GET /logs-neuroflow" in line for line in looks)


def test_a_hung_look_holds_up_nothing(templates: Templates, fake: Fake) -> None:
    """While the mappings get no answer documents are sent; ``--once`` waits for a bounded time at its end."""
    fake.otherwise["GET /logs-neuroflow"] = lambda one: one.hold()
    assert templates.put()
    templates.finish(0.01)
    assert templates.put()


CUSTOM = {"template": {"mappings": {"dynamic": True}}}


def test_ours_are_simulated_where_somebody_changes_them(
    templates: Templates, fake: Fake, caplog: pytest.LogCaptureFixture
) -> None:
    """A component template `@custom` costs one simulation, and its faults are logged."""
    logging.getLogger("neuroflow-ship").propagate = True
    fake.templates["/_component_template/logs-neuroflow.app@custom"] = CUSTOM
    fake.otherwise[SIMULATE] = simulated({"dynamic": True})
    assert templates.put()
    templates.finish(30)
    assert [f"{SIMULATE}logs-neuroflow.app-default"] == [line for line in fake.journal if line.startswith(SIMULATE)]
    assert 1 == caplog.text.count("correct logs-neuroflow.app@custom")
    assert "shipping continues" in caplog.text


@pytest.mark.parametrize("answer", [refuse(403), product(200, "[]"), product(200, '{"component_templates": 1}')])
def test_all_of_ours_are_simulated_where_nobody_says(templates: Templates, fake: Fake, answer: Answer) -> None:
    """Without the list of component templates each stream is simulated."""
    fake.otherwise["GET /_component_template/*@custom"] = answer
    assert templates.put()
    templates.finish(30)
    assert 6 == sum(line.startswith(SIMULATE) for line in fake.journal)


def test_a_later_release_is_simulated(templates: Templates, fake: Fake) -> None:
    """Templates of a later release are simulated."""
    assert templates.put()
    templates.finish(30)
    fields = fake.templates["/_component_template/neuroflow-fields"]
    fake.templates["/_component_template/neuroflow-fields"] = {
        **fields, "version": 10**6, "_meta": {"managed_by": "neuroflow-ship"}
    }  # fmt: skip
    fake.journal.clear()
    other = Templates(templates._client, templates._settings, "default")
    assert other.put()
    other.finish(30)
    assert 6 == sum(line.startswith(SIMULATE) for line in fake.journal)


def test_the_first_answer_is_fetched_early() -> None:
    """The first answer is requested once, before it is needed; later ones are requested again."""
    asked: list[str] = []
    given = threading.Event()

    def restore() -> bool:
        asked.append(threading.current_thread().name)
        given.set()
        return len(asked) > 1

    answer = begun(restore)
    assert given.wait(30)
    assert [False, True, True] == [answer(), answer(), answer()]
    assert ["templates", threading.current_thread().name, threading.current_thread().name] == asked


def test_a_bug_in_the_early_question_is_told_to_who_waits() -> None:
    """An exception in the thread reaches the caller."""

    def restore() -> bool:
        raise KeyError("get")

    with pytest.raises(KeyError):
        begun(restore)()


FOREIGN = {"index_patterns": ["logs-*-*"], "priority": 500, "data_stream": {"hidden": False}}


def test_nothing_is_sent_into_somebody_elses_stream(
    templates: Templates, fake: Fake, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a foreign template would make the first stream, documents wait; this is logged once, and ends with the
    remedy.
    """
    logging.getLogger("neuroflow-ship").propagate = True
    fake.templates["/_index_template/lab"] = FOREIGN
    fake.otherwise[SIMULATE] = simulated({"properties": {"message": {"type": "keyword"}}})
    assert [False, False] == [templates.put(), templates.put()]
    assert 1 == caplog.text.count("index template `lab` (priority 500, patterns logs-*-*) wins over ours for ")
    assert "does not map neuroflow.extra, sets dynamic to true, not false" in caplog.text
    assert "priority below 250" in caplog.text
    assert "documents wait until then" in caplog.text
    fake.templates["/_index_template/lab"] = {**FOREIGN, "priority": 100}
    assert templates.put()


def test_somebody_elses_template_does_not_stop_what_runs(
    templates: Templates, fake: Fake, caplog: pytest.LogCaptureFixture
) -> None:
    """With an existing stream shipping goes on, and the warning describes the next index."""
    logging.getLogger("neuroflow-ship").propagate = True
    assert templates.put()
    fake.templates["/_index_template/lab"] = FOREIGN
    fake.otherwise[SIMULATE] = simulated({})
    made = {".ds-logs-neuroflow.app-default-2026.11.27-000001": {"mappings": {"dynamic": "false"}}}
    fake.otherwise["GET /logs-neuroflow.app-default/_mapping"] = product(200, made)
    assert [True, True] == [templates.put(), templates.put()]
    assert 1 == caplog.text.count("index template `lab`")
    assert 1 == caplog.text.count("POST /logs-neuroflow.app-default/_rollover")
    assert "shipping continues; rejected documents are kept as dead letters" in caplog.text
    assert "nothing is sent" not in caplog.text


@pytest.mark.parametrize(
    "answer", [refuse(503), refuse(403), page(404), page(200), product(200, "[]"), raw(b"SSH\r\n")]
)
def test_what_can_not_be_asked_stops_nothing(
    templates: Templates, fake: Fake, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the answers about precedence, simulation and mappings are, documents are sent."""
    logging.getLogger("neuroflow-ship").propagate = True
    fake.templates["/_index_template/lab"] = FOREIGN
    for question in (SIMULATE, "GET /logs-neuroflow.app-default/_mapping"):
        fake.otherwise[question] = answer
        assert templates.put()
        assert templates.check()
        assert "Traceback" not in caplog.text
    fake.otherwise = {"GET /_index_template": answer}
    assert templates.check()


def test_without_setup_faults_are_only_logged(
    templates: Templates, fake: Fake, caplog: pytest.LogCaptureFixture
) -> None:
    """With ``--no-setup`` a foreign template is logged, and documents are sent."""
    logging.getLogger("neuroflow-ship").propagate = True
    fake.templates["/_index_template/lab"] = FOREIGN
    fake.otherwise[SIMULATE] = simulated({})
    assert [True, True] == [templates.check(), templates.check()]
    assert 1 == caplog.text.count("index template `lab`")
    assert not any(line.startswith("PUT") for line in fake.journal)
