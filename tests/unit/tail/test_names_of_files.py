"""Files whose names begin like a log's are shipped once, or named as not read."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from shipper.tail.found_files import Source
from shipper.tail.rotation_names import aged, named, originals
from shipper.tail.scanner import Scanner
from shipper.tail.sources import builtin_sources
from tests.unit.shipped import Shipped, app, celery, each, numbers

NAMES = [
    "neuroflow.log.1", "neuroflow.log.0", "neuroflow.log.17", "neuroflow.log.2026-11-26",
    "neuroflow.log.2026-11-26_23", "neuroflow.log.2026-11-26_23-59", "neuroflow.log.2026-11-26_23-59-59",
    "neuroflow.log.2026-11-27_01-12-30.1", "neuroflow-20261127.log", "neuroflow-20261127-1795600000.log",
    "neuroflow.1.log", "neuroflow_1.log", "neuroflow.log.old", "neuroflow.log.copy12", "neuroflow.log.bak",
    "neuroflow.log.orig", "neuroflow.log.save", "neuroflow.log.prev", "neuroflow_old.log", "neuroflow.old.log",
    "neuroflow.old", "neuroflow.1", "neuroflow.log1", "neuroflow.log_20261127", "neuroflow.log-1795600000",
    "neuroflow.log.2026112623", "neuroflow.log.20261127T010203Z", "neuroflow.log.2026-11-27T01:02:03+00:00",
    "neuroflow.log.2026-W48", "neuroflow-2026-W48.log", "neuroflow.2026-11.log", "neuroflow.2026.log",
    "neuroflow.log.27-Nov-2026", "neuroflow-friday.log", "neuroflow.log.Friday",
    "neuroflow.2026-11-27_01-00-00_000000.log", "neuroflow.2026-11-27_01-00-00_000000.2.log",
    "neuroflow-2026-11-27-1.log", "neuroflow.log.scanner3", "neuroflow.log(1)", "neuroflow.log.20261127.old",
    "neuroflow.log.1795600000000", "neuroflow.log.rotated", "neuroflow-2026.11.27.log", "neuroflow.log,1",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_that_rotations_give(shipped: Shipped, name: str) -> None:
    """Lines of a rotated file are shipped once, whatever its name, also after a later rename to it."""
    shipped.path(name).write_text(app(0, 3))
    shipped.path("neuroflow.log").write_text(app(3, 3))
    assert each(6) == numbers(shipped.ship())
    shipped.path(name).unlink()
    shipped.path("neuroflow.log").rename(shipped.path(name))
    shipped.path("neuroflow.log").write_text(app(6, 3))
    assert each(9) == numbers(shipped.ship())
    shipped.restart()
    assert each(9) == numbers(shipped.ship())


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "xz": lzma.compress,
    "bz2": bz2.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
}


@pytest.mark.parametrize("ending", PACKED)
@pytest.mark.parametrize("name", [*NAMES[:12], "neuroflow.log"])
@pytest.mark.parametrize("count", [3, 40])
def test_packed(shipped: Shipped, name: str, ending: str, count: int) -> None:
    """A compressed file is recognised by its content, and an unknown one is read."""
    log = shipped.path("neuroflow.log")
    log.write_text(app(0, count))
    shipped.ship()
    log.unlink()
    shipped.path(f"{name}.{ending}").write_bytes(PACKED[ending](app(0, count + 2).encode()))
    log.write_text(app(count + 2, 3))
    assert each(count + 5) == numbers(shipped.ship())
    shipped.path(f"neuroflow.log.30.{ending}").write_bytes(PACKED[ending](app(count + 5, 20).encode()))
    assert each(count + 25) == numbers(shipped.ship())
    shipped.restart()
    assert each(count + 25) == numbers(shipped.ship())


@pytest.mark.parametrize(
    "name", ["neuroflow.log.2", "neuroflow.log.gz.1", "neuroflow.log.old", "neuroflow.log.1.packed"]
)
@pytest.mark.parametrize("ending", ["gz", "xz", "bz2"])
def test_packed_under_any_name(shipped: Shipped, name: str, ending: str) -> None:
    """The first bytes tell the compression, whatever the name."""
    shipped.path(name).write_bytes(PACKED[ending](app(0, 30).encode()))
    assert each(30) == numbers(shipped.ship())


def zipped(data: bytes) -> bytes:
    """The data in a zip file."""
    with io.BytesIO() as out:
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("neuroflow.log", data)
        return out.getvalue()


def tarred(data: bytes) -> bytes:
    """The data in a compressed tar file."""
    with io.BytesIO() as out:
        with tarfile.open(fileobj=out, mode="w:gz") as archive:
            info = tarfile.TarInfo("neuroflow.log")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        return out.getvalue()


UNREADABLE = {
    "neuroflow.log.1.zst": b"\x28\xb5\x2f\xfd" + bytes(range(256)),
    "neuroflow-20261127.log.zst": b"\x28\xb5\x2f\xfd" + bytes(range(256)),
    "neuroflow.log.2.lz4": b"\x04\x22\x4d\x18" + bytes(range(256)),
    "neuroflow.2026-11-27_01-00-00_000000.log.zip": zipped(b"line\n"),
    "neuroflow.log.3.tar.gz": tarred(b"line\n"),
    "neuroflow.log.4.br": bytes(range(256)),
    "neuroflow.log.5.gpg": b"\x85\x02\x0c\x03" + bytes(range(256)),
    "neuroflow.log.6.asc": b"-----BEGIN PGP MESSAGE-----\n",
    "neuroflow.log.7.age": b"age-encryption.org/v1\n",
    "neuroflow.log.8": b"\x28\xb5\x2f\xfd" + bytes(range(256)),
    "neuroflow.log.secret": bytes(range(1, 256)) * 3,
    "neuroflow.log.7z": b"7z\xbc\xaf\x27\x1c" + bytes(100),
    "neuroflow.log.Z": b"\x1f\x9d\x90" + bytes(range(256)),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    """An unreadable format counts as unread, and is reported once."""
    (tmp_path / name).write_bytes(UNREADABLE[name])
    (tmp_path / "neuroflow.log").write_text("line\n")
    said: list[str] = []
    scanner = Scanner(builtin_sources(tmp_path), [], said.append)
    for _ in range(3):
        assert [f"{tmp_path}/neuroflow.log"] == [file.path for file in scanner.scan()]
        assert {f"{tmp_path}/{name}"} == scanner.unread == scanner.omitted.keys()
    assert 1 == len(said)
    assert said[0].startswith(f"{tmp_path}/{name}: ")


@pytest.mark.parametrize("name", ["neuroflow.log.zst", "neuroflow.log.enc", "neuroflow.log.1.gpg"])
def test_text_is_text_under_any_name(shipped: Shipped, name: str) -> None:
    """A text file with the name of a compressed one is read as text."""
    shipped.path(name).write_text(app(0, 5))
    assert each(5) == numbers(shipped.ship())


@pytest.mark.parametrize(
    "name",
    [
        "neuroflow.log~", "neuroflow.log.~1~", "#neuroflow.log#", ".#neuroflow.log", ".neuroflow.log.swp",
        "neuroflow.log.swp", "neuroflow.log.swo", "neuroflow.log.tmp", "neuroflow.log.1.gz.tmp",
        "neuroflow.log.part", "neuroflow.log.filepart", "neuroflow.log.crdownload", ".neuroflow.log.Xa81bQ",
        "neuroflow.log.lock", "neuroflow.log.1.gz.part", "._neuroflow.log", "celery/.#worker.log",
        "celery/._worker.log", "celery/worker.log~", "neuroflow.log.offset", "neuroflow.log.sha256",
        "neuroflow.logrotate.conf", "neuroflow.logger.py", "neuroflow.yaml", "neuroflower.txt", "other.log.1",
    ],
)  # fmt: skip
def test_what_is_no_log(tmp_path: Path, name: str) -> None:
    """Files of editors and transfers are ignored silently."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("line\n")
    assert [] == Scanner(builtin_sources(tmp_path), [], pytest.fail).scan()


