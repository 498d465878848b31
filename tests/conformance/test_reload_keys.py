"""After a change of each key SIGHUP applies it, or logs that it needs a restart."""

from __future__ import annotations

import base64
import json
import signal
import ssl
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from ssl import PEM_cert_to_DER_cert
from typing import Any

import pytest

from shipper.reload import CHANGES, Change
from shipper.tail.fingerprint import generation_name
from tests.certificates import Certificates
from tests.conformance.fake import Exchange, Fake, silence
from tests.conformance.faked import FakedHarness
from tests.conformance.harness import eventually
from tests.conformance.proxy import Proxy
from tests.conformance.watched import Watched

CERTIFICATE = Path(__file__).parent / "certificate.pem"
NEVER = 86400


class Walk:
    """A sidecar whose configuration is changed key by key; a method for each key checks the effect.

    A method's name is the key, with underscores for dots.
    """

    def __init__(self, harness: FakedHarness, tls: Fake, certificates: Certificates) -> None:
        self.harness = harness
        self.certificates = certificates
        self.fake = harness.fake
        self.tls = tls
        self.lines = 0
        self.reloads = 0
        harness.configure(watch="poll", scan_interval=0.2)
        self.before = harness.config.read_text()
        self.sidecar = Watched(harness)
        self.arrives()

    def change(self, says: str = "configuration reloaded", **sections: dict[str, Any]) -> None:
        """Change the original configuration, and send SIGHUP."""
        document = json.loads(self.before)
        for section, keys in sections.items():
            document.setdefault(section, {}).update(keys)
        self.harness.config.write_text(json.dumps(document))
        self.reloads += 1
        said = len(self.sidecar.said)
        self.sidecar.send(signal.SIGHUP)
        assert self.sidecar.comes(lambda: says in self.sidecar.said[said:]), self.sidecar.said

    def write(self, path: Path | None = None, event: str = "", end: str = "\n", **keys: Any) -> str:
        """Append a line; gives its message."""
        self.lines += 1
        message = f"line {self.lines}{event}"
        path = path or self.harness.log
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as log:
            log.write(json.dumps({"event": message, "level": "info", **keys}) + end)
        return message

    def comes(self, message: str, fake: Fake | None = None, *, part: bool = False) -> dict[str, Any]:
        """The document with this message (or part of it), with its stream and id under ``_``."""
        at = fake or self.fake
        found: dict[str, Any] = {}

        def there() -> bool:
            for stream, backing in list(at.streams.items()):
                for identity, document in list(backing[-1].items()):
                    if document["message"] == message or (part and message in document["message"]):
                        found.update(document, _=(stream, identity))
            return bool(found)

        assert self.sidecar.comes(there), f"{message!r} does not come\n{self.sidecar.said}"
        return found

    def arrives(
        self, fake: Fake | None = None, path: Path | None = None, event: str = "", **keys: Any
    ) -> dict[str, Any]:
        """The document of a new line."""
        return self.comes(self.write(path, event, **keys), fake)

    def _log_dir(self) -> None:
        self.change(logging={"log_dir": str(self.harness.folder / "elsewhere")})
        self.arrives(path=self.harness.folder / "elsewhere" / "neuroflow.log")

    def _elasticsearch_hosts(self) -> None:
        self.change(elasticsearch={"hosts": [self.tls.url], "verify_certs": False})
        self.arrives(self.tls)

    def _elasticsearch_cloud_id(self) -> None:
        cloud = base64.b64encode(b"invalid$es").decode()
        self.change(elasticsearch={"cloud_id": f"in-the-clouds:{cloud}"})
        self.write()
        assert self.sidecar.says("in-the-clouds can't be reached")
        self.change()
        self.arrives()

    def _elasticsearch_api_key(self) -> None:
        self.change(elasticsearch={"api_key": "a2V5\n"})
        self.arrives()
        assert "ApiKey a2V5" == self.fake.authorizations[-1]

    def _elasticsearch_username(self) -> None:
        self.change(elasticsearch={"username": "someone", "password": "word"})
        self.arrives()
        assert f"Basic {base64.b64encode(b'someone:word').decode()}" == self.fake.authorizations[-1]

    def _elasticsearch_password(self) -> None:
        self.change(elasticsearch={"username": "someone", "password": "pässw€rt "})
        self.arrives()
        wanted = base64.b64encode("someone:pässw€rt ".encode()).decode()
        assert f"Basic {wanted}" == self.fake.authorizations[-1]

    def _elasticsearch_verify_certs(self) -> None:
        self.change(elasticsearch={"hosts": [self.tls.url]})
        message = self.write()
        assert self.sidecar.says("TLS failed")
        self.change(elasticsearch={"hosts": [self.tls.url], "verify_certs": False})
        self.comes(message, self.tls)

    def _elasticsearch_ca_certs(self) -> None:
        # Renewed under its name: SIGHUP takes the new one.
        file = self.harness.folder / "ca.pem"
        file.write_text(OTHER)
        settings = {"hosts": [self.tls.url], "ca_certs": str(file)}
        self.change(elasticsearch=settings)
        message = self.write()
        assert self.sidecar.says("its certificate is self-signed, and not trusted")
        file.write_text(CERTIFICATE.read_text())
        self.change(elasticsearch=settings)
        self.comes(message, self.tls)

    def _elasticsearch_ca_fingerprint(self) -> None:
        digest = sha256(PEM_cert_to_DER_cert(_first(CERTIFICATE.read_text()))).hexdigest().upper()
        colons = ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))
        self.change(elasticsearch={"hosts": [self.tls.url], "ca_fingerprint": "0" * 64})
        message = self.write()
        assert self.sidecar.says("ca_fingerprint is that of another certificate")
        self.change(elasticsearch={"hosts": [self.tls.url], "ca_fingerprint": colons})
        self.comes(message, self.tls)

    def _elasticsearch_client_cert(self) -> None:
        # Its file holds the key as well.
        self._identifies({"client_cert": str(self._both)})

    def _elasticsearch_client_key(self) -> None:
        pair = self.certificates.client
        self._identifies({"client_cert": str(pair.certificate), "client_key": str(pair.key)})

    @property
    def _both(self) -> Path:
        both = self.harness.folder / "both.pem"
        both.touch(0o600)
        both.write_bytes(b"".join(path.read_bytes() for path in self.certificates.client))
        return both

    def _identifies(self, keys: dict[str, str]) -> None:
        before, self.tls.tls = self.tls.tls, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.tls.load_cert_chain(CERTIFICATE)
        self.tls.tls.load_verify_locations(self.certificates.authority.certificate)
        self.tls.tls.verify_mode = ssl.CERT_REQUIRED
        self.change(elasticsearch={"hosts": [self.tls.url], "verify_certs": False, **keys})
        self.arrives(self.tls)
        self.tls.tls = before

    def _elasticsearch_proxy(self) -> None:
        proxy = Proxy()
        self.change(elasticsearch={"proxy": proxy.url})
        self.arrives()
        assert proxy.journal
        self.change()
        proxy.down()
        self.arrives()

    def _elasticsearch_request_timeout(self) -> None:
        self.fake.next.append(silence)
        self.change(elasticsearch={"request_timeout": 0.75})
        message = self.write()
        assert self.sidecar.says("did not answer within 0.75 s")
        self.comes(message)

    def _shipper_namespace(self) -> None:
        self.change(shipper={"namespace": "elsewhere"})
        assert "logs-neuroflow.app-elsewhere" == self.arrives()["_"][0]

    def _shipper_environment(self) -> None:
        self.change(shipper={"environment": "a test"})
        assert "a test" == self.arrives()["service"]["environment"]

    def _shipper_host_name(self) -> None:
        old, new = self.harness.log, self.harness.logs / "workflow.log"
        known = _generation(self.arrives())
        self.change(shipper={"host_name": "another"})
        found = self.arrives()
        assert ("another", known) == (found["host"]["name"], _generation(found))
        found = self.arrives(path=new)
        first = new.read_bytes().split(b"\n")[0]
        assert generation_name("another", str(new), first, 0) == _generation(found)
        assert generation_name("another", str(old), old.read_bytes().split(b"\n")[0], 0) != known

    def _shipper_timezone(self) -> None:
        stamp = "2026-11-20T12:00:00"
        self.change(shipper={"timezone": "Asia/Tokyo"})
        assert "2026-11-20T03:00:00" == self.arrives(timestamp=stamp)["@timestamp"][:19]

    def _shipper_worker_log_format(self) -> None:
        self._writes_celery("worker_log_format", "<%(levelname)s> %(asctime)s !! %(message)s", "<ERROR> %s !! %s")

    def _shipper_worker_task_log_format(self) -> None:
        layout, line = "%(task_name)s; %(levelname)s; %(asctime)s; %(message)s", "a.b; ERROR; %s; %s"
        assert "a.b" == self._writes_celery("worker_task_log_format", layout, line)["neuroflow"]["task"]["name"]

    def _writes_celery(self, key: str, layout: str, line: str) -> dict[str, Any]:
        self.change(shipper={key: layout})
        log = self.harness.logs / "celery" / "worker.log"
        log.parent.mkdir(exist_ok=True)
        with log.open("a") as file:
            file.write(line % ("2026-11-20 12:00:00,250", key) + "\n")
        found = self.comes(key)
        assert ("error", "2026-11-20T12:00:00.25") == (found["log"]["level"], found["@timestamp"][:22])
        return found

    def _shipper_pipeline_timezone(self) -> None:
        log = self.harness.logs / "pipelines" / "qsiprep" / "qsiprep_456_20261120_120000.log"
        log.parent.mkdir(parents=True)
        stamp = "261120-12:00:00,963 cli INFO: "
        log.write_text(f"{stamp}before\n")
        assert "2026-11-20T12:00:00.963" == self.comes(f"{stamp}before")["@timestamp"][:23]
        self.change(shipper={"pipeline_timezone": "Asia/Tokyo"})
        with log.open("a") as file:
            file.write(f"{stamp}after\n")
        assert "2026-11-20T03:00:00.963" == self.comes(f"{stamp}after")["@timestamp"][:23]

    def _shipper_scan_interval(self) -> None:
        self.change(shipper={"scan_interval": NEVER})
        self.change(shipper={"scan_interval": 0.3})
        # The first scan is the reload's own, and this is after it.
        self.arrives()
        for number in range(3):
            self.arrives(path=self.harness.logs / "celery" / f"{number}.log")

    def _shipper_flush_interval(self) -> None:
        self.change(shipper={"flush_interval": NEVER})
        answered = threading.Event()

        def held(one: Exchange) -> None:
            answered.wait(60)
            self.fake.answer(one)

        self.fake.next.append(held)
        bulks = len(self.fake.bulks)
        message = self.write()
        assert eventually(lambda: len(self.fake.bulks) > bulks)
        self.change(shipper={"flush_interval": 0.1})
        # While one is under way a batch waits until it is as old as that.
        self.arrives()
        self.arrives()
        answered.set()
        self.comes(message)

    def _shipper_partial_line_timeout(self) -> None:
        self.change(shipper={"partial_line_timeout": NEVER})
        message = self.write(end="")
        self.arrives(path=self.harness.logs / "workflow.log")
        self.change(shipper={"partial_line_timeout": 0.2})
        self.comes(message)
        with self.harness.log.open("a") as log:
            log.write("\n")

    def _shipper_max_line_bytes(self) -> None:
        self.change(shipper={"max_line_bytes": 100})
        cut = self.comes(self.write(event=5000 * "x")[:20], part=True)
        # This one has lost a part to the old limit when the new one comes.
        unfinished = self.write(event=5000 * "x", end="")
        self.arrives(path=self.harness.logs / "workflow.log")
        self.change(shipper={"max_line_bytes": "20KiB"})
        with self.harness.log.open("a") as log:
            log.write("and so on\n")
        whole = self.arrives(event=5000 * "x")
        lost = self.comes(unfinished[:20], part=True)
        assert [True, True, False] == ["truncated" in one["log"].get("flags", ()) for one in (cut, lost, whole)]
        size = len(json.dumps({"event": unfinished, "level": "info"}) + "and so on")
        assert str(size) == str(lost["neuroflow"]["extra"]["line_bytes"])

    def documents(self) -> list[dict[str, Any]]:
        """All documents of the cluster."""
        return [one for backing in self.fake.streams.values() for index in backing for one in index.values()]

    def _shipper_batch_max_events(self) -> None:
        self.change(shipper={"batch": {"max_events": 1}})
        self._come_one_by_one()

    def _shipper_batch_max_bytes(self) -> None:
        self.change(shipper={"batch": {"max_bytes": 100}})
        self._come_one_by_one()

    def _shipper_batch_compress(self) -> None:
        for compress, encoding in ((True, "gzip"), (False, None), (True, "gzip")):
            self.change(shipper={"batch": {"compress": compress}})
            before = len(self.fake.encodings)
            self.arrives(note="x" * 5000)
            assert {encoding} == set(self.fake.encodings[before:])

    def _come_one_by_one(self) -> None:
        bulks = len(self.fake.bulks)
        lines = [json.dumps({"event": f"{self.reloads}: {number}"}) + "\n" for number in range(3)]
        with self.harness.log.open("a") as log:
            log.write("".join(lines))
        self.comes(f"{self.reloads}: 2")
        assert {1} == {len(one) for one in self.fake.bulks[bulks:]}

    def _shipper_inputs(self) -> None:
        extra = self.harness.folder / "extra.log"
        given = {"paths": [str(extra)], "format": "auto", "dataset": "app"}
        self.change(shipper={"inputs": [given]})
        assert "logs-neuroflow.app-fake" == self.arrives(path=extra)["_"][0]
        self.change(shipper={"inputs": [given | {"dataset": "celery", "format": "pipeline"}]})
        self.write(extra)
        text = extra.read_text().splitlines()[-1]
        assert "logs-neuroflow.celery-fake" == self.comes(text)["_"][0]

    def _shipper_exclude(self) -> None:
        self.change(shipper={"exclude": ["huey*"]})
        message = self.write(self.harness.logs / "huey.log")
        for _ in range(3):
            self.arrives(path=self.harness.logs / "workflow.log")
        assert message not in {one["message"] for one in self.documents()}
        self.change()
        self.comes(message)

    def _shipper_follow_links_to(self) -> None:
        target = self.harness.folder / "outside.log"
        (self.harness.logs / "worker.log").symlink_to(target)
        message = self.write(target)
        assert self.sidecar.says(f"is a link to {target}, outside of {self.harness.logs}: it is not followed")
        self.change(shipper={"follow_links_to": [str(target)]})
        self.comes(message)
        self.change()
        message = self.write(target)
        for _ in range(3):
            self.arrives(path=self.harness.logs / "workflow.log")
        assert message not in {one["message"] for one in self.documents()}
        (self.harness.logs / "worker.log").unlink()

    def _shipper_shutdown_timeout(self) -> None:
        """The last one."""
        self.change(shipper={"shutdown_timeout": 1.25})
        self.fake.always = silence
        self.write()
        assert eventually(lambda: self.fake._under_way > 0)
        self.sidecar.send(signal.SIGTERM)
        assert 3 == self.sidecar.wait()
        assert "for up to 1.125 s" in self.sidecar.said

    def waits(self, key: str) -> None:
        """The key is logged as needing a restart, nothing changes, and lines go on."""
        values: dict[str, Any] = {
            "shipper.state_dir": str(self.harness.folder / "other state"),
            "shipper.start": "end",
            "shipper.watch": "auto",
            "shipper.fast_path": False,
            "shipper.batch.in_flight": 3,
            "shipper.redact.keys": [],
            "shipper.redact.hash": ["subject"],
            "shipper.redact.hash_key": "more than sixteen characters",
            "shipper.log_format": "json",
            "shipper.telemetry.listen": None,
            "shipper.telemetry.documents": True,
        }
        part: dict[str, Any] = {key.rpartition(".")[2]: values[key]}
        if key == "shipper.redact.hash":
            part["hash_key"] = values["shipper.redact.hash_key"]
        for above in reversed(key.split(".")[1:-1]):
            part = {above: part}
        self.change(f"{key} takes effect only at a restart; the old value stays in use", shipper=part)
        found = self.arrives(password="hidden", subject="sub-0421")
        extra = found["neuroflow"]["extra"]
        assert ("[redacted]", "sub-0421") == (extra["password"], found["neuroflow"]["subject_id"])
        assert not (self.harness.folder / "other state").exists()
        assert self.harness.metrics() is not None

    def is_for_commands(self, key: str) -> None:
        section, _, last = key.partition(".")
        values = {
            "url": "http://127.0.0.1:5601", "space": "lab", "api_key": "a2V5", "username": "someone",
            "password": "word", "ca_certs": str(CERTIFICATE), "verify_certs": False, "proxy": "direct",
        }  # fmt: skip
        login = {name: values[name] for name in ("username", "password") if last in {"username", "password"}}
        self.change("configuration reloaded (nothing changed)", **{section: {last: values[last], **login}})


