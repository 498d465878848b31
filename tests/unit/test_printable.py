"""Log content never reaches a terminal as a control sequence, in any output format."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from shipper.cli.logs import logs
from shipper.cli.reading import show_value, write_log
from shipper.cli.ship import ship
from shipper.config import Redact
from shipper.deliver.dead_letters import DeadLetters
from shipper.elastic.outcomes import Outcome, Verdict
from shipper.health.own_log import configure_log
from shipper.printable import escaped, printable, printable_json
from shipper.redact.redactor import Redactor
from shipper.views.render import JsonArray, Ndjson

UNSAFE = [
    *(chr(code) for code in range(0x20) if chr(code) not in "\t\n"),
    *map(chr, range(0x7F, 0xA0)),
    "\u061c", "\u200e", "\u200f", "\u2028", "\u2029",
    *map(chr, range(0x202A, 0x202F)),
    *map(chr, range(0x2066, 0x206A)),
]  # fmt: skip
HARMLESS = [
    "ä", "\xa0", "\u00ad", "\u00bf", "\u0627", "\u061b", "\u200d", "\u2027", "\u202f", "\u2065", "🧠",
    "\U0001f468\u200d🔬",
]  # fmt: skip
EVIL = "".join(UNSAFE) + "\x1b]0;owned\x07 gnp\u202e"


@pytest.mark.parametrize("mark", UNSAFE, ids=ascii)
def test_unsafe_characters_are_spelled_out(mark: str) -> None:
    """Control characters are escaped as in Python, and in JSON without changing the value."""
    assert f"a{ascii(mark)[1:-1]}b" == printable(f"a{mark}b")
    value = {f"k{mark}": [f"a{mark}{mark}b ä"]}
    written = printable_json(orjson.dumps(value))
    assert mark not in written.decode()
    assert value == json.loads(written) == orjson.loads(written)


@pytest.mark.parametrize("mark", HARMLESS, ids=ascii)
def test_harmless_characters_stay(mark: str) -> None:
    """Letters of any script, emoji joiners and blanks stay."""
    assert mark == printable(mark)
    assert orjson.dumps(mark) == printable_json(orjson.dumps(mark))


def test_colouring_of_logs_is_taken_out() -> None:
    """Colour codes are removed, the coloured text stays."""
    assert "t [info]" == printable("\x1b[2mt\x1b[0m [\x1b[32m\x1b[1minfo\x1b[0m]")


def test_lines_and_tabs_stay_where_they_may() -> None:
    """A text of several lines keeps line feeds and tabs; a cell escapes them."""
    assert "a\n\tb" == printable("a\n\tb")
    assert "a\\n\\tb" == printable("a\n\tb", lines=False)


@pytest.mark.parametrize("form", [JsonArray, Ndjson])
@pytest.mark.parametrize("extra", [1, 2**70, "\ud800"], ids=["plain", "large", "half"])
def test_documents_as_json_are_safe(form: type[JsonArray | Ndjson], extra: object) -> None:
    """JSON output is safe with either library."""
    out = io.BytesIO()
    output = form(out)
    output.write([{"message": EVIL, "neuroflow.extra.x": extra}])
    output.close()
    text = out.getvalue().decode()
    assert not [mark for mark in (*UNSAFE, EVIL) if mark in text]
    (found,) = json.loads(text) if form is JsonArray else [json.loads(text)]
    assert (EVIL, extra) == (found["message"], found["neuroflow.extra.x"])


def test_a_single_answer_is_safe(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """The JSON of a workflow run and of figures is safe."""
    show_value({"error": EVIL})
    written = capsysbinary.readouterr().out
    assert not [mark for mark in UNSAFE if mark in written.decode()]
    assert {"error": EVIL} == json.loads(written)


class _Screen(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("watched", [True, False], ids=["terminal", "pipe"])
def test_a_log_given_back_commands_no_terminal(monkeypatch: pytest.MonkeyPatch, *, watched: bool) -> None:
    """A pipeline log is exact in a file or pipe, and escaped on a terminal."""
    out = io.BytesIO()
    screen = (_Screen if watched else io.TextIOWrapper)(out, encoding="utf-8", newline="")
    monkeypatch.setattr("sys.stdout", screen)
    data = f"one\r\ntwo ä{EVIL}\n".encode() + b"\xff\n\xc3"
    at = data.index("ä".encode()) + 1
    write_log(iter([data[:at], data[at:]]))
    screen.flush()
    if not watched:
        assert data == out.getvalue()
        return
    text = out.getvalue().decode()
    assert not [mark for mark in UNSAFE if mark in text]
    assert text.startswith("one\ntwo ä\\x00")
    assert text.endswith("\n\\xff\n\\xc3")


def test_dead_letters_are_safe(tmp_path: Path) -> None:
    """The list of dead letters and its JSON are safe."""
    config = tmp_path / "neuroflow.yaml"
    config.write_text(json.dumps({"shipper": {"state_dir": str(tmp_path / "state")}}))
    (tmp_path / "state").mkdir()
    letters = DeadLetters(tmp_path / "state", lambda: "2026-11-27T00:00:00+00:00", Redactor(Redact()))
    document = {"message": f"line {EVIL}", "log": {"file": {"path": f"/logs/{EVIL}.log"}, "offset": 7}}
    action = b'{"create":{"_index":"logs-neuroflow.app-default","_id":"x"}}\n'
    verdict = Verdict(Outcome.DEAD, 400, "document_parsing_exception", f"preview: {EVIL}")
    letters.append([(action + orjson.dumps(document) + b"\n", b"x", verdict)])
    for arguments in ([], ["--json"]):
        result = CliRunner().invoke(ship, ["--config", str(config), "dead-letters", "list", *arguments])
        assert 0 == result.exit_code, result.output
        assert "document_parsing_exception" in result.stdout
        assert not [mark for mark in UNSAFE if mark in result.stdout]
    assert f"preview: {EVIL}" == json.loads(result.stdout)["reason"]


@pytest.mark.parametrize("mark", UNSAFE, ids=ascii)
def test_a_stream_passes_colours_only(mark: str) -> None:
    """What is written around the functions above, such as a traceback, still commands no terminal."""
    assert f"a{ascii(mark)[1:-1]}b" == escaped(f"a{mark}b")
    assert "\x1b[1;31mred\x1b[0m\\x1b[2J" == escaped("\x1b[1;31mred\x1b[0m\x1b[2J")


def test_own_log_is_safe(capsys: pytest.CaptureFixture[str]) -> None:
    """The sidecar's log is safe, though it quotes the cluster."""
    log = logging.getLogger("neuroflow-ship")
    before = log.handlers[:], log.level, log.propagate
    try:
        configure_log()
        log.error("%s", f"refused: {EVIL}\n2026-11-27T12:00:00.000Z INFO a lie")
    finally:
        log.handlers[:], log.level, log.propagate = before
    said = capsys.readouterr().err
    assert "refused: \\x00" in said
    assert 1 == said.count("\n")
    assert not [mark for mark in UNSAFE if mark in said]


@pytest.mark.parametrize(("program", "name"), [(ship, "neuroflow-ship"), (logs, "neuroflow-logs")])
def test_both_programs_say_their_version(program: object, name: str) -> None:
    """``--version`` needs no configuration."""
    result = CliRunner().invoke(program, ["--version"])  # type: ignore[arg-type]
    assert (0, True) == (result.exit_code, result.output.startswith(f"{name}, version "))
