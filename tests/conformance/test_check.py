"""``check``: each mistake is found, told apart in words, and says what to do; nothing is changed."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shipper.config import Elasticsearch as Settings
from shipper.doctor.hosts import host_findings, reach
from tests.certificates import Certificates
from tests.conformance.fake import PRODUCT, Exchange, Fake, page, product, refuse, say, silence
from tests.conformance.faked import FakedHarness
from tests.conformance.harness import PATIENCE, Harness
from tests.conformance.test_process_state import ALONE, needs_mount
from tests.conformance.test_tls import CASES, configured, server
from tests.conformance.test_watch_limits import with_no_more
from tests.conformance.test_watch_places import without_privilege
from tests.conformance.watched import Watched

__all__ = ["server"]  # a fixture

LINE = '{"timestamp":"2026-11-27T01:00:00Z","event":"x"}\n'


def checked(harness: Harness, *arguments: str, before: tuple[str, ...] = ()) -> dict[str, Any]:
    """The JSON of ``check``; its exit code is in it."""
    command = [*before, *harness.command("check", "--json", *arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == answer["exit_code"], done.stdout
    return answer


def found(answer: dict[str, Any], name: str) -> dict[str, Any]:
    """The one finding of this name."""
    [finding] = [one for one in answer["findings"] if name == one["name"]]
    return dict(finding)


def names(answer: dict[str, Any]) -> set[str]:
    """The names of all findings."""
    return {one["name"] for one in answer["findings"]}


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file with its size and time."""
    return {str(path): ((stat := path.lstat()).st_size, stat.st_mtime_ns) for path in sorted(folder.rglob("*"))}


class TestWholeReport:
    def test_nothing_changes(self, faked: FakedHarness) -> None:
        """Neither files nor the cluster: every request reads, and nothing is created."""
        faked.log.write_text(LINE)
        asked: list[str] = []
        answer = faked.fake.answer

        def note(one: Exchange) -> None:
            asked.append(f"{one.method} {one.path}")
            answer(one)

        faked.fake.otherwise[""] = note
        before = tree(faked.folder)
        report = checked(faked)
        assert 0 == report["exit_code"], report
        assert before == tree(faked.folder)
        assert [] == [one for one in asked if not one.startswith("GET") and "_search" not in one
                      and "_has_privileges" not in one and "_simulate_index" not in one]  # fmt: skip
        assert 0 == faked.fake.documents

    def test_files_are_shown_without_a_cluster(self, faked: FakedHarness) -> None:
        """The exit code is 3, and what the machine tells is there nevertheless."""
        faked.log.write_text(LINE)
        faked.configure(elasticsearch={"hosts": ["http://127.0.0.1:9"]})
        report = checked(faked)
        assert (3, "error") == (report["exit_code"], found(report, "unreachable")["severity"])
        assert {"file", "state-space", "skipped"} <= names(report)

    def test_one_of_two_addresses(self, faked: FakedHarness) -> None:
        """An address that does not answer is a warning beside one that does."""
        faked.configure(elasticsearch={"hosts": [faked.fake.url, "http://127.0.0.1:9"]})
        report = checked(faked)
        assert (0, "warning") == (report["exit_code"], found(report, "unreachable")["severity"])
        assert "http://127.0.0.1:9" == found(report, "unreachable")["subject"]
        assert 1 == checked(faked, "--strict")["exit_code"]

    def test_silence_costs_one_time_out(self, faked: FakedHarness) -> None:
        """A cluster that stops answering is waited for once, and the checks behind it are left out."""
        faked.configure(elasticsearch={"request_timeout": 3})
        health, silent = faked.fake.answer, 0

        def answer(one: Exchange) -> None:
            nonlocal silent
            if one.path == "/_cluster/health":
                health(one)
            else:
                silent += 1
                silence(one)

        faked.fake.otherwise[""] = answer
        report = checked(faked)
        assert (3, 1) == (report["exit_code"], silent)
        assert {"timeout", "skipped"} <= names(report)

    def test_invalid_configuration_as_json(self, faked: FakedHarness) -> None:
        """It is a finding like others, and the exit code is 2."""
        faked.config.write_text('{"shipper": {"namespce": "x"}}')
        report = checked(faked)
        assert 2 == report["exit_code"]
        assert "nearest valid key: namespace" in found(report, "configuration")["sentence"]

    def test_deprecations_of_the_cluster_are_left_out(self, faked: FakedHarness) -> None:
        """What Elasticsearch says in the header ``Warning`` stands neither in the report nor in the sidecar's log."""
        faked.log.write_text(LINE)
        headers = PRODUCT | {"Warning": '299 Elasticsearch-9.5.3-0 "[a.setting] was deprecated"'}
        send = Exchange.send

        def answer(one: Exchange) -> None:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(one, "send", lambda status, body: send(one, status, body, headers))
                one.fake.answer(one)

        faked.fake.otherwise[""] = answer
        for arguments in (("check",), ("--once",), ("setup",)):
            done = faked.run(*arguments)
            assert 0 == done.returncode, done.stderr
            assert "deprecated" not in done.stdout + done.stderr

    def test_for_people(self, faked: FakedHarness) -> None:
        """Groups, what to do below each problem, and a summary as the last line; nothing commands the terminal."""
        (faked.logs / "neuroflow.log.1.\x1b]0;x\x07.zst").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(range(256)))
        faked.log.write_text(LINE)
        shown = faked.ask("check").stdout
        for group in ("configuration:", "files:", "state:", "cluster:", "permissions:", "templates:"):
            assert f"\n{group}\n" in f"\n{shown}"
        assert "  warning: not read: " in shown
        assert "\n    do: unpack it at the same place, or name it under shipper.exclude\n" in shown
        assert shown.splitlines()[-1].startswith("found: 1 warning (not-read)") or "host-name" in shown
        assert "\x1b" not in shown
        assert "\x07" not in shown

    def test_user_without_a_home(self, faked: FakedHarness) -> None:
        """A container may run the programs as a number that no file of users names."""
        code = (
            "import pathlib\ndef home(): raise RuntimeError('Could not determine home directory.')\n"
            "pathlib.Path.home = home\nfrom shipper.cli.ship import main\nmain()"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, "--config", str(faked.config), "check"],
            cwd=_root(), capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert (0, "") == (done.returncode, done.stderr)


