"""``check``, ``status`` and the sidecar's log name every file that is not read."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import json
import lzma
import os
import random
import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.conformance.faked import FakedHarness
from tests.conformance.harness import PATIENCE, alive, eventually
from tests.conformance.test_watch_places import without_privilege
from tests.conformance.writers import app_line

_DICE = random.Random(13)
NOISE = bytes(_DICE.randrange(256) for _ in range(300))


def lines(first: int, count: int = 300) -> bytes:
    """Unique lines, so that no file is another's copy."""
    return "".join(app_line(f"n{first}-{number}") + "\n" for number in range(count)).encode()


UNREADABLE: dict[str, bytes] = {
    "neuroflow.log.1.gz": b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + NOISE,
    "neuroflow.log.2.gz": b"\x1f\x8b\x08",
    "neuroflow.log.3.gz": b"",
    "neuroflow.log.4.gz": gzip.compress(lines(4))[:12],
    "neuroflow.log.5.gz": gzip.compress(lines(5))[:-500],
    "neuroflow.log.6.gz": gzip.compress(lines(6, 10)) + NOISE,
    "neuroflow.log.7.gz": b"text that somebody gave the wrong name\n",
    "neuroflow.log.8.gz": b"\x1f\x8b\x63\0\0\0\0\0\0\x03" + NOISE,
    "neuroflow.log.9.gz": NOISE,
    "neuroflow.log.10.xz": b"\xfd7zXZ\0" + NOISE,
    "neuroflow.log.11.xz": b"\xfd7zX",
    "neuroflow.log.12.xz": lzma.compress(lines(12))[:-100],
    "neuroflow.log.13.bz2": b"BZh91AY&SY" + NOISE,
    "neuroflow.log.14.bz2": bz2.compress(lines(14))[:-100],
    "neuroflow.log.15.bz2": b"BZh9" + NOISE,
    "neuroflow.log.16.lzma": b"]\0\0" + NOISE,
    "neuroflow.log.17.zst": b"\x28\xb5\x2f\xfd" + NOISE,
    "neuroflow.log.18.lz4": b"\x04\x22\x4d\x18" + NOISE,
    "neuroflow.log.19.zip": b"PK\x03\x04" + NOISE,
    "neuroflow.log.20.gpg": b"\x85\x02" + NOISE,
    "neuroflow.log.21": b"Salted__" + NOISE,
    "neuroflow.log.bin": b"\x7fELF" + NOISE,
}


