"""``neuroflow-ship init``: the sections that it writes, and what stays as it was."""

from __future__ import annotations

import itertools
import stat
from pathlib import Path

import click.testing
import pytest
import yaml

from shipper.cli import discovery, init
from shipper.cli.discovery import LocalCluster
from shipper.cli.init import SECTIONS, Surroundings, extended, next_steps, remarks, text_of, write
from shipper.cli.ship import ship
from shipper.config import ConfigError, load
from tests.unit.test_pages import CERTIFICATE

OF_APPLICATION = b"# theirs\nlogging: {log_dir: /srv/logs}   # here\ncelery:\n  broker: redis\n"


def given(
    cluster: LocalCluster | None = None,
    *,
    container: str | None = None,
    zone: str | None = "Europe/Berlin",
    remote: str | None = None,
    log_dir: str = "/var/log/neuroflow",
) -> Surroundings:
    """What was found on a machine."""
    state_dir = Path("/var/lib/neuroflow-ship")
    return Surroundings(
        cluster,
        Path(log_dir),
        named=True,
        host="neuro-01",
        container=container,
        zone=zone,
        remote=remote,
        state_dir=state_dir,
    )


CLUSTERS = [
    None,
    LocalCluster("http://127.0.0.1:9200", secured=False),
    LocalCluster("https://127.0.0.1:9200", secured=True, authority=CERTIFICATE),
    LocalCluster("https://127.0.0.1:9200", secured=True, verified=False),
]


@pytest.mark.parametrize("cluster", CLUSTERS)
@pytest.mark.parametrize("container", [None, "/.dockerenv"])
def test_written_configuration_is_valid(tmp_path: Path, cluster: LocalCluster | None, container: str | None) -> None:
    """Whatever was found, the text is a configuration with the values that were found, without any variable set."""
    path = tmp_path / "neuroflow.yaml"
    log_dir = f"{tmp_path}/a: log's # directory"
    found = given(cluster, container=container, remote="nfs4", log_dir=log_dir)
    write(path, None, text_of(found, new=True))
    config = load(path, {})
    assert Path(log_dir) == config.log_dir
    assert [cluster.url if cluster else "http://127.0.0.1:9200"] == config.elasticsearch.hosts
    assert (str(CERTIFICATE) if cluster and cluster.authority else None) == config.elasticsearch.ca_certs
    assert ("neuroflow" if container else "neuro-01") == config.shipper.host_name
    assert ("Europe/Berlin", "poll") == (config.shipper.timezone, config.shipper.watch)


def test_suggestions_are_valid() -> None:
    """What the text shows as comments is valid YAML when the comment's sign is taken away."""
    text = text_of(given(), new=True)
    lines = [line.strip().removeprefix("# ") for line in text.splitlines()]
    shown = [
        yaml.safe_load(line) for line in lines if line.startswith(("api_key", "ca_certs", "telemetry", "redact"))
    ]
    assert ["api_key", "api_key", "ca_certs", "telemetry", "redact"] == [next(iter(one)) for one in shown]


def test_no_secret_is_written() -> None:
    """The API key is a variable or a file; where no credentials are needed there is none."""
    with_security, without = (text_of(given(CLUSTERS[at]), new=False) for at in (2, 1))
    assert "  api_key: ${NEUROFLOW_ES_API_KEY:-}\n" in with_security
    assert "\n  api_key:" not in without


@pytest.mark.parametrize("old", [OF_APPLICATION, OF_APPLICATION.rstrip(), OF_APPLICATION.replace(b"\n", b"\r\n")])
def test_file_of_the_application_is_kept(tmp_path: Path, old: bytes) -> None:
    """What was there stays byte for byte, with mode and owner; sections come behind it."""
    path = tmp_path / "neuroflow.yaml"
    path.write_bytes(old)
    path.chmod(0o604)
    before = path.stat()
    write(path, old, text_of(given(), new=False))
    assert path.read_bytes().startswith(old)
    after = path.stat()
    assert (before.st_mode, before.st_uid, before.st_gid) == (after.st_mode, after.st_uid, after.st_gid)
    assert Path("/srv/logs") == load(path, {}).log_dir
    assert b"\r\n" not in old or path.read_bytes().count(b"\n") == path.read_bytes().count(b"\r\n")
    assert [path] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "old",
    [
        b"{logging: {log_dir: /srv/logs}}\n",  # nothing can stand behind it
        b"logging: {}\n...\n---\nother: {}\n",  # nor in another document
        b"celery: |+\n  a text\n",  # an empty line belongs to the text
        b"shipper: {namespace: UPPER}\n",  # what is there already is wrong
    ],
)
def test_files_that_can_not_be_extended_stay(tmp_path: Path, old: bytes) -> None:
    """Where the result would not be valid, nothing is written."""
    path = tmp_path / "neuroflow.yaml"
    path.write_bytes(old)
    with pytest.raises(ConfigError):
        write(path, old, text_of(given()._replace(missing=("elasticsearch",)), new=False))
    assert old == path.read_bytes()
    assert [path] == list(tmp_path.iterdir())


def test_file_that_changes_meanwhile_stays(tmp_path: Path) -> None:
    """What somebody else wrote after it was read is not overwritten."""
    path = tmp_path / "neuroflow.yaml"
    path.write_bytes(OF_APPLICATION)
    with pytest.raises(ConfigError, match="somebody else"):
        write(path, OF_APPLICATION[:-1], text_of(given(), new=False))
    assert OF_APPLICATION == path.read_bytes()