def test_another_log_beside_a_log_is_named(tmp_path: Path) -> None:
    """A file that may be another log is not read, and reported once."""
    for name in ("neuroflow_audit.log", "neuroflow-debug.log.1", "worker-gpu.log", "neuroflow.log"):
        (tmp_path / name).write_text("line\n")
    said: list[str] = []
    scanner = Scanner(builtin_sources(tmp_path), [], said.append)
    for _ in range(2):
        assert ["neuroflow.log"] == [Path(file.path).name for file in scanner.scan()]
    assert ["neuroflow-debug.log.1", "neuroflow_audit.log", "worker-gpu.log"] == [
        Path(one.partition(": ")[0]).name for one in said
    ]
    assert set() == scanner.unread
    assert 3 == len(scanner.omitted)


LINE = '{"event": "x", "level": "info"}\n'


@pytest.mark.parametrize(
    "name",
    [
        "neuroflow.log-2026112714", "neuroflow.log-20261127-1795600000.gz", "neuroflow.log.@400000006745f1a0.s",
        "neuroflow.20261127.log", "neuroflow.log.1700000000", "neuroflow.log.0.bz2", "neuroflow.log.2026-11-27.gz",
        "neuroflow.log.2026-11-27.log.gz", "neuroflow (1).log", "neuroflow - Copy.log", "neuroflow copy.log",
        "neuroflow.log2", "neuroflow_old.log", "neuroflow-backup.log", "neuroflow.log.000", "neuroflow.log.1.log",
        "neuroflow.log.2026-330", "neuroflow.log.2026-11-27T02.00.00", "neuroflow.log.1.2026-11-27",
        "neuroflow.log.pid1234", "neuroflow.log.aa", "neuroflow.log:1", "neuroflow.log~1", "neuroflow.log.dpkg-old",
        "neuroflow.log.hostname", "neuroflow.log.new", "neuroflow.logold", "neuroflow.log.current", "neuroflow.bak",
        "neuroflow.1.gz", "neuroflow.gz", "neuroflow.log.1.gz.1", "neuroflow.log.week48", "neuroflow-nov26.log",
        "neuroflow.log.json",
    ],
)  # fmt: skip
def test_names_of_further_tools(tmp_path: Path, name: str) -> None:
    """Names of logrotate, multilog, cronolog, rotatelogs, savelog, newsyslog, split, dpkg and file managers are
    rotations.
    """
    pack = next((PACKED[ending] for ending in PACKED if name.endswith(f".{ending}")), bytes)
    (tmp_path / name).write_bytes(pack(LINE.encode()))
    (file,) = Scanner(builtin_sources(tmp_path), [], pytest.fail).scan()
    assert ((tmp_path / name).as_posix(), f"{tmp_path}/neuroflow.log") == (file.path, file.logical)


