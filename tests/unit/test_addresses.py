from __future__ import annotations

from pathlib import Path

import pytest

from shipper.addresses import Address, address_of, certificates_at, cloud_address, fingerprint_of

CERTIFICATE = Path(__file__).parents[1] / "conformance" / "certificate.pem"


@pytest.mark.parametrize(
    ("address", "url"),
    [
        (Address("http", "es", 9200, "", None), "http://es:9200"),
        (Address("https", "es.lab", 443, "", None), "https://es.lab"),
        (Address("http", "es_1.lab.", 1, "/a/b", None), "http://es_1.lab.:1/a/b/"),
        (Address("http", "::1", 65535, "", None), "http://[::1]:65535/"),
        (Address("http", "fe80::1%eth0", 9200, "", None), "http://[fe80::1%25eth0]:9200"),
        (Address("https", "xn--lbr-qla5g", 9200, "/%C3%A4", None), "https://läbör:9200/ä"),
        (Address("http", "es", 9200, "", ("u", "p@:ä")), "http://u:p%40:%C3%A4@es:9200"),
        (Address("http", "es", 9200, "", ("u", "100%")), "http://u:100%@es:9200"),
        (Address("http", "es", 9200, "", ("u", "a@b")), "http://u:a@b@es:9200"),
        (Address("http", "es", 9200, "", ("token", "")), "http://token@es:9200"),
        (Address("http", "es", 9200, "", None), "http://@es:9200"),
    ],
)
def test_addresses_are_taken_apart(address: Address, url: str) -> None:
    """Hosts are ASCII, brackets and escapes are resolved, and the path has no trailing slash."""
    assert address == address_of(url, "http://127.0.0.1:9200")


def test_a_missing_port_may_be_a_mistake() -> None:
    """An address without a port is refused where the default is unclear."""
    with pytest.raises(ValueError, match=r"'http://es' has no port; write it like http://es:9200"):
        address_of("http://es", "http://es:9200", {"https": 443})


@pytest.mark.parametrize(
    ("address", "cloud_id"),
    [
        (("abc.cloud.example", 443), "name:Y2xvdWQuZXhhbXBsZSRhYmMkZGVm"),
        (("abc.cloud.example", 9243), "a:Y2xvdWQuZXhhbXBsZTo5MjQzJGFiYyRkZWY="),
        (("abc.cloud.example", 443), "name:Y2xvdWQuZXhhbXBsZSRhYmM="),
    ],
)
def test_cloud_ids_hold_an_address(address: tuple[str, int], cloud_id: str) -> None:
    """With and without a port, with and without Kibana."""
    assert Address("https", *address, "", None) == cloud_address(cloud_id)


def test_fingerprints_have_one_spelling() -> None:
    """Every printed form gives the same value."""
    assert "0f" * 32 == fingerprint_of(f" {':'.join(['0F'] * 32)}\n")


def test_certificates_can_be_read_now(tmp_path: Path) -> None:
    """A file or directory of certificates is accepted; otherwise the error says why not."""
    assert str(CERTIFICATE) == certificates_at(str(CERTIFICATE))
    with pytest.raises(ValueError, match="openssl rehash"):
        certificates_at(str(tmp_path))
    (tmp_path / "5ed36f99.0").write_bytes(CERTIFICATE.read_bytes())
    assert str(tmp_path) == certificates_at(str(tmp_path))
    for name, content in (("empty", b""), ("text", b"none"), ("half", CERTIFICATE.read_bytes()[:300])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match="holds no certificate"):
            certificates_at(str(tmp_path / name))
    with pytest.raises(ValueError, match="can't be read: No such file"):
        certificates_at(str(tmp_path / "none"))
