"""Lines with any bytes are shipped once each, as text."""

from __future__ import annotations

import json
import shutil
from base64 import b64decode

import pytest

from tests.conformance.harness import Harness

pytestmark = pytest.mark.in_process

BOMS = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}
# Code units that hold the byte of a line feed, and characters of two code units.
TEXTS = ["plain", "\u0a0a\u010a\u0a00 line feeds that are none", "\U0001f9e0 brain \U0001d54f", "umlaut \u00fc\u00df"]


def json_line(text: str) -> str:
    """A JSON line with unescaped text."""
    return json.dumps({"event": text, "level": "info", "timestamp": "2026-03-01T10:00:00Z"}, ensure_ascii=False)


class TestUtf8:
    def test_a_byte_order_mark_is_no_content(self, harness: Harness) -> None:
        """A byte order mark changes nothing, also after a restart."""
        log = harness.logs / "neuroflow.log"
        log.write_bytes(b"\xef\xbb\xbf" + json_line("first").encode() + b"\n")
        assert 0 == harness.once().returncode
        with log.open("ab") as file:
            file.write(json_line("second").encode() + b"\n")
        assert 0 == harness.once().returncode
        assert {"first": 1, "second": 1} == harness.messages("app")

    def test_bytes_that_are_no_utf8(self, harness: Harness) -> None:
        """Invalid UTF-8 is replaced in the message, and the line is there once with its offset."""
        lines = [b'{"event": "caf\xe9", "level": "info"}', b"text \xff\xfe\x80 text", b"\xc3", b"good"]
        (harness.logs / "neuroflow.log").write_bytes(b"\n".join(lines) + b"\n")
        assert 0 == harness.once().returncode
        documents = harness.documents("app")
        assert ["caf\ufffd", "text \ufffd\ufffd\ufffd text", "\ufffd", "good"] == [
            one["message"] for one in documents
        ]
        assert [sum(len(line) + 1 for line in lines[:at]) for at in range(4)] == [
            one["log"]["offset"] for one in documents
        ]


@pytest.mark.parametrize("encoding", sorted(BOMS))
class TestUtf16:
    def test_comes_out_as_text(self, harness: Harness, encoding: str) -> None:
        """UTF-16 with JSON and text, LF and CRLF, surrogate pairs, and units with the byte 0x0A."""
        lines = [
            *(json_line(text) + "\n" for text in TEXTS),
            *(json_line(text + "!") + "\r\n" for text in TEXTS),
            *(text + "?\r\n" for text in TEXTS),
        ]
        (harness.logs / "neuroflow.log").write_bytes(BOMS[encoding] + "".join(lines).encode(encoding))
        assert 0 == harness.once().returncode
        assert {text + end: 1 for text in TEXTS for end in ("", "!", "?")} == harness.messages("app")

    def test_appended_to_while_running(self, harness: Harness, encoding: str) -> None:
        """Writes may end within a unit, a surrogate pair, or between CR and LF."""
        harness.configure(partial_line_timeout=60)
        log = harness.logs / "neuroflow.log"
        process = harness.start()
        content = BOMS[encoding] + "".join(json_line(text) + "\r\n" for text in TEXTS).encode(encoding)
        with log.open("ab", buffering=0) as file:
            for at in range(0, len(content), 7):
                file.write(content[at : at + 7])
                harness.wait(0.01)  # so that the reader sees some of the steps; which, does not matter
        assert harness.eventually(lambda: harness.count("app") >= len(TEXTS))
        code, said = harness.stop(process)
        assert code == 0, said
        assert dict.fromkeys(TEXTS, 1) == harness.messages("app")

    def test_across_a_restart(self, harness: Harness, encoding: str) -> None:
        """The encoding is known within the file too, and without state there are no copies."""
        log = harness.logs / "neuroflow.log"
        log.write_bytes(BOMS[encoding])
        for text in TEXTS:
            with log.open("ab") as file:
                file.write((json_line(text) + "\n").encode(encoding))
            assert 0 == harness.once().returncode
        assert dict.fromkeys(TEXTS, 1) == harness.messages("app")
        shutil.rmtree(harness.state)
        assert 0 == harness.once().returncode
        assert dict.fromkeys(TEXTS, 1) == harness.messages("app")

    def test_an_unterminated_last_line(self, harness: Harness, encoding: str) -> None:
        """It is shipped as it is, and an incomplete unit waits for its rest."""
        log = harness.logs / "neuroflow.log"
        content = BOMS[encoding] + "one\ntwo".encode(encoding)
        rest = "\u0a0a three\n".encode(encoding)
        log.write_bytes(content + rest[:1])
        assert 0 == harness.once().returncode
        with log.open("ab") as file:
            file.write(rest[1:])
        assert 0 == harness.once().returncode
        assert {"one": 1, "two": 1, "\u0a0a three": 1} == harness.messages("app")


