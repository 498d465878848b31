"""Planted secrets and ids are not in the index, dead letters, the state directory or the sidecar's log."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

from shipper.deliver.dead_letters import FILE_NAME
from tests.conformance.fake import Exchange, Fake
from tests.conformance.faked import FakedHarness
from tests.conformance.harness import eventually

HASHED = {"hash": ["subject", "session", "recruitment"], "hash_key": "a key of more than sixteen letters"}
STAMP = '"level": "info", "@timestamp": "2026-11-23T12:44:12.286093+00:00"'
TEXTS = [
    "connect password={s} user=bob",
    "url postgresql://neuro:{s}@db/x failed",
    "redis://:{s}@cache:6379/0",
    "GET /api?token={s}&x=1",
    "Authorization: Bearer {s}",
    "run --token {s} --participant-label {i} {j}",
    "Processing sub-{i}/ses-{v}: see /data/sub-{i}/ses-{v}/dwi.nii.gz",
    "Participant {i} done",
    "participant={i} session={v}",
    "{{'success': True, 'password': '{s}', 'participant': '{i}'}}",
]
JSON = [
    '{{"event": "x.y", "password": "{s}", "participant": "{i}", "session": "{v}", STAMP}}',
    '{{"event": "x.y", "deep": {{"a": [{{"api_key": "{s}", "subject_id": "{i}"}}]}}, STAMP}}',
    '{{"event": "x.y", "by": {{"sub-{i}": {{"postgresql://u:{s}@h": 1}}}}, STAMP}}',
    '{{"event": "adapter.override_default", "key": "api_token", "value": "{s}", "recruitment_id": "{r}", STAMP}}',
    '{{"event": "x.y", "cmd": ["run", "--password", "{s}", "--participant-label", "{i}", "{j}"], STAMP}}',
    '{{"event": "bare {i} and {r}", "participant": "{i}", "recruitment_id": "{r}", STAMP}}',
    (
        '{{"event": "x.y", "error": "E", "exception": "Traceback (most recent call last):\\n  File \\"x\\", line 1\\n'
        "    connect(password='{s}', subject='{i}')\\nValueError: token={s}\", STAMP}}"
    ),
    '{{"event": "cut off", "password": "{s}", "participant": "{i}',
    '{{"event": "x.y", "entity_type": "no audit", "secret": "{s}", "subject": "{i}", STAMP}}',
]
AUDIT = [
    (
        '{{"timestamp": "2026-11-23 12:40:24.666895", "entity_type": "subject", "entity_id": "{i}", '
        '"action": "created", "old_value": "token={s}", "new_value": "sub-{i}", "message": "Subject {i} registered", '
        '"details": "{{\\"password\\": \\"{s}\\", \\"recruitment_id\\": \\"{r}\\"}}"}}'
    ),
    (
        '{{"timestamp": "2026-11-23 12:40:24.666895", "entity_type": "setting", "entity_id": 1, "action": "updated", '
        '"field": "db_password", "old_value": "{s}", "new_value": "{t}", "message": "was {s}"}}'
    ),
]


class Plants:
    """Makes unique secrets and ids, and remembers them."""

    def __init__(self) -> None:
        self.all: list[str] = []

    def in_(self, template: str) -> str:
        """Fill a template with new values."""
        number = len(self.all) + 1000
        names = {
            "s": f"S3cr/t{number}Pw",
            "t": f"An0ther{number}pw",
            "i": f"0{number}7{number}",
            "j": f"P{number}x{number}",
            "v": f"V{number}date",
            "r": f"REC/{number}-17",
        }
        self.all += [value for name, value in names.items() if f"{{{name}}}" in template]
        return template.format(**names).replace("STAMP", STAMP)


def found(plants: Plants, where: str, data: bytes) -> list[str]:
    """The planted values in a text, plain or as base64."""
    texts = [data]
    for line in data.splitlines():
        try:
            original = json.loads(line).get("neuroflow", {}).get("original")
        except (ValueError, AttributeError):
            continue
        texts.append(b64decode(original or ""))
    return [f"{one} in {where}" for one in plants.all if any(one.encode() in text for text in texts)]


def plant(logs: Path, plants: Plants) -> None:
    """Write logs of every kind."""
    for folder in ("celery", "audit", "pipelines/qsiprep", "qsiprep"):
        (logs / folder).mkdir(parents=True, exist_ok=True)
    lines = [plants.in_(one) for _ in range(9) for one in [*JSON, *TEXTS]]
    data = "\n".join(lines).encode() + b"\n" + plants.in_('{{"event": "').encode()
    data += b"\xff " + plants.in_('{{"password": "{s}", "participant": "{i}", "x": "').encode() + b'\xff"}\n'
    data += plants.in_(
        '{{"event": "over the limit", "x": "' + "-" * 5000 + '", "token": "{s}", "subject": "{i}"}}'
    ).encode()
    data += b"\n" + plants.in_("x" * 4070 + " redis://u:{s}@h and sub-{i}").encode() + b"\n"
    (logs / "neuroflow.log").write_bytes(data)
    stamp = "2026-11-23 12:44:12"
    (logs / "celery" / "worker.log").write_text(
        "".join(
            f"[{stamp},286: INFO/MainProcess] Task t[c47fda2d-212d-44c5-9e5b-c59c02b8fe6b] succeeded in 0.4s: "
            f"{plants.in_(text)}\n[{stamp},286: WARNING/ForkPoolWorker-2] {plants.in_(line)}\n"
            for text, line in zip(TEXTS, JSON * 2, strict=False)
        )
    )
    (logs / "audit" / "audit_2026_11.jsonl").write_text("".join(plants.in_(one) + "\n" for one in AUDIT * 10))
    output = "=== STDOUT ===\n" + "".join(plants.in_(one) + "\n" for one in TEXTS * 2) + "\n=== STDERR ===\n"
    (logs / "pipelines" / "qsiprep" / "qsiprep_456_20260207_120000.log").write_text(output)
    (logs / "pipelines" / "qsiprep" / plants.in_("sub-{i}.log")).write_text(plants.in_("of sub-{i}\n"))
    console = f"{stamp} [info     ] task.start      participant=sub-{{i}} session=ses-{{v}} token={{s}}"
    coloured = (
        f"\x1b[2m{stamp}\x1b[0m [\x1b[32minfo\x1b[0m] \x1b[1mx.y\x1b[0m \x1b[36mpassword\x1b[0m=\x1b[35m{{s}}\x1b[0m "
        "\x1b[36mparticipant\x1b[0m=\x1b[35m{i}\x1b[0m"
    )
    for name in ("sub-{i}_ses-{v}.log", "{i}_ses-{v}.log", "sub-{i}_ses-{v}.log.1"):
        (logs / "qsiprep" / plants.in_(name)).write_text(plants.in_(console) + "\n" + plants.in_(coloured) + "\n")


def everywhere(harness: FakedHarness, plants: Plants, sent: list[bytes], said: str) -> list[str]:
    """All places where a planted value could be."""
    wrong = found(plants, "requests", b"\n".join(sent)) + found(plants, "the own log", said.encode())
    for path in harness.state.rglob("*"):
        wrong += found(plants, path.name, path.name.encode() + b"\n" + (path.read_bytes() if path.is_file() else b""))
    return wrong


def decide(name: str, document: dict[str, Any]) -> int | dict[str, Any]:
    """Every third document is rejected, with a reason that contains it."""
    if sum(name.encode()) % 3:
        return 201
    reason = f"failed to parse: {document['message'][:200]}"
    return {"status": 400, "error": {"type": "document_parsing_exception", "reason": reason}}


class TestRedaction:
    def test_nothing_planted_is_found(self, faked: FakedHarness, fake: Fake) -> None:
        """During the run, after a kill, after a clean end, and in the commands' output."""
        seen: list[bytes] = []

        def record(one: Exchange) -> None:
            seen.append(one.body)
            one.fake.answer(one)

        fake.always, fake.decide = record, decide
        faked.configure(redact=HASHED, max_line_bytes=4096)
        plants = Plants()
        plant(faked.logs, plants)
        assert 400 < len(plants.all)
        running = faked.begin()
        assert eventually(lambda: (faked.metrics() or {}).get("read", 0) > 150)
        assert eventually(lambda: (faked.metrics() or {}).get("in_flight", 1) == 0)
        assert [] == everywhere(faked, plants, seen, running.said)
        running.kill()
        assert [] == everywhere(faked, plants, seen, running.said)
        again = faked.run("--once")
        # 1: a document that is refused for good had no cursor behind it when the sidecar was killed.
        assert ("rejected permanently" in again.stderr) == again.returncode, again.stderr
        assert (faked.state / FILE_NAME).stat().st_size
        assert [] == everywhere(faked, plants, seen, again.stderr)
        for command in (["status"], ["check"], ["dead-letters", "list"], ["dead-letters", "list", "--json"]):
            result = faked.run(*command)
            assert [] == found(plants, " ".join(command), (result.stdout + result.stderr).encode())
        files = faked.status()["files"]
        assert len(list(faked.logs.rglob("*.log*"))) <= len(files) + 1
        assert [] == [file for file in files if file["lag_bytes"]]

    def test_ids_are_known_after_a_restart(self, faked: FakedHarness, fake: Fake) -> None:
        """Learned ids are replaced after a restart, also in plain text."""
        faked.configure(redact=HASHED)
        faked.log.write_text(f'{{"event": "first", "recruitment_id": "REC/2024-17", {STAMP}}}\n')
        assert 0 == faked.once().returncode
        with faked.log.open("a") as log:
            log.write(f'{{"event": "about REC/2024-17", {STAMP}}}\n')
        assert 0 == faked.once().returncode
        (message,) = (one for one in fake.messages() if one.startswith("about"))
        assert "REC" not in message

    def test_ids_are_kept_where_nobody_hashes_them(self, faked: FakedHarness, fake: Fake) -> None:
        """By default only secrets are replaced."""
        faked.log.write_text(f'{{"event": "sub-0421 token=hunter2", "participant": "0421", {STAMP}}}\n')
        assert 0 == faked.once().returncode
        assert {"sub-0421 token=[redacted]": 1} == fake.messages()
