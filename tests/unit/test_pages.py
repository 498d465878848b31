"""The documentation's links are valid, its examples work, and its language is plain."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from shipper import __version__
from shipper.cli.logs import logs
from shipper.cli.ship import ship
from shipper.config import load
from tests.pages import DOCS, PAGES, ROOT, Block, anchors, blocks, code, codes, links, rows, text_of
from tests.unit.test_architecture import FLOOR, FLOORS

GROUPS: dict[str, click.Group] = {"neuroflow-ship": ship, "neuroflow-logs": logs}
# What examples take from the environment, and files that they name.
ENVIRON = {"NEUROFLOW_ES_API_KEY": "a2V5OmtleQ==", "NEUROFLOW_HASH_KEY": "0123456789abcdef"}
CERTIFICATE = ROOT / "tests/conformance/certificate.pem"
# What may stand before a point in ARCHITECTURE without being a room: files, fields, keys, events, modules of others.
NO_ROOMS = {
    *("batch", "callback", "cursors", "data_stream", "event", "neuroflow", "os", "pipeline", "service", "shipper"),
    "worker",
}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def name_of(block: Block) -> str:
    """The name of an example in a failure."""
    return f"{block.page.name}: {block.text.strip().splitlines()[0][:60]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Each link within the project leads to an existing file and heading."""
    lost = []
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert [] == lost


def test_every_page_is_linked() -> None:
    """Links from the README reach each page."""
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links(ROOT / "README.md")}
    assert set() == set(PAGES) - linked - {ROOT / "README.md"}


def test_every_picture_is_shown() -> None:
    """Each picture is on a page."""
    shown = {(page.parent / link).resolve() for page in PAGES for link in links(page) if link.endswith(".svg")}
    assert set((DOCS / "pictures").iterdir()) == shown


@pytest.mark.parametrize("block", blocks("yaml"), ids=name_of)
def test_configurations_are_valid(block: Block, tmp_path: Path) -> None:
    """Each example of ``neuroflow.yaml`` is valid."""
    path = tmp_path / "neuroflow.yaml"
    text = block.text.replace("/etc/neuroflow/http_ca.crt", str(CERTIFICATE))
    for name in re.findall(r"\$\{file:(.*?/\w+)\}", text):
        (tmp_path / Path(name).name).write_text("a-secret-of-its-own")
        (tmp_path / Path(name).name).chmod(0o600)
        text = text.replace(name, str(tmp_path / Path(name).name))
    path.write_text(text, encoding="utf-8")
    sections = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"logging", "elasticsearch", "kibana", "shipper"} >= sections.keys()
    assert load(path, ENVIRON).sections == sections.keys() - {"logging"}


def commands_in(block: Block) -> Iterator[list[str]]:
    """The commands of a console block, split into words."""
    for line in re.findall(r"^\$ (.+)$", block.text.replace("\\\n", " "), re.MULTILINE):
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|;>")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, "|"]:
            if set(word) <= set("|;&"):
                yield [one for one in words if not re.match(r"[A-Z_]+=", one)]
                words = []
            elif words or not re.fullmatch(r"[A-Z_]+=.*", word):
                words.append(word)


def parse(words: list[str]) -> None:
    """Check a command's words without running it. Raises: click.UsageError: there is no such command or option.

    Raises:
        click.UsageError: it does not, or has no such option.
    """
    command: click.Command = GROUPS[words[0]]
    name, arguments, parent = words[0], words[1:], None
    while True:
        context = command.make_context(name, list(arguments), parent)
        if not isinstance(command, click.Group) or not (rest := [*context._protected_args, *context.args]):
            return
        found, below, arguments = command.resolve_command(context, rest)
        assert below is not None
        name, command, parent = found or "", below, context


@pytest.mark.parametrize("block", blocks("console"), ids=name_of)
def test_commands_exist(block: Block) -> None:
    """Each example uses existing commands, options and Makefile targets."""
    for words in commands_in(block):
        program = words[0].rpartition("/")[2]
        if program in GROUPS:
            parse(
                [program, *(word for word in words[1:] if word != ">")]
                if ">" not in words
                else words[: words.index(">")]
            )
        elif program == "make":
            assert {word for word in words[1:] if "=" not in word} <= TARGETS