class TestLineEnds:
    def test_crlf(self, harness: Harness) -> None:
        """The CR is no content; offsets count it."""
        (harness.logs / "neuroflow.log").write_bytes(b"one\r\n\r\n" + json_line("two").encode() + b"\r\nthree\r\n")
        assert 0 == harness.once().returncode
        documents = harness.documents("app")
        assert [("one", 0), ("two", 7), ("three", 7 + len(json_line("two")) + 2)] == [
            (one["message"], one["log"]["offset"]) for one in documents
        ]

    def test_cr_and_lf_in_two_writes(self, harness: Harness) -> None:
        """CR and LF in two writes end one line."""
        harness.configure(partial_line_timeout=60)
        log = harness.logs / "neuroflow.log"
        process = harness.start()
        with log.open("ab", buffering=0) as file:
            file.write(b"zero\r\none\r")
            assert harness.eventually(lambda: harness.count("app") == 1)
            file.write(b"\ntwo\r\n")
        assert harness.eventually(lambda: harness.count("app") >= 3)
        assert 0 == harness.stop(process)[0]
        assert {"zero": 1, "one": 1, "two": 1} == harness.messages("app")

    def test_a_lone_cr_ends_no_line(self, harness: Harness) -> None:
        """An overwritten line is one line with its last state and its original bytes."""
        (harness.logs / "neuroflow.log").write_bytes(b"10%\r50%\r100%\ndone\n")
        assert 0 == harness.once().returncode
        bar, done = harness.documents("app")
        assert ("100%", "done") == (bar["message"], done["message"])
        assert b"10%\r50%\r100%\n" == b64decode(bar["neuroflow"]["original"])

    def test_empty_lines(self, harness: Harness) -> None:
        """Empty lines give no documents, and offsets count them."""
        (harness.logs / "neuroflow.log").write_bytes(b"\n\n" + b"a\n" + b"\n" * 1000 + b"b\n  \n\r\n\n")
        assert 0 == harness.once().returncode
        documents = harness.documents("app")
        assert [("a", 2), ("b", 1004)] == [(one["message"], one["log"]["offset"]) for one in documents]
        assert 0 == harness.once().returncode
        assert 2 == harness.count("app")

    def test_nothing_but_empty_lines(self, harness: Harness) -> None:
        """They give no documents; a line after them is shipped."""
        log = harness.logs / "neuroflow.log"
        log.write_bytes(b"\n" * 5000)
        assert 0 == harness.once().returncode
        with log.open("ab") as file:
            file.write(b"at last\n")
        assert 0 == harness.once().returncode
        assert {"at last": 1} == harness.messages("app")


class TestSplitWrites:
    def test_at_any_byte(self, harness: Harness) -> None:
        """Lines that are written in pieces, split within characters, are whole."""
        harness.configure(partial_line_timeout=60)
        texts = [f"{text} {size}" for size in (1, 2, 3, 5, 8, 13, 21, 34) for text in TEXTS]
        process = harness.start()
        with (harness.logs / "neuroflow.log").open("ab", buffering=0) as file:
            for size in (1, 2, 3, 5, 8, 13, 21, 34):
                content = "".join(json_line(f"{text} {size}") + "\n" for text in TEXTS).encode()
                for at in range(0, len(content), size):
                    file.write(content[at : at + size])
                    harness.wait(0.001)  # so that the reader sees some of the steps; which, does not matter
        assert harness.eventually(lambda: harness.count("app") >= len(texts))
        code, said = harness.stop(process)
        assert code == 0, said
        assert dict.fromkeys(texts, 1) == harness.messages("app")

    @pytest.mark.program
    def test_very_many_tiny_appends(self, harness: Harness) -> None:
        """A writer that opens the file for each byte loses no line."""
        harness.configure(partial_line_timeout=60)
        log = harness.logs / "neuroflow.log"
        process = harness.start()
        for byte in b"".join(b"%d\n" % number for number in range(3000)):
            with log.open("ab", buffering=0) as file:
                file.write(bytes([byte]))
        assert harness.eventually(lambda: harness.count("app") >= 3000)
        code, said = harness.stop(process)
        assert code == 0, said
        assert {str(number): 1 for number in range(3000)} == harness.messages("app")
