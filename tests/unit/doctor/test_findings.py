"""The findings as values, their names, and the exit code that they give."""

from __future__ import annotations

import ast
import re

import pytest

from shipper.cli.checking import code_of, summary
from shipper.doctor.files import ADVICE
from shipper.doctor.finding import Finding, Severity, count, error, note, ok, warning
from shipper.doctor.hosts import _DO
from tests.pages import DOCS, ROOT, codes, own_part, rows

GOOD, KNOWN = ok("file", "/a", "read"), note("root", "/c", "runs as root")
ODD, BAD = warning("not-read", "/b", "not read", "exclude it"), error("key-too-weak", "h", "may not", "grant")
AWAY = error("unreachable", "h", "does not answer", "start it")


@pytest.mark.parametrize(("findings", "code", "strict"), [
    ([], 0, 0), ([GOOD, KNOWN], 0, 0), ([GOOD, ODD], 0, 1), ([ODD, BAD], 1, 1), ([BAD, AWAY], 3, 3),
    ([warning("unreachable", "h", "one of two", "start it")], 0, 1),
    ([error("configuration", "f", "no", "x"), AWAY], 2, 2),
])  # fmt: skip
def test_exit_code_is_that_of_the_worst(findings: list[Finding], code: int, strict: int) -> None:
    """Notes count for nothing, warnings only with ``--strict``; an unreached cluster has a code of its own."""
    assert (code, strict) == (code_of(findings, strict=False), code_of(findings, strict=True))


def test_summary_counts_and_names_problems() -> None:
    """The last line names each kind of problem once, the worst first."""
    assert "found: nothing wrong" == summary([GOOD])
    assert "found: 1 error (key-too-weak), 2 warnings (not-read), 1 note" == summary([ODD, KNOWN, BAD, ODD, GOOD])
    assert {"error": 1, "warning": 1, "note": 0, "ok": 1} == count([GOOD, ODD, BAD])


def test_json_has_every_attribute() -> None:
    """A finding for JSON names its severity in a word."""
    assert {
        "name": "not-read",
        "severity": "warning",
        "subject": "/b",
        "sentence": "not read",
        "do": "exclude it",
    } == (ODD.plain())


def test_every_name_is_documented() -> None:
    """The table of docs/commands.md has the names that the program uses, each with the severities that exist."""
    paths = [*(ROOT / "shipper/doctor").glob("*.py"), ROOT / "shipper/cli/checking.py"]
    used = {
        str(node.args[0].value)
        for path in paths
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") != "granted"
        and len(node.args) >= 3
        and isinstance(node.args[0], ast.Constant)
        and re.fullmatch(r"[a-z]+(-[a-z]+)*", str(node.args[0].value))
    } | _DO.keys()
    table = rows(own_part(DOCS / "commands.md", "`neuroflow-ship check`"), "Finding", "Severity")
    named = [name for row in table for name in codes(row["Finding"])]
    assert sorted(used) == sorted(named)
    words = {word for row in table for word in row["Severity"].split(", ")}
    assert {one.word for one in Severity} == words


def test_advice_is_for_reasons_that_exist() -> None:
    """Each advice belongs to words of a message in ``tail``."""
    texts = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "shipper/tail").rglob("*.py"))
    assert [] == [words for words in ADVICE if words not in texts]