class TestCluster:
    @pytest.mark.parametrize(("answer", "name", "said"), [
        (refuse(401, "security_exception", "unable to authenticate"), "credentials", "rejects the credentials (401)"),
        (page(200), "not-elasticsearch", "a proxy or another service"),
        (page(502), "not-elasticsearch", "a proxy or another service"),
        (refuse(503, "cluster_block_exception", "no master"), "cluster-unavailable", "answered 503"),
        (silence, "timeout", "did not answer within 2 s"),
    ])  # fmt: skip
    def test_what_answers_is_told_apart(self, faked: FakedHarness, answer: Any, name: str, said: str) -> None:
        """A wrong key, a proxy, a sick cluster, and silence have findings of their own."""
        faked.fake.otherwise[""] = answer
        report = checked(faked)
        assert 3 == report["exit_code"]
        assert said in found(report, name)["sentence"]
        assert found(report, name)["do"]

    @pytest.mark.parametrize("name", CASES)
    def test_every_fault_of_tls(self, server: Fake, certificates: Certificates, tmp_path: Path, name: str) -> None:
        """An expired certificate, another authority, another host and the others are told apart in words."""
        case = CASES[name]
        server.tls = case.server(certificates, tmp_path)
        settings = Settings.model_validate(configured(case, server, certificates))
        [finding] = host_findings(reach(settings), no_key=False)
        assert ("unreachable" if name == "http to https" else "tls", "error") == (finding.name, finding.severity.word)
        assert case.said in finding.sentence
        assert finding.do

    def test_a_proxy_that_refuses_is_no_weak_key(self, faked: FakedHarness) -> None:
        """Its 403 is not the key's, and what it answers is quoted."""
        faked.fake.otherwise[""] = page(403)
        sentence = found(checked(faked), "not-elasticsearch")["sentence"]
        assert "answered 403: 403 from a proxy (that was a proxy or another service" in sentence
        faked.fake.otherwise[""] = say(401, {"message": "no key in the request"})
        assert "no key in the request" in found(checked(faked), "credentials")["sentence"]

    @pytest.mark.parametrize(("login", "do"), [
        ({"username": "u", "password": "p"}, "elasticsearch.password"),
        ({"api_key": "id:secret"}, "the base64 of id:key"),
        ({"api_key": "aWQ6c2VjcmV0"}, "has expired"),
    ])  # fmt: skip
    def test_what_to_do_about_credentials(self, faked: FakedHarness, login: dict[str, str], do: str) -> None:
        """It names the keys that hold them, and the usual mistake with an API key."""
        faked.configure(elasticsearch=login)
        faked.fake.otherwise[""] = refuse(401, "security_exception", "unable to authenticate")
        assert do in found(checked(faked), "credentials")["do"]

    def test_the_proxy_is_at_fault(self, faked: FakedHarness) -> None:
        """Then Elasticsearch is not to be started."""
        faked.configure(elasticsearch={"proxy": "http://127.0.0.1:9"})
        assert found(checked(faked), "unreachable")["do"].startswith("correct elasticsearch.proxy")

    def test_no_key_at_all(self, faked: FakedHarness) -> None:
        """An empty variable is the usual cause of a 401 without credentials."""
        faked.configure(elasticsearch={"api_key": ""})
        faked.fake.otherwise[""] = refuse(401, "security_exception", "missing credentials")
        assert "no credentials are configured" in found(checked(faked), "credentials")["do"]

    @pytest.mark.parametrize(("minutes", "skewed"), [(0, False), (7, True), (-7, True)])
    def test_clock(self, faked: FakedHarness, minutes: int, skewed: bool) -> None:
        """The cluster's clock stands in the name that it makes of date math."""

        def answer(one: Exchange) -> None:
            if "{now{" in one.path:
                at = datetime.now(UTC) + timedelta(minutes=minutes)
                name = one.path[2:].partition("-{")[0] + at.strftime("-%Y.%m.%d.%H.%M.%S.%f")[:-3]
                return refuse(404, "index_not_found_exception", f"no such index [{name}]")(one)
            return one.fake.answer(one)

        faked.fake.otherwise[""] = answer
        report = checked(faked)
        assert ("clock-skew" if skewed else "clock") in names(report)
        if skewed:
            sentence = found(report, "clock-skew")["sentence"]
            assert f"s {'behind' if minutes > 0 else 'ahead of'} the cluster's" in sentence

    def test_version_and_limits(self, faked: FakedHarness) -> None:
        """An old node, a cluster without room for shards, and a read-only one are errors."""
        health = {"status": "red", "number_of_nodes": 1, "number_of_data_nodes": 1, "active_shards": 1000}
        settings = {"persistent": {"cluster": {"max_shards_per_node": "1000", "blocks": {"read_only": "true"}}}}
        disks = [{"node": "n", "disk.avail": "3", "disk.total": "100"}]
        faked.fake.otherwise |= {
            "GET /_nodes": product(200, {"nodes": {"n": {"version": "8.11.1"}}}),
            "GET /_cluster/health": product(200, health),
            "GET /_cluster/settings": product(200, settings),
            "GET /_cat/allocation": product(200, disks),
        }
        report = checked(faked)
        assert 1 == report["exit_code"]
        assert {"version-too-old", "cluster-red", "shard-limit", "cluster-read-only", "cluster-disk"} <= names(report)

    def test_opensearch(self, faked: FakedHarness) -> None:
        """It is named as what it is."""
        body = {"version": {"number": "2.19.0", "distribution": "opensearch"}}
        faked.fake.otherwise |= {"GET /_nodes": refuse(403, "security_exception"), "GET /": product(200, body)}
        faked.fake.otherwise["GET /_cluster"] = product(200, {"status": "green"})
        faked.fake.otherwise = {key: faked.fake.otherwise[key] for key in sorted(faked.fake.otherwise, reverse=True)}
        assert "is opensearch 2.19.0, not Elasticsearch" in found(checked(faked), "not-elasticsearch")["sentence"]


