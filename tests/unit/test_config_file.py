from __future__ import annotations

import os
from pathlib import Path

import pytest

from shipper.config_file import ConfigError, read, wait_until_saved


class Editor:
    """Saves a file in steps, one at each pause."""

    def __init__(self, path: Path, *contents: bytes | None) -> None:
        self.path = path
        self.contents = list(contents)
        self.waited = 0.0
        self.save()

    def save(self) -> None:
        """Write the next state of the file, or the last one again; None deletes it."""
        content = self.contents.pop(0) if len(self.contents) > 1 else self.contents[0]
        if content is None:
            self.path.unlink(missing_ok=True)
        elif not self.path.exists() or self.path.read_bytes() != content:
            self.path.write_bytes(content)

    def sleep(self, seconds: float) -> None:
        self.waited += seconds
        self.save()


@pytest.mark.parametrize(
    ("waited", "contents"),
    [
        (0.1, [b"shipper: {}\n"]),
        (0.3, [b"", b"shipper:\n", b"shipper: {}\n"]),
        (0.3, [None, None, b"shipper: {}\n"]),
        (0.4, [b"shipper:\n", None, b"", b"shipper: {}\n"]),
        (2.0, [b""]),
        (2.0, [None]),
    ],
)
def test_a_file_that_is_being_saved_is_waited_for(
    tmp_path: Path, waited: float, contents: list[bytes | None]
) -> None:
    """It is read when two reads are equal and not empty; after two seconds as it is."""
    editor = Editor(tmp_path / "neuroflow.yaml", *contents)
    wait_until_saved(editor.path, lambda: editor.path.stat().st_mtime, editor.sleep)
    assert pytest.approx(waited) == editor.waited
    assert contents[-1] == (editor.path.read_bytes() if editor.path.exists() else None)


def test_a_file_that_was_saved_before_is_not_waited_for(tmp_path: Path) -> None:
    """A complete file is read immediately; an empty one may be incomplete."""
    editor = Editor(tmp_path / "neuroflow.yaml", b"shipper: {}\n")
    os.utime(editor.path, (0, 0))
    wait_until_saved(editor.path, lambda: 10.0, editor.sleep)
    assert 0.0 == editor.waited
    editor = Editor(tmp_path / "empty.yaml", b"", b"")
    os.utime(editor.path, (0, 0))
    wait_until_saved(editor.path, lambda: 10.0, editor.sleep)
    assert pytest.approx(2.0) == editor.waited


@pytest.mark.parametrize(("text", "said"), [
    ("shipper: {a: 1}\nlogging: {}\nshipper: {b: 1}\n", "shipper is there twice, in the lines 1 and 3"),
    ("kibana:\n  url: x\n  space: y\n  url: z\n", "kibana.url is there twice, in the lines 2 and 4"),
    ("shipper:\n  batch:\n    in_flight: 1\n    in_flight: 2\n", "shipper.batch.in_flight is there twice"),
])  # fmt: skip
def test_what_is_there_twice_is_an_error(tmp_path: Path, text: str, said: str) -> None:
    """YAML would let the second replace the first, as when sections are pasted behind a file that has them."""
    path = tmp_path / "neuroflow.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        read(path)


@pytest.mark.parametrize("text", [
    "logging: {a: 1}\nlogging: {a: 2}\nx: {y: 1, y: 2}\nshipper: {}\n",
    "a: &a {b: 1}\nc: &c {d: 1}\nshipper:\n  <<: *a\n  <<: *c\n",
    "shipper: &s\n  batch: {}\n  redact: {}\nelasticsearch: {}\n",
    "? [shipper, shipper]\n: x\nshipper: {}\n",
])  # fmt: skip
def test_other_sections_are_the_applications(tmp_path: Path, text: str) -> None:
    """What is there twice in them is left alone, as are merged mappings."""
    path = tmp_path / "neuroflow.yaml"
    path.write_text(text)
    if text.startswith("?"):
        with pytest.raises(ConfigError, match="not valid YAML"):
            read(path)
    else:
        assert "shipper" in read(path)
