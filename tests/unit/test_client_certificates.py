from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from shipper.config import ConfigError, load
from tests.certificates import Certificates


def problem(folder: Path, **keys: Path) -> str:
    """What is wrong with the section ``elasticsearch`` of these keys."""
    path = folder / "neuroflow.yaml"
    path.write_text("elasticsearch:\n" + "".join(f"  {key}: {value}\n" for key, value in keys.items()))
    with pytest.raises(ConfigError) as error:
        load(path)
    return str(error.value).removeprefix(f"{path}: elasticsearch: ")


def test_a_certificate_and_its_key_are_accepted(tmp_path: Path, certificates: Certificates) -> None:
    """In two files, or both in one that nobody else may read."""
    pair = certificates.client
    path, both = tmp_path / "neuroflow.yaml", tmp_path / "both.pem"
    both.touch(0o600)
    both.write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
    for section in (f"{{client_cert: {pair.certificate}, client_key: {pair.key}}}", f"{{client_cert: {both}}}"):
        path.write_text(f"elasticsearch: {section}")
        assert load(path).elasticsearch.client_cert is not None


def test_what_does_not_fit_is_refused(tmp_path: Path, certificates: Certificates) -> None:
    """Missing, invalid, encrypted and open files, and those of two pairs, are named when they are loaded."""
    pair, other = certificates.client, certificates.server
    none, text, key = tmp_path / "none.pem", tmp_path / "text.pem", tmp_path / "key.pem"
    text.write_text("no PEM")
    assert "client_key needs client_cert, the certificate that belongs to it" == problem(
        tmp_path, client_key=pair.key
    )
    said = problem(tmp_path, client_cert=none, client_key=pair.key)
    assert f"{none}: the certificate can't be read: No such file or directory" == said
    said = problem(tmp_path, client_cert=pair.certificate, client_key=none)
    assert f"{none}: the private key can't be read: No such file or directory" == said
    said = problem(tmp_path, client_cert=text, client_key=pair.key)
    assert f"{text}: holds no certificate in PEM format" == said
    said = problem(tmp_path, client_cert=pair.certificate, client_key=text)
    assert f"{text}: holds no private key in PEM format" == said
    said = problem(tmp_path, client_cert=pair.certificate)
    assert f"{pair.certificate}: holds no private key in PEM format; set client_key to the file that does" == said
    said = problem(tmp_path, client_cert=pair.certificate, client_key=other.key)
    assert f"{other.key}: is not the private key of the certificate {pair.certificate}" == said
    key.write_bytes(pair.key.read_bytes())
    key.chmod(0o644)
    said = problem(tmp_path, client_cert=pair.certificate, client_key=key)
    assert said.startswith(
        f"{key}: every user of this machine may read or change this secret (mode 0644): run `chmod"
    )
    key.chmod(0o600)
    subprocess.run(
        ["openssl", "pkey", "-in", pair.key, "-out", key, "-aes256", "-passout", "pass:hunter2"], check=True
    )
    said = problem(tmp_path, client_cert=pair.certificate, client_key=key)
    assert said.startswith(f"{key}: the private key has a passphrase, which nobody could type at a start: remove it")
    key.write_text("-----BEGIN PRIVATE KEY-----\nhalf of")
    said = problem(tmp_path, client_cert=pair.certificate, client_key=key)
    assert said.startswith(f"{pair.certificate}, {key}: no certificate and private key that OpenSSL can read")