def test_commands_that_do_not_exist_are_noticed() -> None:
    """The check fails for an unknown command, option or value."""
    for line in ("neuroflow-ship shipp", "neuroflow-logs show --lines 5", "neuroflow-logs show --tail many"):
        with pytest.raises(click.UsageError):
            parse(line.split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_sentences_exist(page: Path) -> None:
    """Commands within sentences exist."""
    for text in codes(re.sub(r"^#.*$", "", text_of(page), flags=re.MULTILINE)):
        if re.match(r"neuroflow-(ship|logs)( |$)", text) and "…" not in text:
            try:
                parse(shlex.split(text.partition(" | ")[0].replace("RUN_ID", "1")))
            except click.MissingParameter:
                assert text.split()[-1] in {"pipeline", "search", "completion"}
            except click.exceptions.NoArgsIsHelpError:
                assert text.split()[-1] in {"neuroflow-logs", "dead-letters", "export"}
            except click.exceptions.Exit:
                continue  # --help and --version end the parsing


@pytest.mark.parametrize("block", blocks("python", [DOCS / "application-logging.md"]), ids=name_of)
def test_programs_run(block: Block, tmp_path: Path) -> None:
    """Each example program of the logging library runs without warnings and writes logs."""
    done = subprocess.run(
        [sys.executable, "-c", block.text], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert (0, "") == (done.returncode, done.stderr)
    assert [] != [path for path in (tmp_path / "logs").rglob("*") if path.is_file()]


@pytest.mark.parametrize("block", blocks("json"), ids=name_of)
def test_bodies_are_json(block: Block) -> None:
    """Each example body is a JSON object."""
    json.loads(re.sub(r"\A(?:GET|PUT|POST) \S+\n", "", block.text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_exist(page: Path) -> None:
    """Each file of the project that a page names exists."""
    named = re.findall(r"`((?:shipper|tests|mappings|kibana|docs|deploy)/[\w./-]+)`", text_of(page))
    assert [] == [name for name in named if not (ROOT / name).exists()]


def test_modules_exist() -> None:
    """Each module in ARCHITECTURE exists, in tables within the row's room."""
    page = ROOT / "ARCHITECTURE.md"
    files = {path.relative_to(ROOT / "shipper").as_posix() for path in (ROOT / "shipper").rglob("*.py")}
    found = codes(text_of(page))
    dotted = [one for one in found if re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", one)]
    assert {"cli.imports", "tail.state"} <= set(dotted)
    places = [one.replace(".", "/") for one in dotted if one.partition(".")[0] not in NO_ROOMS]
    assert [] == [one for one in places if not files & {f"{one}.py", f"{one}/__init__.py"}]
    paths = [one for one in found if one.endswith(".py") and not one.startswith("tests/")]
    assert [] == [one for one in paths if not any(f"/{file}".endswith(f"/{one}") for file in files)]
    table = [
        f"{code(row.get('Room', '`parse`')).replace('.', '/')}/{name}.py"
        for row in rows(text_of(page), "Module")
        for name in codes(row["Module"])
    ]
    assert [] == [name for name in table if name not in files]
    assert len(set(table)) == len(table) > 100


def test_rooms_are_those_of_the_package() -> None:
    """ARCHITECTURE lists each room once, and the floors in the order of imports."""
    page = ROOT / "ARCHITECTURE.md"
    named = [name for row in rows(text_of(page), "Room", "What it owns") for name in codes(row["Room"])]
    assert sorted(set(FLOOR) - {"ground"}) == sorted(named)
    sentence = " ".join(text_of(page).split()).partition("from the bottom: ")[2].partition(". ")[0]
    floors = [set(codes(re.sub(r"\(.*?\)", "", part))) for part in sentence.split("; ")]
    assert [floor - {"ground", "kibana.objects"} for floor in FLOORS] == floors


def test_names_of_the_code_are_in_the_code() -> None:
    """Each name with an underscore in ARCHITECTURE exists in the program."""
    paths = list((ROOT / "shipper").rglob("*.py"))
    known = {name for path in paths for name in re.findall(r"[a-z_]+", path.read_text(encoding="utf-8"))}
    known |= {path.stem for path in paths}
    found = [one for one in codes(text_of(ROOT / "ARCHITECTURE.md")) if re.fullmatch(r"_?[a-z]+(_[a-z]+)+", one)]
    assert {"query_string"} == {one for one in found if one not in known}, "which is Elasticsearch's"


def test_version_has_its_changes() -> None:
    """The changelog's newest version is the package's, below the unreleased changes."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert ["Unreleased", __version__] == re.findall(r"^## \[([^\]]+)\]", text, re.MULTILINE)[:2]
    assert re.search(rf"^## \[{re.escape(__version__)}\] - \d{{4}}-\d\d-\d\d$", text, re.MULTILINE)


PHRASES = (
    "is said", "are said", "made anew", "and their kin", "and its kin", "nobody waits", "for ever", "said aloud",
    "noticed, said", "read without being told", "under way", "of ours", "whoever asks", "has no home", "sleeping",
)  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_language_is_plain(page: Path) -> None:
    """No page contains these phrases, except in quoted messages."""
    text = re.sub(r"`[^`]*`", "", " ".join(text_of(page).split()))
    if page.name == "CONTRIBUTING.md":
        text = re.sub(r"\| Instead of .*?(?=\* )", "", text)
    assert [] == [phrase for phrase in PHRASES if re.search(rf"\b{phrase}\b", text, re.IGNORECASE)]
