"""``make pictures``: the terminal pictures of the documentation, from the laboratory's logs on a real node."""

from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from shipper.testnode.node import running_node
from tests.conformance.harness import Harness
from tests.elasticsearch import lab
from tests.elasticsearch.screens import Laboratory

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
COLUMNS = 110
SHOWN = {
    "show": ["show", "--tail", "14"],
    "workflow": ["workflow", "1"],
    "stats": ["stats"],
    "search": ["search", "Memory limit", "-C", "1"],
    "audit": ["audit"],
}
# Fonts of somebody's server are none of a picture's business.
_FONTS = re.compile(r"@font-face \{[^}]*\}\s*")


def picture(screen: bytes, title: str) -> str:
    """A terminal's screen as SVG."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(screen.decode()))
    return _FONTS.sub("", console.export_svg(title=title, unique_id="neuroflow"))


def main() -> None:
    """Draw them all."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, running_node(say=lambda _: None) as node:
        harness = Harness(Path(folder), node.url, "pictures")
        lab.write(harness.logs)
        harness.once()
        for name, arguments in SHOWN.items():
            screen = Laboratory(harness).screen(*arguments, columns=COLUMNS)
            (PICTURES / f"{name}.svg").write_text(picture(screen, f"neuroflow-logs {' '.join(arguments)}"))
        harness.close()


if __name__ == "__main__":
    main()
