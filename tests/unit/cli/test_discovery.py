"""What is found out on a machine: Elasticsearch, the time zone, rights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from shipper.cli.discovery import LocalCluster, local_cluster, may_be_written, time_zone
from tests.conformance.fake import Fake, refuse, say
from tests.pages import ROOT

CERTIFICATE = ROOT / "tests/conformance/certificate.pem"
REFUSED = refuse(401, "security_exception", "missing authentication credentials")


@pytest.fixture(params=["plain", "tls"])
def fake(request: pytest.FixtureRequest) -> Iterator[Fake]:
    """A cluster without security, with and without TLS."""
    one = Fake(certificate=CERTIFICATE if request.param == "tls" else None)
    yield one
    one.down()


def found(fake: Fake, *authorities: Path) -> LocalCluster | None:
    """What is found at the stand-in's port."""
    return local_cluster(port=urlsplit(fake.url).port or 0, authorities=map(str, authorities))


@pytest.mark.parametrize("asks", [False, True])
def test_cluster_is_found(fake: Fake, asks: bool) -> None:
    """Its address, whether it asks for credentials, and the certificate that verifies it; none are sent."""
    if asks:
        fake.otherwise["GET /"] = REFUSED
    authority = CERTIFICATE if fake.url.startswith("https") else None
    assert LocalCluster(fake.url, asks, authority) == found(fake, ROOT / "no-such-file", CERTIFICATE)
    assert {None} >= set(fake.authorizations)


def test_certificate_that_nobody_vouches_for() -> None:
    """A cluster whose certificate can't be verified is found, and marked."""
    fake = Fake(certificate=CERTIFICATE)
    try:
        assert LocalCluster(fake.url, secured=False, verified=False) == found(fake)
    finally:
        fake.down()


@pytest.mark.parametrize("answer", [say(200, "welcome"), say(401, "who are you?")])
def test_other_servers_are_no_cluster(fake: Fake, answer: object) -> None:
    """What answers without being Elasticsearch is not taken for it; neither is a closed port."""
    fake.otherwise["GET /"] = answer  # type: ignore[assignment] # an Answer
    assert found(fake, CERTIFICATE) is None
    fake.down()
    assert found(fake, CERTIFICATE) is None


@pytest.mark.parametrize(
    ("variable", "file", "link", "zone"),
    [
        (":Asia/Jerusalem", "Etc/UTC", "Europe/Berlin", "Asia/Jerusalem"),
        ("", "Europe/Paris", "Europe/Berlin", "Europe/Paris"),
        ("", "", "Europe/Berlin", "Europe/Berlin"),
        ("no-zone/at-all", "../etc/passwd", "", None),
        ("", "", "", None),
    ],
)
def test_time_zone(tmp_path: Path, variable: str, file: str, link: str, zone: str | None) -> None:
    """From the environment, else from either file of the system; names that are no zones are passed over."""
    if file:
        (tmp_path / "timezone").write_text(f"{file}\n", encoding="utf-8")
    if link:
        (tmp_path / "localtime").symlink_to(f"/usr/share/zoneinfo/{link}")
    assert zone == time_zone({"TZ": variable}, tmp_path)


@pytest.mark.parametrize(("writable", "may"), [("/var/lib/state", True), ("/var/lib", True), ("/var", False)])
def test_a_directory_may_be_written(writable: str, may: bool) -> None:
    """The directory itself decides, or where it is missing the first one above that exists."""
    there = {"/", "/var", "/var/lib", *([writable] if writable.endswith("state") else [])}

    def access(path: Path, mode: int) -> bool:
        return str(path) in there and (not mode or str(path) == writable)

    assert may is may_be_written(Path("/var/lib/state"), access)
