"""Findings about the machine: permissions, disks, state directory, watches, processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from shipper.doctor.configuration import misspelt_sections, readable_secrets, running_as
from shipper.doctor.denied import Denied, remedy, sentence
from shipper.doctor.files import (
    input_findings,
    match_findings,
    near_directory,
    stranger_findings,
    strangers,
    unread_findings,
)
from shipper.doctor.finding import Finding, Severity
from shipper.doctor.processes import Process, Sidecar, processes, readers, sidecar_config
from shipper.doctor.rooms import Disk, kind_of, log_disk, state_disk
from shipper.doctor.state import StateFacts, state_findings
from shipper.doctor.watches import Inotify, count_directories, inotify_of, watch_findings
from shipper.tail.found_files import Source
from shipper.tail.sources import builtin_sources

CLOSED = Denied("/var/log/nf", "x", directory=True, mode=0o700, owner="app", group="app", user="ship")


def names(findings: object) -> list[tuple[str, Severity]]:
    """Names and severities."""
    return [(one.name, one.severity) for one in findings if isinstance(one, Finding)]  # type: ignore[attr-defined] # iterable


def test_permission_is_named_with_its_command() -> None:
    """Where the group has the permission, the user joins it; else an ACL gives it, also to new files."""
    assert "ship may not enter the directory /var/log/nf (mode 0700, owner app, group app)" in sentence(CLOSED)
    assert "`setfacl -m u:ship:x /var/log/nf`" in remedy(CLOSED)
    grouped = Denied("/l/a b", "r", directory=False, mode=0o640, owner="app", group="logs", user="ship")
    assert remedy(grouped).startswith("add the sidecar's user to the group: `usermod -aG logs ship`")
    assert "setfacl -m u:ship:r '/l/a b'" in remedy(grouped)
    listed = Denied("/l", "rx", directory=True, mode=0o701, owner="app", group="logs", user="ship")
    assert "`setfacl -R -m u:ship:rX -m d:u:ship:rX /l`" in remedy(listed)


def test_unread_files_have_advice() -> None:
    """A refused file names the permission, a harmless one is a note, any other a warning with what to do."""
    reasons = {"/a": "can't be opened: Permission denied", "/b": "is no regular file; it is not read", "/c": "odd"}
    found = list(unread_findings(reasons, frozenset({"/b"}), {"/a": CLOSED}))
    assert [("no-permission", "warning"), ("not-read", "note"), ("not-read", "warning")] == [
        (one.name, one.severity.word) for one in found
    ]
    assert all(one.do for one in found)
    assert "not read: /a: can't be opened: Permission denied; ship may not enter" in found[0].sentence


def test_closed_directory_is_one_finding() -> None:
    """What is behind a directory that may not be entered is counted, not listed."""
    shut = replace(CLOSED, path="/l", need="rx")
    denied = {"/l": shut, "/l/a": replace(CLOSED, path="/l"), "/l/b": replace(CLOSED, path="/l"), "/m/c": CLOSED,
              "/m/d": CLOSED}  # fmt: skip
    found = list(unread_findings(dict.fromkeys(denied, "Permission denied"), frozenset(), denied))
    assert ["/l", "/m/c"] == [one.subject for one in found]
    assert ["2 more below it", "1 more below it"] == [
        part.rpartition("; ")[2][:15] for one in found for part in [one.sentence]
    ]


def test_acl_keeps_what_the_group_gave() -> None:
    """An entry for the user counts instead of that of the group, so it holds both permissions."""
    assert "setfacl -m u:ship:rx " in remedy(replace(CLOSED, need="x", directory=True, has="r", mode=0o740))


def test_no_powerful_group_is_advised() -> None:
    """Nobody is told to join root's group."""
    powerful = replace(CLOSED, mode=0o750, group="root")
    assert "usermod" not in remedy(powerful)
    assert "usermod -aG adm ship" in remedy(replace(powerful, group="adm"))


@pytest.mark.parametrize(("inside", "said"), [
    (["neuroflow.txt", "zzz"], "neuroflow.txt (like neuroflow.log)"), (["zzz"], "there is zzz"), ([], "is empty"),
])  # fmt: skip
def test_nothing_matches(inside: list[str], said: str) -> None:
    """A directory without any log names what is nearest in it."""
    [finding] = match_findings("/l", inside, builtin_sources(Path("/l")), 0, 0)
    assert ("nothing-matches", True) == (finding.name, said in finding.sentence), finding.sentence
    assert [] == list(match_findings("/l", inside, builtin_sources(Path("/l")), 1, 0))
    assert [] == list(match_findings("/l", None, [], 0, 0))


