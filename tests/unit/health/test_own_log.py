"""The sidecar's own log: for people, as JSON that our own parser reads, and in the journal."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shipper.config import Redact
from shipper.credentials import CredentialMask, credential_mask
from shipper.health.own_log import OWN_WORDS, configure_log
from shipper.redact.redactor import Redactor
from shipper.telemetry import log
from tests.unit.document.test_ecs import documents_of


@pytest.fixture
def own_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log as it was, afterwards."""
    monkeypatch.setattr(log, "handlers", [])
    monkeypatch.setattr(log, "propagate", True)
    monkeypatch.setattr(log, "level", logging.NOTSET)


@pytest.mark.usefixtures("own_log")
def test_log_is_one_line_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """Each message is one line on standard error in UTC, also after a second set-up."""
    configure_log()
    configure_log()
    log.warning("a %s", "sentence")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("Z WARNING a sentence")


@pytest.mark.usefixtures("own_log")
def test_log_has_no_credentials(capsys: pytest.CaptureFixture[str]) -> None:
    """Messages, arguments and tracebacks have no credentials."""
    configure_log(lambda text: text.replace("hunter2", "***"))
    try:
        int("hunter2")
    except ValueError:
        log.exception("hunter2 and %s", "hunter2")
    said = capsys.readouterr().err
    assert "hunter2" not in said
    assert "*** and ***" in said
    assert "ValueError: invalid literal for int() with base 10: '***'" in said


@pytest.mark.usefixtures("own_log")
def test_other_readers_get_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Where standard error is no terminal, each record is one object, and our own parser makes a document of it."""
    configure_log(lambda text: text.replace("hunter2", "***"), "auto")
    log.warning("%s: can't be read\x1b[31m\n\u202eof %s", "/l/é", "hunter2")
    try:
        int("hunter2")
    except ValueError:
        log.exception("a bug")
    first, second = capsys.readouterr().err.splitlines()
    assert first.isascii()
    assert first.isprintable()
    event = json.loads(first)
    assert event.pop("@timestamp").endswith("+00:00")
    assert {
        "component": "neuroflow-ship", "service": "neuroflow-ship", "level": "warning",
        "event": "/l/é: can't be read\x1b[31m\n\u202eof ***",
    } == event  # fmt: skip
    (document,) = documents_of(second.encode())
    assert ("a bug", "error", "neuroflow-ship") == (
        document["message"], document["log"]["level"], document["log"]["logger"],
    )  # fmt: skip
    assert "neuroflow-ship" == document["service"]["name"]
    assert "ValueError" == document["error"]["type"]
    assert "invalid literal for int() with base 10: '***'" in document["error"]["stack_trace"]


@pytest.mark.usefixtures("own_log")
def test_own_words_are_not_redacted(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence about a key of the configuration keeps its words, but for credentials."""
    monkeypatch.setattr("shipper.health.own_log.credential_mask", CredentialMask().add(["hunter2222"]))
    for form in ("json", "console"):
        configure_log(Redactor(Redact()).text, form)
        log.error("password: %s; not hunter2222", "is empty")
        log.error("password: %s; not hunter2222", "is empty", extra=OWN_WORDS)
        redacted, kept = capsys.readouterr().err.splitlines()
        assert "password: [redacted] empty" in redacted
        assert "password: is empty; not …" in (json.loads(kept)["event"] if form == "json" else kept)
        assert "own" not in kept


@pytest.mark.usefixtures("own_log")
def test_json_has_no_credentials(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration's credentials are masked in JSON as well, also in exceptions."""
    monkeypatch.setattr(credential_mask, "_masked", frozenset())
    monkeypatch.setattr(credential_mask, "_pattern", None)
    credential_mask.add(['s3cr3t"key\\'])
    configure_log(form="json")
    log.error("%s", 's3cr3t"key\\', exc_info=ValueError('s3cr3t"key\\'))
    assert {"event": "…", "exception": "ValueError: …"}.items() <= json.loads(capsys.readouterr().err).items()


def test_terminals_get_lines_for_people(own_log: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """``auto`` on a terminal, and ``console`` anywhere, is a readable line."""
    assert own_log is None
    near, far = os.openpty()
    with os.fdopen(far, "w", buffering=1) as terminal, os.fdopen(near, "rb", buffering=0) as screen:
        monkeypatch.setattr(sys, "stderr", terminal)
        configure_log(form="auto")
        log.info("a sentence")
        assert (screen.read(1000) or b"").endswith(b"Z INFO    a sentence\r\n")


def test_journal_gets_priorities(tmp_path: Path) -> None:
    """Where standard error is the journal, each line begins with its priority."""
    code = (
        "import os\nfrom shipper.health.own_log import configure_log\nfrom shipper.telemetry import log\n"
        "one = os.fstat(2)\nos.environ['JOURNAL_STREAM'] = f'{one.st_dev}:{one.st_ino}'\n"
        "configure_log(form='json')\nlog.warning('w')\nlog.error('e')\n"
        "configure_log(form='console')\nlog.error('two', exc_info=ValueError('lines'))\n"
        "os.environ['JOURNAL_STREAM'] = '1:1'\nconfigure_log(form='json')\nlog.info('another stream')\n"
    )
    with (tmp_path / "err").open("wb") as file:
        subprocess.run([sys.executable, "-c", code], stderr=file, check=True, timeout=60)
    lines = (tmp_path / "err").read_text().splitlines()
    assert ["<4>{", "<3>{", "<3>2", "<3>V", '{"co'] == [line[:4] for line in lines]


def test_json_log_imports_no_rich() -> None:
    """A start does not pay for rich, which structlog would import; who needs it later gets it."""
    code = (
        "import sys\nfrom shipper.health.own_log import configure_log\nconfigure_log(form='json')\n"
        "assert 'structlog' in sys.modules and 'rich' not in sys.modules\nimport rich.console"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
