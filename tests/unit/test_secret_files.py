from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from shipper.config import ConfigError, load
from shipper.secret_files import MAX_BYTES, check_private, secret_in

SECRET = "hunter2-hunter2"


def written(path: Path, content: bytes, mode: int = 0o600) -> Path:
    """A file with this content."""
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("secret", "content"),
    [
        ("a key", b"a key"), ("a key", b"a key\n"), ("a key", b"a key\r\n"), ("a key\n", b"a key\n\n"),
        (" p\u00e4ss ", " p\u00e4ss \n".encode()), ("a key", b"\xef\xbb\xbfa key\n"), ("${HOME}", b"${HOME}"),
        ("k" * MAX_BYTES, b"k" * MAX_BYTES),
    ],
)  # fmt: skip
def test_the_content_is_the_secret(tmp_path: Path, secret: str, content: bytes) -> None:
    """One line feed at the end is removed, and nothing else."""
    assert secret == secret_in(written(tmp_path / "key", content))


@pytest.mark.parametrize(
    ("problem", "content"),
    [
        ("is empty; write the secret into it", b""), ("is empty; write the secret into it", b"\n"),
        ("is empty; write the secret into it", b" \t \r\n"),
        ("is not UTF-8 text; put only the secret into it", SECRET.encode() + b"\xff"),
        ("is larger than 65536 bytes; put only the secret into it", SECRET.encode() * 5000),
    ],
)  # fmt: skip
def test_what_is_no_secret_is_refused(tmp_path: Path, problem: str, content: bytes) -> None:
    """The sentence names the file, not its content."""
    path = written(tmp_path / "key", content)
    with pytest.raises(ValueError, match=problem) as error:
        secret_in(path)
    assert f"{path}: {problem}" == str(error.value)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """Nothing waits for a FIFO, and nothing opens a device; a link is followed."""
    with pytest.raises(ValueError, match="none: no such file; write the secret into it, or correct the path"):
        secret_in(tmp_path / "none")
    with pytest.raises(ValueError, match="is a directory; name a file"):
        secret_in(tmp_path)
    os.mkfifo(tmp_path / "fifo", 0o600)
    for path in (tmp_path / "fifo", Path("/dev/zero")):
        with pytest.raises(ValueError, match="is no regular file; name a file"):
            secret_in(path)
    (tmp_path / "link").symlink_to(written(tmp_path / "key", b"a key"))
    assert "a key" == secret_in(tmp_path / "link")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ValueError, match="loop: can't be read: Too many levels of symbolic links; let user"):
        secret_in(tmp_path / "loop")


def about(mode: int, owner: int) -> os.stat_result:
    """What ``stat`` tells of a file."""
    return os.stat_result((stat.S_IFREG | mode, 1, 1, 1, owner, 0, 0, 0, 0, 0))


ROOT, US, OTHER = 0, 1000, 2000


@pytest.mark.parametrize(("mode", "owner"), [(0o600, US), (0o400, US), (0o640, ROOT), (0o440, ROOT), (0o600, ROOT)])
def test_a_private_file_is_accepted(mode: int, owner: int) -> None:
    """Only the owner may read it, or root's group."""
    check_private(Path("/k"), about(mode, owner), US)


@pytest.mark.parametrize(
    ("who", "command", "mode", "owner"),
    [
        ("every user of this machine", "chmod 600 '/a key'", 0o644, US),
        ("every user of this machine", "chmod 600 '/a key'", 0o604, US),
        ("every user of this machine", "chmod 600 '/a key'", 0o602, US),
        ("its group", "chmod 600 '/a key'", 0o640, US), ("its group", "chmod 600 '/a key'", 0o620, US),
        ("every user of this machine", "'/a key' && chmod 640 '/a key'", 0o444, ROOT),
        ("its group", "'/a key' && chmod 640 '/a key'", 0o660, ROOT),
        ("its group", "'/a key' && chmod 640 '/a key'", 0o640, OTHER),
    ],
)  # fmt: skip
def test_others_may_not_read_it(who: str, command: str, mode: int, owner: int) -> None:
    """The sentence has the command that corrects it."""
    with pytest.raises(ValueError, match="may read or change this secret") as error:
        check_private(Path("/a key"), about(mode, owner), US)
    assert f"/a key: {who} may read or change this secret (mode {mode:04o}): run `ch" in str(error.value)
    assert f"{command}`" in str(error.value)


def configured(folder: Path, text: str) -> Path:
    """A configuration file."""
    path = folder / "neuroflow.yaml"
    path.write_text(text)
    return path


def test_a_secret_is_a_credential_wherever_it_stands(tmp_path: Path) -> None:
    """In any key and as a part of a value; a variable may stand in the path; a value is not expanded again."""
    written(tmp_path / "part", b"${HOME}-part\n")
    written(tmp_path / "hash", b"sixteen or more of them\n")
    hosts, secret = "http://u:${file:${FOLDER}/part}@es:9200", f"${{file:${{NONE:-{tmp_path}}}/hash}}"
    path = configured(tmp_path, f"elasticsearch: {{hosts: '{hosts}'}}\nshipper: {{environment: '{secret}'}}")
    config = load(path, {"FOLDER": str(tmp_path)})
    assert ["http://u:${HOME}-part@es:9200"] == config.elasticsearch.hosts
    assert "sixteen or more of them" == config.shipper.environment
    assert {"${HOME}-part", "sixteen or more of them"} <= config.credentials
    assert "part" not in repr(config.elasticsearch)


def test_a_file_that_can_not_be_used_is_named(tmp_path: Path) -> None:
    """Every such file has its sentence, and none shows a secret."""
    written(tmp_path / "open", SECRET.encode(), 0o644)
    written(tmp_path / "good", SECRET.encode())
    path = configured(
        tmp_path,
        f"elasticsearch: {{api_key: '${{file:{tmp_path}/open}}', username: '${{file:}}'}}\n"
        f"kibana: {{space: '${{file:{tmp_path}/good}}!', api_key: '${{file:{tmp_path}/${{NO_NAME}}}}'}}\n",
    )
    with pytest.raises(ConfigError) as error:
        load(path, {})
    said = str(error.value)
    assert f"elasticsearch.api_key, from a file: {tmp_path}/open: every user of this machine may read" in said
    assert "elasticsearch.username, from a file: is empty; give a path, or leave the key out" in said
    assert "kibana.api_key: environment variable NO_NAME is not set" in said
    assert "kibana.space: write lower-case letters" in said
    assert SECRET not in said
