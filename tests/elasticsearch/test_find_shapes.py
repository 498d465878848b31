"""Searching for what people type and paste, of every shape, through the command line over a real node."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from elasticsearch import Elasticsearch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipper.cli.logs import logs
from shipper.elastic.templates import install
from shipper.testnode.node import Node

# Each value under a key of its own name, as JSON has it; the console shows the same.
VALUES: dict[str, Any] = {
    "errors": ["first thing", "b"],
    "subjects": ["one", "two", "three"],
    "limits": {"memory": 12, "deep": {"cpu": [1, 2]}},
    "flag": True, "off": False, "ratio": 0.25, "large": 12345678901234567890, "note": 'it\'s a "quoted" text',
    "name": "plain", "mixed": [1, {"a": "x y"}], "failure": "ValueError('no such file')",
    "thing": "<Thing object at 0x7f00>", "where": "/out/sub-001 (copy)/[1].nii", "took": "1e400",
}  # fmt: skip


class Lab:
    """A namespace in which a sidecar has shipped a line for each value, as JSON and as the console shows it."""

    def __init__(self, node: Node, folder: Path) -> None:
        self.namespace = f"t{uuid.uuid4().hex[:10]}"
        log_dir = folder / "logs"
        log_dir.mkdir()
        self.shown = {
            key: f"{key}={value if type(value) is str and ' ' not in value else repr(value)}"
            for key, value in VALUES.items()
        }
        lines = [
            json.dumps({"timestamp": "2026-11-27T01:00:00Z", "level": "info", "event": f"json {key}", key: value})
            for key, value in VALUES.items()
        ]
        lines += [
            f"2026-11-27T02:00:00.000000Z [info     ] {f'console {key}':<30} [neuroflow] {shown}"
            for key, shown in self.shown.items()
        ]
        (log_dir / "neuroflow.log").write_text("\n".join(lines) + "\n")
        self.config = folder / "neuroflow.yaml"
        self.config.write_text(
            json.dumps(
                {
                    "logging": {"log_dir": str(log_dir)},
                    "elasticsearch": {"hosts": [node.url]},
                    "shipper": {"namespace": self.namespace, "state_dir": str(folder / "state"), "host_name": "here"},
                }
            )
        )
        command = [sys.executable, "-m", "shipper.cli.ship", "--config", str(self.config), "--once"]
        subprocess.run(command, check=True, capture_output=True, timeout=120, env=os.environ)

    def run(self, *args: str) -> Result:
        return CliRunner().invoke(logs, ["--config", str(self.config), *args])

    def found(self, query: str) -> set[str]:
        result = self.run("search", "--format", "ndjson", "--", query)
        assert result.exit_code in {0, 1}, (query, result.output)
        return {json.loads(line)["message"] for line in result.stdout.splitlines()}


@pytest.fixture(scope="module")
def lab(node: Node, es: Elasticsearch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One for all."""
    install(es)
    one = Lab(node, tmp_path_factory.mktemp("shapes"))
    yield one
    es.indices.delete(index=f"neuroflow-runs-{one.namespace}", ignore_unavailable=True)


@pytest.mark.parametrize("key", VALUES)
def test_pasted_from_a_line(lab: Lab, key: str) -> None:
    """``key=value`` as the console shows it finds that line and its JSON form."""
    assert {f"json {key}", f"console {key}"} <= lab.found(lab.shown[key])


@pytest.mark.parametrize(
    "key", [key for key, value in VALUES.items() if isinstance(value, (list, dict, bool, float))]
)
def test_pasted_from_json(lab: Lab, key: str) -> None:
    """``key=value`` with the value as a JSON line has it finds that line."""
    assert f"json {key}" in lab.found(f"{key}={json.dumps(VALUES[key])}")
    if not isinstance(VALUES[key], (bool, float)):
        assert f"json {key}" in lab.found(f"{key}:{json.dumps(VALUES[key])}")


def test_pasted_from_the_table(lab: Lab) -> None:
    """What `search` prints behind a message finds that line again."""
    rows = lab.run("search", "json OR console").stdout.splitlines()[1:]
    assert 2 * len(VALUES) == len(rows)
    for row in rows:
        message = next(f"{kind} {key}" for kind in ("json", "console") for key in VALUES if f"{kind} {key}" in row)
        pairs = row.partition(f"{message} ")[2]
        assert message in lab.found(pairs), (row, pairs)