def test_file_that_appears_meanwhile_stays(tmp_path: Path) -> None:
    """What somebody else created while there seemed to be no file is not overwritten."""
    path = tmp_path / "neuroflow.yaml"
    path.write_bytes(OF_APPLICATION)
    with pytest.raises(FileExistsError):
        write(path, None, text_of(given(), new=True))
    assert OF_APPLICATION == path.read_bytes()
    assert [path] == list(tmp_path.iterdir())


def test_new_file_is_not_for_everybody(tmp_path: Path) -> None:
    """A file that is created may be read by its group."""
    path = tmp_path / "neuroflow.yaml"
    write(path, None, text_of(given(), new=True))
    assert 0o640 == stat.S_IMODE(path.stat().st_mode)


def test_empty_file_has_no_gap() -> None:
    """The first section of an empty file stands at its top."""
    assert b"shipper: {}\n" == extended(b"", "shipper: {}\n")


def test_next_steps_name_what_is_missing() -> None:
    """A key where credentials are needed, the state directory where it can't be made, and always the commands."""
    path = Path("/etc/neuro flow/neuroflow.yaml")
    for cluster, writable, written in itertools.product(CLUSTERS, (True, False), (True, False)):
        steps = list(next_steps(path, given(cluster), writable=writable, written=written, new=True))
        assert (cluster is None or cluster.secured) == any("NEUROFLOW_ES_API_KEY" in step for step in steps)
        assert writable != any("/var/lib/neuroflow-ship" in step for step in steps)
        assert written != any("init --write" in step for step in steps)
        assert written == any("chgrp" in step for step in steps)
        for word in ("setup", "check", "--no-setup"):
            assert any(f"neuroflow-ship --config '{path}' {word}" in step for step in steps)


def test_remarks_tell_what_was_found(tmp_path: Path) -> None:
    """The cluster and the log directory are told, each as it is."""
    told = [" ".join(remarks(given(cluster, log_dir=str(tmp_path)))) for cluster in CLUSTERS]
    expected = ("no Elasticsearch answers", "asks for no credentials", "asks for credentials", "can't be verified")
    assert [] == [(part, text) for part, text in zip(expected, told, strict=True) if part not in text]
    assert "not there yet" in " ".join(remarks(given(log_dir=str(tmp_path / "none"))))


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder as working directory and home, on a machine without Elasticsearch."""
    monkeypatch.setattr(discovery, "local_cluster", lambda: None)
    monkeypatch.setattr(init, "DEFAULT_FILE", tmp_path / "none/neuroflow.yaml")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NEUROFLOW_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_working_directory_that_is_gone(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command says so."""
    gone = alone / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    done = run("--config", "x.yaml", "init")
    assert (2, True) == (done.exit_code, "the working directory does not exist any more" in done.stderr)


def test_a_file_of_another_application_is_doubted(alone: Path) -> None:
    """A file with none of the application's sections may be a mistake; what stands in it is named."""
    (alone / "neuroflow.yaml").write_text("version: 3\nservices: {}\n")
    assert "with the sections version, services, and neither logging nor paths" in run("init").stderr
    (alone / "neuroflow.yaml").write_text("paths: {}\n")
    assert "found the application's configuration" in run("init").stderr


def run(*arguments: str) -> click.testing.Result:
    """The command's result."""
    return click.testing.CliRunner().invoke(ship, [*arguments], prog_name="neuroflow-ship")


def test_prints_by_default(alone: Path) -> None:
    """Without --write the sections go to standard output, and no file is made."""
    done = run("init")
    assert (0, {"logging", *SECTIONS}) == (done.exit_code, set(yaml.safe_load(done.stdout)))
    assert [] == list(alone.iterdir())
    assert "init --write" in done.stderr


def test_writes_what_is_missing_once(alone: Path) -> None:
    """A section that is there is left alone; a second time nothing changes."""
    path = alone / "neuroflow.yaml"
    path.write_text("elasticsearch: {hosts: ['http://es.lab:9200']}\n", encoding="utf-8")
    first = run("init", "--write")
    written = path.read_bytes()
    assert (0, "") == (first.exit_code, first.stdout)
    assert ["http://es.lab:9200"] == load(path, {}).elasticsearch.hosts
    assert 1 == written.count(b"elasticsearch:")
    assert not [word for word in ("127.0.0.1", "NEUROFLOW_ES_API_KEY") if word in first.stderr], "of what is there"
    second = run("init", "--write")
    assert (0, written) == (second.exit_code, path.read_bytes())
    assert "already; nothing was changed" in second.stderr


def test_follows_links(alone: Path) -> None:
    """A link to the file stays a link."""
    (alone / "real.yaml").write_bytes(OF_APPLICATION)
    (alone / "neuroflow.yaml").symlink_to("real.yaml")
    assert 0 == run("init", "--write").exit_code
    assert (alone / "neuroflow.yaml").is_symlink()
    assert {"logging", "celery", *SECTIONS} == set(yaml.safe_load((alone / "real.yaml").read_bytes()))


@pytest.mark.usefixtures("alone")
def test_directory_that_is_missing() -> None:
    """A file that can't be made ends the command with a sentence, and exit code 2."""
    done = run("--config", "no/such/directory/neuroflow.yaml", "init", "--write")
    assert 2 == done.exit_code
    assert "can't be written: No such file or directory" in done.stderr
