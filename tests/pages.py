"""The documentation as tests read it: tables, code blocks, links and anchors of Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted(DOCS.glob("*.md")),
]
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#{1,6}) (.+)$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


class Block(NamedTuple):
    """A code block: its page, its language, and its text without indentation."""

    page: Path
    language: str
    text: str


def text_of(page: Path) -> str:
    """The text of a page without its code blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def blocks(language: str, pages: list[Path] = PAGES) -> list[Block]:
    """All code blocks of a language."""
    return [
        Block(page, language, re.sub(rf"^{found[1]}", "", found[3], flags=re.MULTILINE))
        for page in pages
        for found in _FENCE.finditer(page.read_text(encoding="utf-8"))
        if found[2] == language
    ]


def section(page: Path, heading: str) -> str:
    """The text below a heading, up to the next heading of its level or above, without code blocks."""
    text = text_of(page)
    found = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    assert found is not None, f"{page.name} has no heading {heading!r}"
    end = re.search(rf"^#{{1,{len(found[1])}}} ", text[found.end() :], re.MULTILINE)
    return text[found.end() : found.end() + end.start() if end else len(text)]


def own_part(page: Path, heading: str) -> str:
    """The text below a heading, up to the next heading of any level."""
    return re.split(r"^#+ ", section(page, heading), maxsplit=1, flags=re.MULTILINE)[0]


def tables(text: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    """The tables in a text: the heads of the columns, and the rows."""
    for lines in re.findall(r"(?:^\|.*\|\n?)+", text, re.MULTILINE):
        rows = [_cells(line) for line in lines.splitlines()]
        yield rows[0], rows[2:]


def _cells(line: str) -> list[str]:
    return [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1])]


def rows(text: str, *heads: str) -> list[dict[str, str]]:
    """The rows of all tables in a text that have at least these columns."""
    return [
        dict(zip(columns, row, strict=True))
        for columns, found in tables(text)
        if set(heads) <= set(columns)
        for row in found
    ]


def codes(cell: str) -> list[str]:
    """The texts in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def code(cell: str) -> str:
    """The only text in backticks."""
    [only] = codes(cell)
    return only


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and GitLab make them."""
    found: set[str] = set()
    for _, heading in _HEADING.findall(text_of(page)):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        at, number = anchor, 0
        while at in found:
            number += 1
            at = f"{anchor}-{number}"
        found.add(at)
    return found


def links(page: Path) -> list[str]:
    """The targets of a page's links."""
    return _LINK.findall(text_of(page))


def roles_of_keys() -> dict[str, dict[str, Any]]:
    """The bodies of roles to copy into an API key, by the name of their key."""
    found = {}
    for block in blocks("json", [DOCS / "permissions.md"]):
        request, body = block.text.split("\n", 1)
        if request != "POST /_security/api_key":
            continue
        given = json.loads(body)
        [(name, role)] = given["role_descriptors"].items()
        assert given["name"] == name
        found[name] = role
    return found
