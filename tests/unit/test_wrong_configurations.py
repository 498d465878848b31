"""With any invalid configuration every command gives a sentence and exits 2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from shipper.cli.logs import logs
from shipper.cli.ship import ship
from tests.wrong import FILES, SECRET, SECTIONS

COMMANDS: tuple[list[str], ...] = (
    [], ["--once"], ["check"], ["setup"], ["status"], ["dead-letters", "replay"], ["rebuild-runs"],
)  # fmt: skip


def ends_with_a_sentence(path: Path) -> None:
    """Check that each command does, without a secret."""
    for group, commands in ((ship, COMMANDS), (logs, (["show"], ["search", "x"]))):
        for arguments in commands:
            result = CliRunner().invoke(group, ["--config", str(path), *arguments])
            assert (2, True) == (result.exit_code, isinstance(result.exception, SystemExit)), result.output
            assert str(path) in result.output
            assert SECRET not in result.output
            assert "hunter2" not in result.output


@pytest.mark.parametrize("name", SECTIONS)
def test_wrong_values(tmp_path: Path, name: str) -> None:
    """The error names file and key, and no credential."""
    path = tmp_path / "neuroflow.yaml"
    path.write_text(json.dumps(SECTIONS[name]))
    ends_with_a_sentence(path)


@pytest.mark.parametrize("name", FILES)
def test_wrong_files(tmp_path: Path, name: str) -> None:
    """Empty, cut and invalid files are refused."""
    path = tmp_path / "neuroflow.yaml"
    path.write_bytes(FILES[name])
    ends_with_a_sentence(path)


def test_what_only_the_client_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the client, for example a vanished certificate file, gives a sentence."""
    path = tmp_path / "neuroflow.yaml"
    path.write_text(json.dumps({"shipper": {"state_dir": str(tmp_path / "state")}}))

    def refuse(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr("shipper.elastic.client.Elasticsearch", refuse)
    for group, arguments in ((ship, []), (ship, ["--once"]), (ship, ["check"]), (ship, ["setup"]), (logs, ["show"])):
        result = CliRunner().invoke(group, ["--config", str(path), *arguments])
        assert (2, True) == (result.exit_code, isinstance(result.exception, SystemExit)), result.output
        assert "the client can't use this" in result.output
    assert not (tmp_path / "state" / "clean").exists()