def special_files(logs: Path) -> set[str]:
    """Create special files with names of logs; gives the names."""

    def bind(path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as one, contextlib.chdir(path.parent):  # the path may be too long for it
            one.bind(path.name)

    def closed(path: Path, content: bytes) -> None:
        path.write_bytes(content)
        path.chmod(0)

    makers: dict[str, Callable[[Path], object]] = {
        "workflow.log": Path.mkdir,
        "worker.log": os.mkfifo,
        "neuroflow.log.40": Path.mkdir,
        "neuroflow.log.41": os.mkfifo,
        "neuroflow.log.42": lambda path: path.symlink_to("gone"),
        "neuroflow.log.43.gz": lambda path: path.symlink_to(path.name),
        "celery/folder.log": Path.mkdir,
        "celery/pipe.log": os.mkfifo,
        "celery/gone.log": lambda path: path.symlink_to("gone"),
        "celery/zero.log": lambda path: path.symlink_to("/dev/zero"),
        "celery/socket.log": bind,
        "neuroflow.log.44": lambda path: closed(path, b"line\n"),
        "neuroflow.log.45.gz": lambda path: closed(path, gzip.compress(lines(45, 5))),
        "celery/closed.log": lambda path: closed(path, b"line\n"),
    }
    (logs / "celery").mkdir()
    for name, make in makers.items():
        make(logs / name)
    return set(makers)


def named(text: str, path: Path) -> int:
    """The number of lines that name a path, and not a longer one."""
    return len([line for line in text.splitlines() if re.search(rf"{re.escape(str(path))}(?![\w.])", line)])


def test_every_way_names_every_file(faked: FakedHarness) -> None:
    """Each file is in the log once, in ``check`` and in ``status``; other logs are read. ``--once`` exits 1; empty
    files and folders do not count there.

    ``--once`` ends with code 1; what is empty, and a folder, does not count there.
    """
    faked.configure({"request_timeout": 20})  # a busy machine answers slowly
    for name, content in UNREADABLE.items():
        (faked.logs / name).write_bytes(content)
    names = UNREADABLE.keys() | special_files(faked.logs)
    faked.log.write_bytes(lines(0, 3))
    (faked.logs / "celery" / "null.log").symlink_to("/dev/null")
    bound, log = without_privilege(), faked.folder / "said"

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*bound, *faked.command(*arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)

    with log.open("w") as said:
        process = faked.start(*bound, said=said)
        silent: set[str] = set()

        def all_named() -> bool:
            text = log.read_text()
            silent.clear()
            silent.update(name for name in names if not named(text, faked.logs / name))
            return not silent or not alive(process)

        assert eventually(all_named), silent
        with faked.log.open("ab") as out:
            out.write(lines(1, 3))
        assert eventually(lambda: 1 == faked.fake.messages()["n1-2"]), log.read_text()
        assert alive(process), log.read_text()
        code, _ = faked.stop(process)
    told = log.read_text()
    assert 0 == code, told
    assert {} == {name: count for name in names if 1 != (count := named(told, faked.logs / name))}
    assert "null.log" not in told
    check = run("check").stdout
    told_by_check = "\n".join(line for line in check.splitlines() if "not read: " in line)
    assert set() == {name for name in names if 1 != named(told_by_check, faked.logs / name)}, check
    assert f"file: {faked.log} " in check
    status = json.loads(run("status", "--json").stdout)["not_read"]
    assert {str(faked.logs / name) for name in names} == {one["path"] for one in status}
    once = run("--once")
    assert 1 == once.returncode, once.stderr
    assert "Traceback" not in told + once.stderr


def test_only_harmless_ones(faked: FakedHarness) -> None:
    """A folder, an empty file and other logs are named, and ``--once`` exits 0."""
    faked.log.write_bytes(lines(0, 3))
    others = [faked.logs / name for name in ("neuroflow2.log", "neuroflow.json", "workflow2.log.1.gz")]
    for number, path in enumerate(others):
        content = lines(number + 1, 3)
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    (faked.logs / "celery" / "folder.log").mkdir(parents=True)
    (faked.logs / "neuroflow.log.1.gz").touch()
    once = faked.once()
    assert 0 == once.returncode, once.stderr
    names = {*others, faked.logs / "celery" / "folder.log", faked.logs / "neuroflow.log.1.gz"}
    assert set() == {path for path in names if 1 != named(once.stderr, path)}, once.stderr
    assert {str(path) for path in names} == {one["path"] for one in faked.status()["not_read"]}
    check = "\n".join(line for line in faked.ask("check").stdout.splitlines() if "not read: " in line)
    assert set() == {path for path in names if 1 != named(check, path)}, check
    assert 3 == faked.fake.messages().total()


def test_what_is_still_being_compressed(faked: FakedHarness) -> None:
    """An incomplete file is not reported as cut off before its time, and read when it is complete."""
    faked.configure(partial_line_timeout=PATIENCE)
    packed = gzip.compress(lines(0, 200))
    half = faked.logs / "neuroflow.log.1.gz"
    half.write_bytes(packed[:-50])
    log = faked.folder / "said"
    with log.open("w") as said:
        process = faked.start(said=said)
        faked.log.write_bytes(lines(1, 3))
        assert eventually(lambda: 1 == faked.fake.messages()["n1-2"]), log.read_text()
        half.write_bytes(packed)
        assert eventually(lambda: 203 == faked.fake.messages().total()), log.read_text()
        assert 0 == faked.stop(process)[0]
    assert 0 == named(log.read_text(), half), log.read_text()
