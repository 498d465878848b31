"""A secret in a file of its own: exchanged while the sidecar runs, and shown nowhere."""

from __future__ import annotations

import base64
import signal
from pathlib import Path

from tests.conformance.fake import Exchange, Fake, refuse
from tests.conformance.faked import FakedHarness
from tests.conformance.test_sidecar import expected, write
from tests.conformance.watched import Watched

OLD, NEW = (base64.b64encode(f"id-{name}:the-{name}-key".encode()).decode() for name in ("old", "new"))


class Door:
    """Lets those in who have the key."""

    def __init__(self, fake: Fake, key: str) -> None:
        self.key = key
        self._fake = fake
        fake.otherwise[""] = self

    def __call__(self, one: Exchange) -> None:
        if one.authorization == f"ApiKey {self.key}":
            return self._fake.answer(one)
        return refuse(401, "security_exception", f"invalid API key {one.authorization}")(one)


def put(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a secret."""
    path.unlink(missing_ok=True)
    path.touch(mode)
    path.chmod(mode)
    path.write_text(text)


def test_a_key_is_exchanged_without_a_restart(faked: FakedHarness, fake: Fake) -> None:
    """While the key is refused documents wait; SIGHUP reads the file again; an unusable file changes nothing."""
    key = faked.folder / "key"
    put(key, f"{OLD}\n")
    faked.configure(elasticsearch={"api_key": f"${{file:{key}}}"})
    door = Door(fake, OLD)
    write(faked.log, 0, 5)
    sidecar = Watched(faked)
    assert sidecar.comes(lambda: fake.documents == 5)
    door.key = NEW
    write(faked.log, 5, 10)
    assert sidecar.says("rejects the credentials (401): check api_key or username and password")
    for mode, text, problem in (
        (0o644, NEW, f"{key}: every user of this machine may read or change"),
        (0o600, "", f"{key}: is empty"),
        (0o600, "two\nlines", "elasticsearch.api_key: contains blanks or characters that no API key has"),
    ):
        put(key, text, mode)
        said = len(sidecar.said)
        sidecar.send(signal.SIGHUP)
        assert sidecar.comes(lambda at=said: "the configuration in use is kept" in sidecar.said[at:])  # type: ignore[misc]
        assert problem in sidecar.said
    assert 5 == fake.documents
    put(key, f"{NEW}\n")
    sidecar.send(signal.SIGHUP)
    assert sidecar.says("configuration reloaded (elasticsearch.api_key)")
    assert sidecar.comes(lambda: fake.documents == 10), sidecar.said
    write(faked.log, 10, 15)
    assert sidecar.comes(lambda: fake.documents == 15)
    process = Path(f"/proc/{sidecar.process.pid}")
    title, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
    assert str(faked.config).encode() in title
    sidecar.send(signal.SIGTERM)
    assert 0 == sidecar.wait()
    assert expected(15) == fake.messages()
    secrets = [OLD, NEW, "the-old-key", "the-new-key"]
    outputs = [title.decode(), environment.decode(errors="replace"), sidecar.said]
    for command in (["check"], ["status"], ["status", "--json"], ["dead-letters", "list"], ["setup"]):
        done = faked.run(*command)
        outputs += [done.stdout, done.stderr]
    assert [] == [(secret, text) for secret in secrets for text in outputs if secret in text]
    for path in faked.state.rglob("*"):
        assert [] == [secret for secret in secrets if secret.encode() in path.read_bytes()], path


def test_a_refusal_quotes_no_secret(faked: FakedHarness, fake: Fake) -> None:
    """A server that quotes the key of a file, in dead letters as well, is quoted without it."""
    key = faked.folder / "key"
    put(key, OLD)
    faked.configure(elasticsearch={"api_key": f"${{file:{key}}}"}, shutdown_timeout=1)
    write(faked.log, 0, 2)
    error = {"type": "mapper_parsing_exception", "reason": f"who is {OLD}, that is the-old-key?"}
    fake.decide = lambda _id, _document: {"status": 400, "error": error}
    outputs = []
    for command in (["--once"], ["dead-letters", "list"], ["dead-letters", "list", "--json"]):
        done = faked.run(*command)
        assert "mapper_parsing_exception" in done.stdout + done.stderr
        outputs += [done.stdout, done.stderr]
    Door(fake, NEW)
    write(faked.log, 2, 4)
    for command in (["--once"], ["check"], ["setup"], ["rebuild-runs"], ["dead-letters", "replay"]):
        done = faked.run(*command)
        assert 3 == done.returncode
        outputs += [done.stdout, done.stderr]
    done = faked.run("show", module="shipper.cli.logs")
    assert "rejects the credentials (401)" in done.stderr
    outputs += [done.stdout, done.stderr, *(path.read_text() for path in faked.state.glob("dead-letters*"))]
    assert [] == [text for secret in (OLD, "the-old-key") for text in outputs if secret in text]
