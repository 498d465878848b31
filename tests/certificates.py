"""Authorities and certificates for tests, made by the command ``openssl``."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pytest

_CONFIG = """
[ca]
default_ca = one
[one]
dir = {folder}
database = $dir/index.txt
new_certs_dir = $dir
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = name
prompt = no
[name]
CN = unused
"""
_AUTHORITY = "basicConstraints=critical,CA:TRUE"


class Pair(NamedTuple):
    """A certificate and its private key, which only this user may read."""

    certificate: Path
    key: Path

    @property
    def fingerprint(self) -> str:
        """The certificate's SHA-256 fingerprint."""
        told = _openssl("x509", "-noout", "-fingerprint", "-sha256", "-in", self.certificate)
        return told.strip().partition("=")[2]


class Authority:
    """An authority that signs certificates.

    Args:
        folder: for its files, which is created.
        name: its common name.
    """

    def __init__(self, folder: Path, name: str = "Lab CA") -> None:
        folder.mkdir()
        self._folder = folder
        self._config = folder / "openssl.cnf"
        self._config.write_text(_CONFIG.format(folder=folder))
        (folder / "index.txt").touch()
        self.own = self_signed(folder / "ca", name, _AUTHORITY)
        self._count = 0

    @property
    def certificate(self) -> Path:
        """Its own certificate."""
        return self.own.certificate

    @property
    def hash_name(self) -> str:
        """The name of its certificate in a directory of OpenSSL's layout."""
        return f"{_openssl('x509', '-noout', '-hash', '-in', self.certificate).strip()}.0"

    def signs(self, names: str = "DNS:localhost,IP:127.0.0.1", first: int = -1, last: int = 30) -> Pair:
        """A certificate for a server or a client.

        Args:
            names: for which it is.
            first: of its validity, days from now.
            last: of its validity, days from now.
        """
        self._count += 1
        pair = Pair(self._folder / f"{self._count}.crt", self._folder / f"{self._count}.key")
        request, more = self._folder / "request.csr", self._folder / "extensions.cnf"
        more.write_text(f"subjectAltName={names}\n")
        _openssl("req", "-new", *_new_key(pair.key), "-subj", "/CN=one", "-config", self._config, "-out", request)
        _openssl(
            "ca", "-batch", "-config", self._config, "-cert", self.own.certificate, "-keyfile", self.own.key,
            "-startdate", _moment(first), "-enddate", _moment(last), "-extfile", more, "-notext",
            "-in", request, "-out", pair.certificate,
        )  # fmt: skip
        pair.key.chmod(0o600)
        return pair


class Certificates:
    """What tests of TLS need, each made when it is first used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def authority(self) -> Authority:
        """The authority that clients trust."""
        return Authority(self._folder / "lab")

    @cached_property
    def other(self) -> Authority:
        """Another authority."""
        return Authority(self._folder / "other", "Other CA")

    @cached_property
    def server(self) -> Pair:
        """A server's good certificate."""
        return self.authority.signs()

    @cached_property
    def client(self) -> Pair:
        """A client's good certificate."""
        return self.authority.signs("DNS:sidecar")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Authorities and certificates."""
    if shutil.which("openssl") is None:
        pytest.skip("the command openssl, which makes certificates for this test, is not installed")
    return Certificates(tmp_path_factory.mktemp("certificates"))


def self_signed(path: Path, name: str, *extensions: str) -> Pair:
    """A certificate that is its own authority, in files with this beginning."""
    pair = Pair(path.with_suffix(".crt"), path.with_suffix(".key"))
    more = [part for one in extensions or ["subjectAltName=DNS:localhost,IP:127.0.0.1"] for part in ("-addext", one)]
    _openssl("req", "-x509", *_new_key(pair.key), "-subj", f"/CN={name}", "-days", "30", *more, "-out", pair[0])
    pair.key.chmod(0o600)
    return pair


def _new_key(path: Path) -> list[str | Path]:
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path]


def _moment(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")


def _openssl(*arguments: str | Path) -> str:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    return done.stdout
