"""The templates while the sidecar runs, against the fake."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from shipper.cli.templates import FORBIDDEN_FOR, Templates
from shipper.cluster import connect
from shipper.config import Elasticsearch as Settings
from tests.conformance.fake import Answer, Fake, page, product, raw, refuse


@pytest.fixture
def fake() -> Iterator[Fake]:
    """A cluster without templates."""
    one = Fake()
    yield one
    one.down()


@pytest.fixture
def templates(fake: Fake) -> Iterator[Templates]:
    """Those of a sidecar that just started."""
    settings = Settings(hosts=[fake.url], request_timeout=1)
    client = connect(settings)
    yield Templates(client, settings)
    client.close()


def test_a_second_look_costs_two_requests(templates: Templates, fake: Fake) -> None:
    """Names only; nothing is put."""
    assert templates.put()
    put = dict(fake.templates)
    fake.journal.clear()
    assert templates.put()
    assert 2 == len(fake.journal)
    assert put == fake.templates


def test_what_is_gone_is_put_back(templates: Templates, fake: Fake) -> None:
    """An index template or a component of it, as it was."""
    assert templates.put()
    put = dict(fake.templates)
    for name in list(put):
        del fake.templates[name]
        assert templates.put()
        assert put == fake.templates


def test_what_somebody_made_of_them_stays(templates: Templates, fake: Fake) -> None:
    """A change by hand is not undone every minute; the next start may."""
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
    """Whatever is said instead, they are not there, which is said once; then it is tried again."""
    logging.getLogger("neuroflow-ship").propagate = True
    fake.otherwise[""] = answer
    assert [False, False] == [templates.put(), templates.put()]
    assert 1 == caplog.text.count("the index templates have to be put first; trying again")
    fake.otherwise.clear()
    assert templates.put()


@pytest.mark.parametrize("answer", [refuse(503), refuse(400), page(404), page(200), product(200, "[]")])
def test_a_failing_look_changes_nothing(templates: Templates, fake: Fake, answer: Answer) -> None:
    """They were there; what can't be looked at just now is looked at another time."""
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
    """Told once what to do and not asked again, for a while: it may be given the privilege."""
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