OTHER = """
-----BEGIN CERTIFICATE-----
MIIBdzCCAR2gAwIBAgIUaaJMcB84IkYC2HDQEYOK1/9Rp9AwCgYIKoZIzj0EAwIw
EDEOMAwGA1UEAwwFb3RoZXIwIBcNMjYxMTI3MDQxMjMwWhgPMjEyNjExMDMwNDEy
MzBaMBAxDjAMBgNVBAMMBW90aGVyMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
jDdpnySJsJYGtaUgxFT8b5dsAeTRXweeaEFeIbsG33KuoToxl9ZjKm9zQLa98YYC
i64BCK4e3RLEDLbZjK7weaNTMFEwHQYDVR0OBBYEFPayPqjL54RQObMjvQOEL6gq
qdhYMB8GA1UdIwQYMBaAFPayPqjL54RQObMjvQOEL6gqqdhYMA8GA1UdEwEB/wQF
MAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIgExFcZKg0nJqZ8ZNpKec0ru/2OQomk1xZ
3jsKsgR11nECIQDHwAAk0PhgtDa2B2bPxC3dLPwaJ/t3YXb8D+yfYQAE/A==
-----END CERTIFICATE-----
"""


def _first(pem: str) -> str:
    """The certificate in a file that holds its key as well."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    return f"{begin}{pem.partition(begin)[2].partition(end)[0]}{end}\n"


def _generation(document: dict[str, Any]) -> bytes:
    """The generation in a document's id."""
    identity = document["_"][1]
    return base64.urlsafe_b64decode(identity + "=" * (-len(identity) % 4))[:9]


