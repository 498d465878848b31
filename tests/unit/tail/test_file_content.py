from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from shipper.tail.file_content import FileView


def test_plain_files_are_read_as_they_are(tmp_path: Path) -> None:
    """Any range can be read; the key is device and inode; a file may grow."""
    path = tmp_path / "app.log"
    path.write_bytes(b"0123456789")
    with closing(FileView(str(path), compressed=False)) as view:
        assert (b"345", b"89", b"", 10) == (view.read(3, 3), view.read(8, 9), view.read(99, 1), view.size(0))
        assert (path.stat().st_dev, path.stat().st_ino) == view.key
        path.write_bytes(b"0123456789abc")
        assert b"abc" == view.read(10, 10)


def test_missing_files_are_errors(tmp_path: Path) -> None:
    """Only opening uses the path."""
    with pytest.raises(FileNotFoundError):
        FileView(str(tmp_path / "none"), compressed=False)
