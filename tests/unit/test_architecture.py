"""The rooms: imports between them run one way, and each module is short."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "shipper").rglob("*.py"))
}
FLOORS = (
    {"taxonomy"},  # below emit, which imports it and nothing else of ours: the application's event names
    {"ground", "emit"},
    {"elastic", "tail.state", "testnode", "health", "reload"},
    {"tail", "demo"},
    {"parse", "redact"},
    {"document"},
    {"query", "runs"},
    {"deliver", "views"},
    {"kibana", "kibana.objects", "rebuild", "sidecar"},
    {"doctor"},
    {"cli"},
)
"""The rooms: each imports from the floors below its own."""
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
GROUND = {
    "", "addresses", "config", "config_errors", "config_file", "credentials", "interrupts", "memory", "printable",
    "regular_files", "secret_files", "telemetry",
}  # fmt: skip
NAMELESS = {"utils", "util", "helpers", "helper", "manager", "base", "common", "misc"}


def room_of(module: str) -> str:
    """The folder of a module, or the module itself directly under ``shipper``."""
    parts = module.split(".")[1:]
    first, inner = ".".join(parts[:1]), ".".join(parts[:2])
    return "ground" if first in GROUND else inner if inner in FLOOR else first


def imports_of(module: str, source: str) -> Iterator[str]:
    """The modules of this package that a module imports, at its top or within a function."""
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


def test_imports_run_one_way() -> None:
    """A room imports from floors below its own, ``emit`` only the event names, and no import is circular."""
    imports = {module: sorted(set(imports_of(module, path.read_text()))) for module, path in FILES.items()}
    assert [] == [
        f"{module} imports {name}"
        for module, names in imports.items()
        for name in names
        if room_of(module) != room_of(name) and FLOOR[room_of(name)] >= FLOOR[room_of(module)]
    ]
    try:
        order = list(
            TopologicalSorter({module: {*names} - {module} for module, names in imports.items()}).static_order()
        )
    except CycleError as error:
        pytest.fail(f"a cycle: {' → '.join(error.args[1])}")
    assert set(FILES) == set(order)
    assert "shipper.demo.runner" in imports["shipper.cli.ship"], "imports within functions count"


def test_what_has_to_be_read_at_once_is_small() -> None:
    """A module has at most 420 lines and a specific name; no room has a sixth of all lines."""
    lengths = {module: len(path.read_text().splitlines()) for module, path in FILES.items()}
    rooms: Counter[str] = Counter()
    for module, length in lengths.items():
        rooms[room_of(module)] += length
    assert {} == {module: length for module, length in lengths.items() if length > 420}
    assert {} == {room: length for room, length in rooms.items() if length * 6 > rooms.total()}
    assert set() == NAMELESS & {part for module in FILES for part in module.split(".")}
    folders = {
        str(path.parent.relative_to(ROOT / "tests" / "unit")) for path in (ROOT / "tests" / "unit").rglob("test_*.py")
    }
    assert set() == {folder.replace("/", ".") for folder in folders} - {*FLOOR, "."}, "tests mirror the rooms"


def test_each_test_states_a_behaviour() -> None:
    """Every test has a docstring, which ruff no longer asks of methods."""
    missing = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in (ROOT / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert [] == missing
