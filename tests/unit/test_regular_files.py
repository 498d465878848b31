"""Only regular files are opened, and a resolved path leads to its file or to none."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from shipper.addresses import certificates_at, check_client_certificate
from shipper.regular_files import open_canonical, read_regular


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(os.path.relpath(path))


def _link(path: Path) -> None:
    path.with_name("target").write_text("secret")
    path.symlink_to("target")


@pytest.mark.parametrize("make", [_pipe, _socket, _link, Path.mkdir])
def test_nothing_but_a_file_is_opened(tmp_path: Path, make: object) -> None:
    """A pipe without a writer does not block; links, sockets and directories are refused."""
    path = tmp_path / "x"
    make(path)  # type: ignore[operator]
    with pytest.raises(OSError, match="x'"):
        open_canonical(str(path))


def test_a_file_is_opened(tmp_path: Path) -> None:
    """Its descriptor reads the content."""
    path = tmp_path / "a" / "b.log"
    path.parent.mkdir()
    path.write_bytes(b"one")
    with os.fdopen(open_canonical(str(path)), "rb") as file:
        assert b"one" == file.read()


@pytest.mark.parametrize("part", ["a", "a/b"])
def test_a_directory_that_became_a_link_leads_nowhere(tmp_path: Path, part: str) -> None:
    """Whatever part of the path was replaced by a link, the file behind it is not opened."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x.log").write_text("mine")
    other = tmp_path / "other"
    (other / "b").mkdir(parents=True)
    for folder in (other, other / "b"):
        (folder / "x.log").write_text("secret")
    (tmp_path / part).rename(tmp_path / "away")
    (tmp_path / part).symlink_to(other)
    with pytest.raises(OSError, match="Not a directory"):
        open_canonical(f"{tmp_path}/a/b/x.log")


@pytest.mark.parametrize("content", ["pipe", "too long", "directory"])
def test_a_configuration_is_a_short_regular_file(tmp_path: Path, content: str) -> None:
    """A pipe is refused without waiting for a writer, and a huge file without reading it."""
    path = tmp_path / "neuroflow.yaml"
    if content == "pipe":
        os.mkfifo(path)
    elif content == "directory":
        path.mkdir()
    else:
        path.write_bytes(b"x" * 11)
    with pytest.raises(OSError, match=r"no regular file|longer than 10 bytes|Is a directory"):
        read_regular(path, 10)


def test_a_link_to_a_configuration_is_followed(tmp_path: Path) -> None:
    """A configuration may be a link, as in a mounted config map."""
    (tmp_path / "real").write_bytes(b"x" * 10)
    (tmp_path / "link").symlink_to("real")
    assert b"x" * 10 == read_regular(tmp_path / "link", 10)


def test_certificates_are_no_pipes(tmp_path: Path) -> None:
    """A pipe in the place of a certificate is refused without waiting for a writer."""
    pipe = tmp_path / "pipe.pem"
    os.mkfifo(pipe)
    for check in (certificates_at, lambda text: check_client_certificate(text, None)):
        with pytest.raises(ValueError, match="is no regular file"):
            check(str(pipe))
