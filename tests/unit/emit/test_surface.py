from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import shipper.emit


class TestSurface:
    def test_all_is_sorted_and_real(self) -> None:
        """Every name in ``__all__`` exists."""
        assert sorted(shipper.emit.__all__) == list(shipper.emit.__all__)
        assert all(hasattr(shipper.emit, name) for name in shipper.emit.__all__)

    def test_imports_nothing_of_other_stations(self) -> None:
        """The application that imports emit gets structlog, and of this package only the event names beside it."""
        folder = Path(shipper.emit.__file__).parent
        imported: set[str] = set()
        for path in folder.glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    imported.update(alias.name for alias in node.names)
                elif isinstance(node, ast.ImportFrom):
                    imported.add(node.module or "")
        foreign = {name for name in imported if name.split(".")[0] not in sys.stdlib_module_names}
        ours = {name for name in foreign if name.startswith("shipper.emit.")}
        assert foreign - ours == {"structlog", "structlog.typing", "celery", "shipper.taxonomy"}

    def test_the_event_names_need_only_python(self) -> None:
        """The event names are data: to read them, nothing that has to be installed is imported."""
        script = """
import sys
before = {*sys.modules}
import shipper.taxonomy
new = {name.partition(".")[0] for name in {*sys.modules} - before} - {*sys.stdlib_module_names}
assert new == {"shipper"}, new
"""
        subprocess.run([sys.executable, "-c", script], check=True)
