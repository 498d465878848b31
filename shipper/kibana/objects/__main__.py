"""Write the files under ``kibana/``: ``python -m shipper.kibana.objects``."""

from __future__ import annotations

import sys
from pathlib import Path

from shipper.elastic.assets import asset_dir
from shipper.kibana.objects.files import files


def write(root: Path) -> list[str]:
    """Write the generated files and delete all others; gives the paths that changed."""
    wanted = files()
    there = {str(path.relative_to(root)): path for path in root.rglob("*.json")}
    changed = []
    for name in sorted(there.keys() - wanted.keys()):
        there[name].unlink()
        changed.append(name)
    for name, content in wanted.items():
        path = root / name
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            changed.append(name)
    return changed


if __name__ == "__main__":
    for changed in write(asset_dir("kibana")):
        sys.stdout.write(f"kibana/{changed}\n")