def test_logs_are_one_directory_away(tmp_path: Path) -> None:
    """Where the files that are read are in a directory above or below, it is named."""
    inner = tmp_path / "logs" / "neuroflow"
    inner.mkdir(parents=True)
    (inner / "celery").mkdir()
    (inner / "neuroflow.log").write_text("x\n")
    for wrong in (tmp_path / "logs", inner / "celery"):
        near = near_directory(wrong, builtin_sources(wrong))
        assert str(inner) == near
        [finding] = match_findings(str(wrong), ["neuroflow"], builtin_sources(wrong), 0, 0, near)
        assert f"set logging.log_dir: {inner}" == finding.do
    assert None is near_directory(tmp_path, builtin_sources(tmp_path))


def test_inputs_that_match_nothing() -> None:
    """A pattern of the configuration without any file is named, with a directory that is missing."""
    extra = [Source(f"/{name}/*.log", "auto", "app") for name in ("a", "b", "c", "gone")]
    sources = [*extra, *builtin_sources(Path("/l"))]
    found = list(input_findings(sources, [extra[0]], ["/b", "/l/x"], lambda path: path == "/gone"))
    assert [("/c/*.log", False), ("/gone/*.log", True)] == [
        (one.subject, "/gone does not exist" in one.sentence) for one in found
    ]
    assert {("nothing-matches", Severity.NOTE)} == set(names(found))


