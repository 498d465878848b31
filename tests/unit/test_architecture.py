"""One-way flow: what each module under ``shipper/`` imports, wherever in the module it does so."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "shipper").rglob("*.py"))
}
FLOW = ("tail", "parse", "document", "deliver", "install", "search", "demo")
SHARED = {"answers", "config", "addresses", "credentials", "cluster", "telemetry", "memory", "printable", ""}
MAY_IMPORT: dict[str, set[str]] = {
    "": set(),
    "emit": set(),
    "addresses": set(),
    "answers": set(),
    "credentials": set(),
    "sections": set(),
    "config": {"addresses", "credentials", "sections"},
    "cluster": {"addresses", "answers", "config"},
    "printable": set(),
    "telemetry": {"config", "cluster", "credentials", "printable"},
    "memory": set(),
    "health": {"telemetry", ""},
    **{station: {*FLOW[:at], *SHARED} for at, station in enumerate(FLOW)},
    "reload": {"config"},
    "sidecar": {*FLOW, "emit", "reload", *SHARED},
    "cli": {*FLOW, "emit", "sidecar", "reload", "health", *SHARED},
}
MAY_IMPORT["demo"].add("emit")


def station_of(module: str) -> str:
    """The folder or single module right under ``shipper``; empty for ``shipper`` itself."""
    return ".".join(module.split(".")[1:2])


def imports_of(module: str, source: str) -> Iterator[str]:
    """The modules of ours that a module imports, at its top or within a function."""
    package = module if FILES[module].name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            base = ".".join(filter(None, [above, node.module]))
            names = [f"{base}.{alias.name}" if f"{base}.{alias.name}" in FILES else base for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "shipper")


IMPORTS = {module: sorted(set(imports_of(module, path.read_text()))) for module, path in FILES.items()}


@pytest.mark.parametrize("module", FILES)
def test_modules_import_only_what_is_upstream(module: str) -> None:
    """A station knows itself, the stations to its left and the shared modules, and nothing else of ours."""
    station = station_of(module)
    allowed = MAY_IMPORT[station] | {station}
    assert [] == [name for name in IMPORTS[module] if station_of(name) not in allowed]


def test_imports_have_no_cycle() -> None:
    """No module needs itself, by whatever way round; a package's own name stands for its ``__init__``."""
    graph = {module: {name for name in names if name != module} for module, names in IMPORTS.items()}
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"a cycle: {' → '.join(error.args[1])}")
    assert set(FILES) == set(order)


def test_imports_within_functions_count() -> None:
    """The walk sees an import inside a function, a relative one and an import of a module by its package."""
    source = (
        "def f():\n    from shipper.tail import watch\nfrom . import view\n"
        "from .paging import x\nimport shipper.cli.ship\n"
    )
    wanted = {"shipper.tail.watch", "shipper.search", "shipper.search.paging", "shipper.cli.ship"}
    assert wanted == set(imports_of("shipper.search.views", source))


@pytest.mark.parametrize("module", FILES)
def test_modules_are_short(module: str) -> None:
    """A module that can't be read in one sitting is two."""
    assert len(FILES[module].read_text().splitlines()) <= 420


def test_modules_have_names() -> None:
    """A module is called after what it is, not after being useful."""
    nameless = {"utils", "util", "helpers", "helper", "manager", "base", "common", "misc"}
    assert set() == nameless & {part for module in FILES for part in module.split(".")}