@pytest.mark.parametrize(
    "name",
    [
        "neuroflow2.log", "neuroflow2.log.1", "neuroflow2.log.gz", "neuroflow2-20261127.log", "neuroflow-debug.log",
        "neuroflowdebug.log", "neuroflow.json", "neuroflow.jsonl", "neuroflow.txt", "neuroflow.out", "neuroflow",
        "neuroflow.err", "neuroflow.ndjson", "neuroflow.logs", "neuroflow.LOG", "Neuroflow.log", "neuroflow.logfile",
        "workflows.log", "worker2.log", "worker.out", "huey.txt", "workflow_state.json", "neuroflow.zst",
    ],
)  # fmt: skip
def test_whatever_begins_like_a_log_is_named(tmp_path: Path, name: str) -> None:
    """A file with a log's content and an unknown name is reported once and not read."""
    packed = name.endswith((".gz", ".zst"))
    (tmp_path / name).write_bytes(b"\x28\xb5\x2f\xfd" if packed else LINE.encode())
    said: list[str] = []
    scanner = Scanner(builtin_sources(tmp_path), [], said.append)
    for _ in range(3):
        assert [] == scanner.scan()
        assert {f"{tmp_path}/{name}"} == scanner.omitted.keys()
        assert set() == scanner.unread
    (sentence,) = said
    assert "may be another log" in sentence


@pytest.mark.parametrize(
    "content",
    [
        b"2026-11-27T02:14:07Z [info     ] x", b"[2026-11-27 02:14:07,963: INFO/MainProcess] x",
        b"261127-02:14:07,963 nipype.workflow INFO: x", b"INFO:     x\n02:14:07 | INFO | x", b"[ERROR] x",
        b"Traceback (most recent call last):\n", gzip.compress(b"x", mtime=0), bz2.compress(b"x"),
        b'  {"timestamp": 1795600000.25, "message": "x"}', b'{"severity":"INFO"}', b"| WARNING | x",
    ],
)  # fmt: skip
def test_content_of_a_log(tmp_path: Path, content: bytes) -> None:
    """A time, a level, a logger's keys, a traceback, or compressed content make a file a possible log."""
    (tmp_path / "neuroflow.txt").write_bytes(content)
    scanner = Scanner(builtin_sources(tmp_path), [], lambda _: None)
    scanner.scan()
    assert 1 == len(scanner.omitted)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"logging:\n  level: INFO\n", b"import sys\n", b"1234\n", b"SQLite format 3\0" + bytes(100),
        b'{\n  "message": "x"\n}\n', b'{"runs": [], "message": {"a": 1}}', bytes(range(256)), b"INFO means well\n",
    ],
)  # fmt: skip
def test_content_of_something_else(tmp_path: Path, content: bytes) -> None:
    """Configurations, programs and databases are not reported."""
    (tmp_path / "neuroflow.data").write_bytes(content)
    assert [] == Scanner(builtin_sources(tmp_path), [], pytest.fail).scan()