NUMBERS = (
    *(
        "1e400", "-1e400", "1e-400", "nan", "inf", "-inf", "99999999999999999999", "-99999999999999999999", "0x10",
        "1_000",
    ),
    *(
        "9999999-01-01",
        "1500-01-01",
        "9999-12-31",
        "1e99h",
        "-1e99h",
        "2026-02-30",
        "now-99999999999d",
        "99999999999d",
    ),
    *(
        "2026-01-01T00:00:00+99:99",
        "٣",
        "1.5",
        "9223372036854775807",
        "9223372036854775808",
        "-0",
        "+5",
        ".5",
        "5.",
        "1e5",
    ),
)  # fmt: skip
# Of each kind, by full names, short ones, patterns and keys of lines.
FIELDS = (
    *("log.offset", "duration", "@timestamp", "event.created", "pid", "level", "message", "error", "took", "time"),
    *("neuroflow.metrics.total_duration_seconds", "neuroflow.metrics.started_at", "neuroflow.extra", "run_id"),
    *("error.stack_trace", "neuroflow.extra.took", "neuroflow.*", "*", "log.file.path", "session"),
)
# Where a number, a duration or a time may stand.
NUMERIC = (*FIELDS[:5], *FIELDS[8:12], "neuroflow.extra.took", "neuroflow.*", "run_id")
FORMS = ("{}:{}", "{}:>{}", "{}:<={}", "{}:[{} TO *]", "{}={}")


def is_answered(lab: Lab, query: str) -> None:
    """Lines, none, or a sentence about the query; Elasticsearch never refuses it."""
    result = lab.run("search", "--format", "ndjson", "--tail", "3", "--", query)
    assert result.exit_code in {0, 1, 2}, (query, result.output, result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), (query, result.exception)
    assert "Traceback" not in result.output, query
    assert "Elasticsearch refuses" not in result.output, (query, result.output)


@pytest.mark.parametrize("field", NUMERIC)
def test_numbers_of_every_size(lab: Lab, field: str) -> None:
    """Any number, alone, compared, in ranges and pasted, gives an answer or a sentence."""
    for at, number in enumerate(NUMBERS):
        is_answered(lab, FORMS[(at + NUMERIC.index(field)) % len(FORMS)].format(field, number))


@pytest.mark.parametrize("field", FIELDS)
def test_shapes_under_every_kind_of_field(lab: Lab, field: str) -> None:
    """Lists, objects, similar words, patterns and ranges work with every kind of field."""
    for value in ("['a', 'b']", "{'a': 1}", "x~0.8", "x~", '"a b"~2', "a*", "/a+/", "[a TO b]", ">5", "a-b"):
        is_answered(lab, f"{field}:{value}")
    is_answered(lab, f"{field}=['a', {{'b': 1}}]")


PIECES = st.one_of(
    st.text(max_size=6),
    st.sampled_from([*NUMBERS, *(f"{field}:" for field in FIELDS), *(f"{field}=" for field in FIELDS)]),
    st.sampled_from(
        ["AND", "OR", "NOT", "(", ")", '"', "'", "[", "]", "{", "}", " TO ", "~", "~0.5", "~9", "^2", "*", "?"]
    ),
    st.sampled_from(
        ["['a']", "{'a': 1}", "<x>", "\\", ":", ">", "<=", "!", "&&", "||", "\udce9", "\x00", "None", "é"]
    ),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(PIECES, min_size=1, max_size=6), space=st.sampled_from(["", " "]))
def test_anything_is_answered(lab: Lab, parts: list[str], space: str) -> None:
    """Any text gives lines, none, or a sentence."""
    is_answered(lab, space.join(parts))


@pytest.mark.parametrize(
    "args",
    [
        *(
            "show --tail N", "audit --limit N", "audit --entity-id N", "audit --entity-id=-N", "pipeline N",
            "workflow N",
        ),
        *("tasks --limit N", "stats --limit N", "workflow --list --limit N", "search a --tail N", "show --since Nd"),
        *("show --until 9999-12-31", "show --since 1e400h", "show --since 0001-01-01", "show --level 1e400"),
        "search a -C 1000 --tail 10000",
    ],
)  # fmt: skip
def test_numbers_of_options(lab: Lab, args: str) -> None:
    """Options take numbers of any size."""
    result = lab.run(*shlex.split(args.replace("N", "99999999999999999999")))
    assert result.exit_code in {0, 1, 2}, (args, result.output, result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), (args, result.exception)
