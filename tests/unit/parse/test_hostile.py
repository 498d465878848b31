"""Lines of half a mebibyte that make a backtracking expression slow."""

from __future__ import annotations

import select
import subprocess
import sys
from collections.abc import Iterator

import pytest

SIZE = 2**19
PREFIX = "2026-11-23 12:38:43 [info     ] "
CELERY = "[2026-11-23 12:41:11,027: INFO/MainProcess] "
IN_CELERY = "[2026-11-23 12:41:11,027: WARNING/MainProcess] " + PREFIX
ID = "c47fda2d-212d-44c5-9e5b-c59c02b8fe6b"
HOSTILE = {
    "brackets": PREFIX + "e " + "a=[ " * (SIZE // 4),
    "nested brackets": PREFIX + "e a=" + "[" * SIZE,
    "closed brackets": PREFIX + "e " + "a=[] " * (SIZE // 5),
    "angles": PREFIX + "e " + "a=< " * (SIZE // 4),
    "quotes": PREFIX + "e " + "a=' " * (SIZE // 4),
    "escapes": PREFIX + "e a='" + "\\" * SIZE,
    "pairs and an end": PREFIX + "a=b " * (SIZE // 4) + "end",
    "blanks": PREFIX + " " * SIZE + "x",
    "words": PREFIX + "a.b  c=" + "d e" * (SIZE // 3),
    "keys": PREFIX + "a.b  c=d e " + " ".join(f"k{number:07}=v w" for number in range(SIZE // 14)),
    "keys out of order": PREFIX + "a.b  c=d e " + " ".join(f"k{number:07}=v w" for number in range(70_000, 0, -1)),
    "words and quotes": PREFIX + "a.b  c=d e " + "k='l m " * (SIZE // 7),
    "dots": PREFIX + "a." * (SIZE // 2) + " b=c d",
    "lines below": IN_CELERY + "a.b  cmd=d e" + f"\\n z=1 {'y=' * 200}" * 1990,
    "an event of lines": IN_CELERY + "a\\n" + " " * 29 + "b=c d\\ne=f" * 1990,
    "time far away": "[info     ] " + "a" * SIZE + " @timestamp=2026-11-23",
    "times": "[info     ] a.b " + " @timestamp=202" * (SIZE // 15),
    "result": CELERY + "Task a[b] succeeded in 1s: {" + f"\\n{'{' * 500}" * 1990,
    "key": PREFIX + "x " + "a" * SIZE, "equals": PREFIX + "=" * SIZE,
    "level": "2026-11-23 12:38:43 [" + "a" * SIZE,
    "level's blanks": "2026-11-23 12:38:43 [info" + " " * SIZE,
    "process": "[2026-11-23 12:41:11,027: INFO/" + "x" * SIZE,
    "stdlib": "2026-11-23 12:44:12,289 - " + "x" * SIZE,
    "stdlib words": "2026-11-23 12:44:12,289 - " + "x " * (SIZE // 2),
    "stdlib dashes": "2026-11-23 12:44:12,289 - " + "x - " * (SIZE // 4),
    "task": CELERY + "Task " + "x[" * (SIZE // 2),
    "retry": CELERY + f"Task a[{ID}] retry: Retry at " + "x: " * (SIZE // 3),
    "error": CELERY + f"Task a[{ID}] raised unexpected: " + "E(" * (SIZE // 2),
    "in a task": CELERY + "a." * (SIZE // 2),
    "due": CELERY + "Scheduler: Sending due task " + "x (" * (SIZE // 3),
    "huey": f"[2026-11-23 12:38:42,361] INFO:huey:2:a: {ID} " + "x executed in 1" * (SIZE // 15),
    "huey's logger": "[2026-11-23 12:38:42,361] INFO:" + "a." * (SIZE // 2),
    "warning": "a:1" * (SIZE // 3) + ": SecurityWarning: ",
    "colours": "\\x1b[" * (SIZE // 4), "rule": "=" * SIZE + "x", "boxes": "╭" * (SIZE // 3),
    "json": "{" * SIZE,
    "objects behind a torn one": '{"a": ' + '{"event": ' * (SIZE // 10) + "}",
    "whole objects behind a torn one": '{"a": x' + '{"a": 1}' * (SIZE // 8),
    "prefix of brackets": "2026-11-27 01:02:03 " + "[a]" * (SIZE // 3),
    "prefix of words": "2026-11-27 01:02:03 " + "a- " * (SIZE // 3),
    "prefix of colons": "2026-11-27 01:02:03 " + "a:" * (SIZE // 2),
    "prefix of blanks": "[INFO" + " " * SIZE,
    "other pairs": "level=" + "a=" * (SIZE // 2),
    "docker": '{"log":"' + "{" * SIZE + '","stream":"stdout","time":"x"}',
    "cri": "\\n".join(["2026-11-23T12:44:12Z stdout P " + "x" * 500] * 1990),
    "compose": "a" * SIZE + "  | x",
    "compose's blanks": "a" + " " * SIZE + "| x",
    "other times": '{"timestamp": "' + "1 " * (SIZE // 2) + '", "time": "' + "9" * (SIZE // 2) + '"}',
    "digits": '{"a": ' + "1" * SIZE,
    "traceback": "Traceback (most recent call last):\\n" + "  x\\n" * 1000 + "A." * (SIZE // 2),
    "dashes": "1-" * (SIZE // 2),
    "beginnings": "Traceback (most recent call last):\\n  x\\n" + f"{'1.' * 250}\\n[ {'1 ' * 200}\\n" * 1000,
    "updates": "\r" * SIZE + "x\r",
}  # fmt: skip
PROGRAM = """
import sys
from shipper.config import Shipper
from shipper.document.ecs import Documents
from shipper.parse.dispatch import parse
from shipper.tail.block import Block, Origin
while size := sys.stdin.buffer.read(4):
    lines = sys.stdin.buffer.read(int.from_bytes(size)).split(b"\\n")
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line) + 1)
    for of in ("auto", "console"):
        found = parse(Block(Origin(b"g", "/p", "/p", of, "app"), lines, offsets, final=True))
        assert found.rest == len(lines)
        Documents(Shipper(), "0").of(found)
    sys.stdout.buffer.write(b".")
    sys.stdout.flush()
"""


class Reader:
    """A process that parses lines, and that can be killed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, data: bytes) -> bool:
        """Parse the lines; gives whether that ended within a minute."""
        if self._process is None:
            command = [sys.executable, "-c", PROGRAM]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(len(data).to_bytes(4, "big") + data)
        self._process.stdin.flush()
        came, _, _ = select.select([self._process.stdout], [], [], 60)
        if came and self._process.stdout.read(1) == b".":
            return True
        self.close()
        return False

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    """One process for all lines."""
    one = Reader()
    yield one
    one.close()


@pytest.mark.parametrize("name", HOSTILE)
def test_every_line_takes_linear_time(reader: Reader, name: str) -> None:
    """Parsing ends; a backtracking expression would need years."""
    assert reader.read(HOSTILE[name].replace("\\n", "\n").replace("\\x1b", "\x1b").encode())