def test_a_short_name_is_no_beginning(tmp_path: Path) -> None:
    """``apt.log`` is unrelated to the input ``a.log``; ``a2.log`` is reported."""
    for name in ("a.log", "apt.log", "a2.log"):
        (tmp_path / name).write_text(LINE)
    scanner = Scanner([Source(f"{tmp_path}/a.log", "auto", "app")], [], lambda _: None)
    scanner.scan()
    assert {f"{tmp_path}/a2.log"} == scanner.omitted.keys()


@pytest.mark.parametrize("first", [True, False])
def test_a_log_is_not_taken_for_the_earlier_life_of_another(tmp_path: Path, first: bool) -> None:
    """A file belongs to the input that names it, and rotated files to the input with the longest name."""
    names = [
        "neuroflow-1.log", "neuroflow-1.log.1", "neuroflow.log.audit", "neuroflow.log.audit.2", "neuroflow.log.1",
    ]  # fmt: skip
    for name in names:
        (tmp_path / name).write_text("line\n")
    general = [Source(f"{tmp_path}/neuroflow.log", "auto", "app")]
    special = [
        Source(f"{tmp_path}/neuroflow-1.log", "celery", "celery"),
        Source(f"{tmp_path}/neuroflow.log.audit", "audit", "audit"),
    ]
    sources = general + special if first else special + general
    found = {Path(file.path).name: file.source.dataset for file in Scanner(sources, [], pytest.fail).scan()}
    assert dict(zip(names, ["celery", "celery", "audit", "audit", "app"], strict=True)) == found


@pytest.mark.parametrize(
    "youngest_first",
    [
        ["a.log.1", "a.log.2", "a.log.10"], ["a.log.0", "a.log.1.gz"], ["a.1.log", "a.2.log.xz", "a.11.log"],
        ["a.log.2026-11-27_02", "a.log.2026-11-27_01", "a.log.2026-11-26"], ["a-20261127.log", "a-20261126.log.gz"],
        ["a.2026-12.log", "a.2026-11.log"], ["a.log-1795600001", "a.log-1795600000.gz"],
        ["a.2026-11-27_01-00-00_000000.log", "a.2026-11-26_01-00-00_000000.log"],
    ],
)  # fmt: skip
def test_names_order_generations(youngest_first: list[str]) -> None:
    """Numbers and dates anywhere in names give the order."""
    said = [named(name, "a.log") for name in youngest_first]
    ages = [one.age for one in said if one is not None]
    assert sorted(ages) == ages
    assert len(set(ages)) == len(ages) == len(youngest_first)


def test_the_last_change_orders_what_names_do_not() -> None:
    """With equal dates or none the time of the last change decides."""
    one, other = named("a.log.old", "a.log"), named("a.log.bak", "a.log")
    assert one is not None
    assert other is not None
    assert aged(one.age, 2 * 10**18, timeless=one.timeless) < aged(other.age, 10**18, timeless=other.timeless)
    dated = named("a.log.2026-11-27.3", "a.log")
    assert dated is not None
    assert aged(dated.age, 2 * 10**18, timeless=False) < aged(dated.age, 10**18, timeless=False)


@pytest.mark.parametrize(
    ("name", "logs"),
    [
        ("worker-20261127.log", ["worker.log"]),
        ("worker.1.log", ["worker.log"]), ("worker_old.log", ["worker.log"]),
        ("worker.log-20261127.log", ["worker.log"]),
        ("worker-2.log", []), ("worker.log", []), ("sub-01_ses-02.log", []),
    ],
)  # fmt: skip
def test_logs_that_a_name_may_come_from(name: str, logs: list[str]) -> None:
    """A date, a word, or a number behind a dot may be a rotation's; other numbers may belong to the log's name."""
    assert logs == sorted(set(originals(name)))


def test_numbered_workers_are_logs_of_their_own(shipped: Shipped) -> None:
    """Logs whose names differ by a number, with equal first lines, are read each."""
    for number in range(4):
        shipped.path(f"celery/worker-{number}.log").write_text(celery(0, 5) + celery(10 * (number + 1), 5))
    counted = numbers(shipped.ship())
    assert {4} == {counted[number] for number in range(5)}
    assert {1} == {counted[10 * (worker + 1) + number] for worker in range(4) for number in range(5)}