class TestKibana:
    def test_unreachable_and_wrong_space(self, faked: FakedHarness) -> None:
        """Kibana is a warning, since shipping does not need it."""
        document = json.loads(faked.config.read_text())
        document["kibana"] = {"url": "http://127.0.0.1:9"}
        faked.config.write_text(json.dumps(document))
        report = checked(faked)
        assert 0 == report["exit_code"]
        assert "can't be reached" in found(report, "kibana")["sentence"]
        document["kibana"] = {"url": faked.fake.url, "space": "lab"}
        faked.config.write_text(json.dumps(document))
        assert "is Elasticsearch, not Kibana" in found(checked(faked), "kibana")["sentence"]
        headers = {"kbn-name": "k"}
        faked.fake.otherwise["GET /s/lab/api"] = lambda one: one.send(200, {"data_view": []}, headers)
        faked.fake.otherwise["GET /api/spaces"] = lambda one: one.send(404, {"statusCode": 404}, headers)
        assert "has no space 'lab'" in found(checked(faked), "kibana")["sentence"]
        faked.fake.otherwise["GET /api/spaces"] = lambda one: one.send(200, {"id": "lab"}, headers)
        assert "ok" == found(checked(faked), "kibana")["severity"]


class TestMachine:
    def test_wrong_zone(self, faked: FakedHarness) -> None:
        """Lines that were just written, with a time of another zone."""
        (faked.logs / "celery").mkdir()
        log = faked.logs / "celery" / "worker.log"
        at = datetime.now(UTC) + timedelta(hours=2)
        log.write_text(f"[{at:%Y-%m-%d %H:%M:%S},000: INFO/MainProcess] hello\n")
        report = checked(faked)
        assert "zone UTC+2" in found(report, "wrong-zone")["sentence"]
        faked.configure(timezone="Etc/GMT-2")
        assert "wrong-zone" not in names(checked(faked))

    def test_times_in_the_future(self, faked: FakedHarness) -> None:
        """A line whose clock is ahead of this machine's."""
        at = datetime.now(UTC) + timedelta(minutes=11)
        faked.log.write_text(json.dumps({"timestamp": at.isoformat(), "event": "x"}) + "\n")
        assert "lines-in-future" in names(checked(faked))

    def test_permissions_by_path(self, faked: FakedHarness) -> None:
        """The directory or file that refuses, with its mode, its owner, and a command."""
        faked.log.write_text(LINE)
        worker = faked.logs / "worker.log"
        worker.write_text(LINE)
        worker.chmod(0)
        closed = faked.logs / "celery"
        closed.mkdir()
        closed.chmod(0)
        try:
            report = checked(faked, before=tuple(without_privilege()))
        finally:
            closed.chmod(0o700)
        denied = {one["subject"]: one for one in report["findings"] if "no-permission" == one["name"]}
        assert {str(worker), str(closed)} == denied.keys()
        assert "(mode 0000, owner " in denied[str(worker)]["sentence"]
        assert f"setfacl -m u:{_me()}:r {worker}" in denied[str(worker)]["do"]
        assert f"setfacl -R -m u:{_me()}:rX" in denied[str(closed)]["do"]

    def test_nothing_matches(self, faked: FakedHarness) -> None:
        """The names in the directory are compared with those that are read."""
        assert "is empty" in found(checked(faked), "nothing-matches")["sentence"]
        (faked.logs / "neuroflw.log").write_text(LINE)
        assert "neuroflw.log (like neuroflow.log)" in found(checked(faked), "nothing-matches")["sentence"]
        faked.log.write_text(LINE)
        assert "nothing-matches" not in names(checked(faked))

    def test_no_log_directory(self, faked: FakedHarness) -> None:
        """A missing directory is named with the nearest one beside it."""
        document = json.loads(faked.config.read_text())
        document["logging"] = {"log_dir": str(faked.folder / "logz")}
        faked.config.write_text(json.dumps(document))
        assert f"{faked.logs} is" in found(checked(faked), "log-directory-missing")["sentence"]

    def test_running_and_second_sidecar(self, faked: FakedHarness, tmp_path: Path) -> None:
        """The sidecar of this state directory runs; one with another state directory is a second one."""
        faked.log.write_text(LINE)
        first = Watched(faked)
        assert first.comes(lambda: faked.fake.documents == 1)
        report = checked(faked)
        assert str(first.process.pid) in found(report, "running")["sentence"]
        assert "two-sidecars" not in names(report)
        twin = json.loads(faked.config.read_text())
        twin["shipper"] |= {"state_dir": str(tmp_path / "other")}
        twin["shipper"].pop("telemetry", None)
        other = tmp_path / "twin.yaml"
        other.write_text(json.dumps(twin))
        command = [sys.executable, "-m", "shipper.cli.ship", "--config", "twin.yaml"]
        with subprocess.Popen(
            command, cwd=tmp_path, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": _root()}
        ) as second:
            try:
                assert faked.eventually((tmp_path / "other" / "lock").exists)
                finding = found(checked(faked), "two-sidecars")
            finally:
                second.terminate()
                second.wait(PATIENCE)
        assert f"the process {second.pid} is another sidecar" in finding["sentence"]
        assert f"kill {second.pid}" in finding["do"]
        first.send(15)
        assert 0 == first.wait()

    def test_state_that_is_no_directory(self, faked: FakedHarness) -> None:
        """A file at its place, or above it, would end the start, and is an error."""
        faked.state.write_text("x")
        assert "is no directory" in found(checked(faked), "state-not-writable")["sentence"]
        faked.configure(state_dir=str(faked.state / "below"))
        report = checked(faked)
        assert (1, True) == (report["exit_code"], f"{faked.state} is no directory" in str(report["findings"]))

    @needs_mount
    def test_read_only_state_is_one_finding(self, faked: FakedHarness) -> None:
        """Nobody is told to change the owner of a directory that nobody can write."""
        faked.state.mkdir()
        script = f'mount -t tmpfs -o ro none {faked.state} && exec "$@"'
        report = checked(faked, before=(*ALONE, script, "sh"))
        assert {"state-read-only"} == {one for one in names(report) if one.startswith("state-")}

    @needs_mount
    @pytest.mark.parametrize(("options", "name"), [
        ("size=4k", "state-no-space"), ("size=10m", "state-little-space"), ("ro", "state-read-only"),
        ("size=1g,nr_inodes=2", "state-no-space"),
    ])  # fmt: skip
    def test_disk_of_the_state(self, faked: FakedHarness, options: str, name: str) -> None:
        """A full disk, one without inodes, and a read-only one, as the kernel has them."""
        faked.state.mkdir()
        script = f'mount -t tmpfs -o {options} none {faked.state} && exec "$@"'
        report = checked(faked, before=(*ALONE, script, "sh"))
        assert name in names(report), report
        assert (1 if "little" not in name else 0) == report["exit_code"]

    @pytest.mark.parametrize("limit", ["watches", "instances"])
    def test_no_inotify(self, faked: FakedHarness, limit: str) -> None:
        """Without watches or instances the sysctl is named."""
        report = checked(faked, before=tuple(with_no_more(f"max_inotify_{limit}")))
        assert f"fs.inotify.max_user_{limit}=" in found(report, f"inotify-{limit}")["do"]

    def test_another_user(self, faked: FakedHarness) -> None:
        """A user who may not read the state is told so, and sees the rest."""
        faked.log.write_text(LINE)
        assert 0 == faked.once().returncode
        faked.state.chmod(0o755)
        store = faked.state / "cursors.sqlite"
        store.chmod(0)
        try:
            report = checked(faked, before=tuple(without_privilege()))
        finally:
            store.chmod(0o600)
        assert str(store) in found(report, "state-unreadable")["sentence"]
        assert {"file", "cluster"} <= names(report)

    def test_many_files(self, faked: FakedHarness) -> None:
        """Thousands of files are all listed."""
        for number in range(1200):
            folder = faked.logs / "pipelines" / f"p{number % 40}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"p_{number}_20261127_010000.log").write_text("x\n")
        report = checked(faked)
        assert 1200 == sum("file" == one["name"] for one in report["findings"])


def _root() -> str:
    return str(Path(__file__).parents[2])


def _me() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name
