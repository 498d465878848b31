from __future__ import annotations

import ast
import sys
from pathlib import Path

import shipper.emit


class TestSurface:
    def test_all_is_sorted_and_real(self) -> None:
        """What is promised is there."""
        assert sorted(shipper.emit.__all__) == list(shipper.emit.__all__)
        assert all(hasattr(shipper.emit, name) for name in shipper.emit.__all__)

    def test_imports_nothing_of_other_stations(self) -> None:
        """The application that imports emit gets structlog, and of this package nothing else."""
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
        assert foreign - ours == {"structlog", "structlog.typing", "celery"}