@pytest.fixture
def tls() -> Iterator[Fake]:
    """Another cluster, with TLS."""
    one = Fake(CERTIFICATE)
    yield one
    one.down()


def test_every_key(faked: FakedHarness, tls: Fake, certificates: Certificates) -> None:
    """Each key applies immediately or is logged as waiting, and no line is repeated."""
    walk = Walk(faked, tls, certificates)
    last = "shipper.shutdown_timeout"
    for key in [*(key for key in CHANGES if key != last), last]:
        if CHANGES[key] is Change.AT_RESTART:
            walk.waits(key)
        elif CHANGES[key] is Change.FOR_COMMANDS:
            walk.is_for_commands(key)
        else:
            said = len(walk.sidecar.said)
            getattr(walk, f"_{key.replace('.', '_')}")()
            assert key in walk.sidecar.said[said:], walk.sidecar.said
        if key != last:
            walk.change()
    assert "Traceback" not in walk.sidecar.said
    twice = {message for message, times in (faked.fake.messages() + tls.messages()).items() if times > 1}
    assert set() == twice


def test_the_end_asks_the_cluster_in_use(faked: FakedHarness, tls: Fake, certificates: Certificates) -> None:
    """The final refresh goes to the cluster and the namespace in use after SIGHUP."""
    walk = Walk(faked, tls, certificates)
    elsewhere = {"hosts": [tls.url], "ca_certs": str(CERTIFICATE)}
    walk.change(elasticsearch=elsewhere, shipper={"namespace": "elsewhere"})
    walk.arrives(tls)
    asked = len(faked.fake.journal)
    walk.sidecar.send(signal.SIGTERM)
    assert 0 == walk.sidecar.wait()
    (refresh,) = (line for line in tls.journal if line.endswith("_refresh"))
    assert "logs-neuroflow.*-elsewhere" in refresh
    assert asked == len(faked.fake.journal)