def test_names_that_no_input_reads(tmp_path: Path) -> None:
    """What may be a log and has the name of no input is named once, with the first names; the rest is left alone."""
    for name in ("app.log", "celery_worker.LOG", "audit/audit-2026.jsonl", "pipelines/loose.log", "gone/x.log.1",
                 "notes.txt", ".hidden.log", "read.log", "told.log", "a/b/c/deep.log"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x\n")
    (tmp_path / "empty.log").touch()
    (tmp_path / "link.log").symlink_to("app.log")
    known = {str(tmp_path / "read.log"), str(tmp_path / "told.log")}
    found = sorted(strangers(tmp_path, known, ["*/gone/*"]))
    assert ["app.log", "audit/audit-2026.jsonl", "celery_worker.LOG", "pipelines/loose.log"] == found
    [finding] = stranger_findings("/l", [*found, "x.log", "y.log"])
    assert ("not-read", Severity.NOTE) == (finding.name, finding.severity)
    assert (
        "app.log, audit/audit-2026.jsonl, celery_worker.LOG, pipelines/loose.log, x.log and 1 more"
        in finding.sentence
    )
    assert [] == list(stranger_findings("/l", []))


@pytest.mark.parametrize(("disk", "expected"), [
    (Disk(10**10, 10**11), [("state-space", Severity.OK)]),
    (Disk(50 * 2**20, 10**11), [("state-little-space", Severity.WARNING)]),
    (Disk(0, 10**11), [("state-no-space", Severity.ERROR)]),
    # SQLite's database with its journal finds no room in so much.
    (Disk(200 * 1024, 10**11), [("state-no-space", Severity.ERROR)]),
    (Disk(10**10, 10**11, inodes=3), [("state-no-space", Severity.ERROR)]),
    (Disk(10**10, 10**11, read_only=True, kind="nfs"), [("state-read-only", Severity.ERROR)]),
    (Disk(10**10, 10**11, kind="nfs4"), [("state-space", Severity.OK), ("state-on-network", Severity.WARNING)]),
    (None, []),
])  # fmt: skip
def test_space_for_the_state(disk: Disk | None, expected: list[tuple[str, Severity]]) -> None:
    """Bytes, inodes, a read-only mount and a network file system are told apart."""
    assert expected == names(state_disk("/s", disk))


def test_disk_of_the_logs() -> None:
    """A full disk and a network file system are notes, the latter only where events are relied on."""
    full, remote = Disk(10, 1000), Disk(900, 1000, kind="fuse.sshfs")
    assert ["log-disk-full"] == [one for one, _ in names(log_disk("/l", full, watch="auto", scan_interval=5))]
    assert ["network-file-system"] == [one for one, _ in names(log_disk("/l", remote, watch="auto", scan_interval=5))]
    assert [] == names(log_disk("/l", remote, watch="poll", scan_interval=5))


def test_kind_of_a_file_system() -> None:
    """The longest mount point above a path decides, the last of two at one point, blanks in it or not."""
    mounts = [
        "22 1 8:1 / / rw - ext4 /dev/sda1 rw",
        "30 22 0:40 / /data rw shared:1 - nfs4 server:/x rw",
        r"31 22 0:41 / /data/a\040b rw - tmpfs tmpfs rw",
        "32 30 0:42 / /data/c rw - tmpfs tmpfs rw",
        "33 32 0:43 / /data/c rw - xfs /dev/sdb rw",
        "nonsense",
    ]
    kinds = [kind_of(path, mounts) for path in ("/database", "/data/x", "/data/a b/x", "/data/c", "/data")]
    assert ["ext4", "nfs4", "tmpfs", "xfs", "nfs4"] == kinds


@pytest.mark.parametrize(("facts", "expected"), [
    (StateFacts("/s", "me", there=False, creatable=True), [("state-new", Severity.NOTE)]),
    (StateFacts("/s", "me", there=False), [("state-not-creatable", Severity.WARNING)]),
    (StateFacts("/s", "me", owner="me"), []),
    (StateFacts("/s", "me", owner="me", usable=False), [("state-not-writable", Severity.ERROR)]),
    (StateFacts("/s", "me", owner="you", usable=False), [("state-not-writable", Severity.WARNING)]),
    (StateFacts("/s", "root", owner="you", root=True, holder=7),
     [("state-owner", Severity.NOTE), ("running", Severity.OK)]),
    (StateFacts("/s", "me", owner="root"), [("state-owner", Severity.NOTE)]),
    (StateFacts("/s", "me", owner="you"), [("state-owner", Severity.WARNING)]),
    (StateFacts("/s", "me", file="/s"), [("state-not-writable", Severity.ERROR)]),
    (StateFacts("/s", "me", owner="me", unreadable=("/s/c",)), [("state-unreadable", Severity.WARNING)]),
])  # fmt: skip
def test_state_directory(facts: StateFacts, expected: list[tuple[str, Severity]]) -> None:
    """Whose it is, who may use it, and who does."""
    assert expected == names(state_findings(facts))


def test_watch_limits() -> None:
    """Too few watches or instances are warnings with the sysctl; polling needs neither."""
    for found, name in (
        (Inotify(100, 10), "inotify"), (Inotify(100, 10, watches=60), "inotify-watches"),
        (Inotify(100, 10, instances=10), "inotify-instances"),
    ):  # fmt: skip
        [finding] = watch_findings("/l", 50, found, watch="auto")
        assert (name, name != "inotify") == (finding.name, "sysctl fs.inotify.max_user_" in finding.do)
        assert [] == list(watch_findings("/l", 50, found, watch="poll"))
    assert [] == list(watch_findings("/l", 50, None, watch="auto"))


def test_directories_are_counted_once(tmp_path: Path) -> None:
    """Each directory below the roots counts once, however many roots and links lead to it."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "link").symlink_to(tmp_path)
    assert 3 == count_directories([str(tmp_path), str(tmp_path / "a"), str(tmp_path / "gone")])


def test_inotify_of_another_user_is_not_counted(tmp_path: Path) -> None:
    """Limits come from the kernel; without them nothing is said."""
    assert inotify_of(0, root=tmp_path) is None
    limits = tmp_path / "sys/fs/inotify"
    limits.mkdir(parents=True)
    (limits / "max_user_watches").write_text("8192\n")
    (limits / "max_user_instances").write_text("128\n")
    place = tmp_path / "77"
    (place / "fd").mkdir(parents=True)
    (place / "fdinfo").mkdir()
    (place / "fd" / "4").symlink_to("anon_inode:inotify")
    (place / "fdinfo" / "4").write_text("pos:\t0\ninotify wd:2 ino:1\ninotify wd:1 ino:2\n")
    uid = place.stat().st_uid
    assert Inotify(8192, 128, 2, 1) == inotify_of(uid, root=tmp_path)
    assert Inotify(8192, 128) == inotify_of(uid, exclude=[77], root=tmp_path) == inotify_of(uid + 1, root=tmp_path)


@pytest.mark.parametrize(("line", "config"), [
    ("/venv/bin/python /venv/bin/neuroflow-ship --config /etc/a.yaml", "/etc/a.yaml"),
    ("neuroflow-ship -c a.yaml --once", "a.yaml"), ("neuroflow-ship --config=a.yaml", "a.yaml"),
    ("neuroflow-ship", ""), ("python -m shipper.cli.ship -ca.yaml", "a.yaml"),
    ("neuroflow-ship --config a.yaml check", None), ("neuroflow-logs show", None), ("vi neuroflow-ship.md", None),
    ("", None),
])  # fmt: skip
def test_sidecars_are_recognised(line: str, config: str | None) -> None:
    """A sidecar's command line names its configuration; commands that only look are no sidecars."""
    assert config == sidecar_config(tuple(line.split(" ")))


def test_two_readers_of_one_log() -> None:
    """Another sidecar on the same logs is a warning, this one's own process is not; another shipper is a note."""
    files = {(1, 2): "/l/a.log", (1, 3): "/l/b.log"}
    sidecars = [Sidecar(5, "/l", "/s"), Sidecar(6, "/l", "/other"), Sidecar(7, "/elsewhere", "/t")]
    others = [
        Process(8, ("/usr/bin/filebeat", "-e"), reads=frozenset({(1, 2), (1, 3)})),
        Process(9, ("vector",), reads=frozenset({(4, 4)})),
        Process(10, ("tail", "-f"), reads=frozenset({(1, 2)})),
        Process(11, ("java", "-cp", "x", "org.logstash.Logstash"), reads=frozenset({(1, 3)})),
        Process(12, ("/usr/bin/ruby", "/usr/sbin/fluentd"), reads=frozenset({(4, 4)})),
        Process(7, ("neuroflow-ship",), reads=frozenset({(1, 2)})),
    ]
    found = list(readers(sidecars, others, log_dir="/l", state_dir="/s", files=files))
    assert [("two-sidecars", Severity.WARNING)] * 2 + [("another-shipper", Severity.NOTE)] * 2 == names(found)
    assert "process 6 is another sidecar that reads /l, " in found[0].sentence
    assert "process 7 is another sidecar that reads /l/a.log, " in found[1].sentence
    assert "filebeat (process 8) has /l/a.log open and 1 more" in found[2].sentence
    assert "logstash (process 11) has /l/b.log open: " in found[3].sentence
    assert "fluentd" == others[4].shipper


def test_a_reader_that_has_no_file_open() -> None:
    """What its configuration reads counts, since idle files are closed."""
    files = {(1, 2): "/l/a.log", (1, 3): "/l/b.log"}
    sidecars = [Sidecar(6, "/x", "/t", frozenset({(1, 3), (7, 7)})), Sidecar(7, "/x", "/t", frozenset({(7, 7)}))]
    [finding] = readers(sidecars, [Process(6, ("neuroflow-ship",))], log_dir="/l", state_dir="/s", files=files)
    assert "process 6 is another sidecar that reads /l/b.log, " in finding.sentence


def test_processes_that_end_meanwhile(tmp_path: Path) -> None:
    """What vanishes or may not be looked at is passed over."""
    (tmp_path / "5").mkdir()
    (tmp_path / "6").mkdir()
    (tmp_path / "6" / "cmdline").write_bytes(b"neuroflow-ship\0--config\0a.yaml\0")
    (tmp_path / "self").mkdir()
    [found] = processes(tmp_path)
    assert (6, None, frozenset()) == (found.number, found.directory, found.reads)
    assert [] == list(processes(tmp_path, exclude={6})) == list(processes(tmp_path / "gone"))


@pytest.mark.parametrize(("sections", "said"), [
    ({"elastic", "shipper"}, "a section elastic and none with the name elasticsearch"),
    ({"Shipper"}, "a section Shipper and none with the name shipper"),
    ({"loging", "shipper"}, "none with the name logging"),
    ({"elasticsearch", "elastic", "shipper", "logging"}, None),
    ({"paths", "loging"}, None),
    ({"database", "celery", "workflow", "pipelines"}, None),
    (set(), None),
])  # fmt: skip
def test_sections_that_are_misspelt(sections: set[str], said: str | None) -> None:
    """An unknown section is the application's, unless its name is nearly that of one that is missing."""
    found = list(misspelt_sections("/c", sections))
    assert (said is not None) == bool(found)
    assert said is None or said in found[0].sentence


def test_configuration_file_and_root() -> None:
    """A credential that all may read is a warning; root is told that it sees more than the sidecar."""
    assert [("secrets-readable", Severity.WARNING)] == names(readable_secrets("/c", 0o644, holds=True))
    for mode, holds in ((0o640, True), (0o644, False), (None, True)):
        assert [] == names(readable_secrets("/c", mode, holds=holds))
    assert [("root", Severity.NOTE)] == names(running_as(0, "/c"))
    assert [] == names(running_as(1000, "/c"))
