"""Rotated logs are compressed, immediately or later."""

from __future__ import annotations

import gzip
import shutil

import pytest

from tests.conformance.harness import WHEN, Harness, When
from tests.conformance.writers import Log, compress, followed

pytestmark = pytest.mark.in_process

# Below and above the kilobyte by which a file's beginning is known.
FEW, MANY = 6, 40


def rotate(log: Log) -> None:
    """Rotate as logrotate does with ``compress`` and ``delaycompress``: ``.1`` stays plain, older ones are gzip."""
    for number in range(9, 1, -1):
        if (old := log.sibling(f".{number}.gz")).exists():
            old.rename(log.sibling(f".{number + 1}.gz"))
    if (last := log.sibling(".1")).exists():
        last.rename(log.sibling(".2"))
        compress(log.sibling(".2"))
    log.path.rename(last)


class TestWhole:
    @WHEN
    @pytest.mark.parametrize("lines", [FEW, MANY])
    @pytest.mark.parametrize("kind", ["app", "celery", "audit"])
    def test_rotated_and_compressed(self, harness: Harness, kind: str, lines: int, when: When) -> None:
        """The compressed form of a read file adds nothing."""
        log = Log(harness, kind)
        shipping = harness.shipping(when)
        log.write(lines)
        log.rotate()
        log.write(3)
        shipping.shipped(log.expected, log.dataset)
        with shipping.meanwhile():
            compress(log.sibling(".1"))
            log.write(2)
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    @pytest.mark.parametrize("lines", [FEW, MANY])
    def test_with_an_unread_rest(self, harness: Harness, lines: int, when: When) -> None:
        """The unread rest is read from the gzip file."""
        log, shipping = followed(harness, lines, when=when)
        with shipping.between_two_looks():
            log.write(3000)
            log.rotate()
            compress(log.sibling(".1"))
            log.write(2)
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    def test_a_chain(self, harness: Harness, when: When) -> None:
        """``.1``, ``.2.gz``, ``.3.gz`` and so on, renamed at every rotation."""
        log = Log(harness)
        shipping = harness.shipping(when)
        for _ in range(4):
            log.write(MANY)
            shipping.shipped(log.expected, log.dataset)
            with shipping.meanwhile():
                log.write(2)
                rotate(log)
                log.write(1)
        shipping.ends_with(log.expected, log.dataset)

    @WHEN
    def test_several_rotations_at_once(self, harness: Harness, when: When) -> None:
        """Three rotations between two scans, each with unread lines."""
        log, shipping = followed(harness, MANY, when=when)
        with shipping.between_two_looks():
            for _ in range(3):
                log.write(5)
                rotate(log)
            log.write(2)
        shipping.ends_with(log.expected, log.dataset)

    @pytest.mark.parametrize("suffix", [".3.gz", ".2026-03-01.gz", "-20260301.gz", ".gz"])
    def test_never_seen_before(self, harness: Harness, suffix: str) -> None:
        """An unknown gzip file is read."""
        log, shipping = followed(harness, 3)
        whole = log.sibling(".part")
        whole.write_bytes(gzip.compress(log.text(500).encode()))
        whole.rename(log.sibling(suffix))
        shipping.ends_with(log.expected, log.dataset)

    def test_without_state(self, harness: Harness) -> None:
        """Without state a partly compressed chain adds no copies."""
        log = Log(harness)
        shipping = harness.shipping()
        for _ in range(4):
            log.write(MANY)
            shipping.shipped(log.expected, log.dataset)
            rotate(log)
        log.write(5)
        shipping.ends_with(log.expected, log.dataset)
        shutil.rmtree(harness.state)
        assert harness.once().returncode == 0
        assert log.expected == harness.messages(log.dataset)
        assert log.expected.total() == harness.status()["counters"]["duplicate"]


class TestInTheMaking:
    @pytest.mark.parametrize("read", ["all", "some"])
    def test_half_written_beside_the_original(self, harness: Harness, read: str) -> None:
        """The gzip file grows beside the original for some scans, which is then deleted."""
        log, shipping = followed(harness, 2000)
        with shipping.between_two_looks():
            if read == "some":
                log.write(2000)
            log.rotate()
            log.write(3)
            packed = gzip.compress(log.sibling(".1").read_bytes())
            half = log.sibling(".1.gz").open("wb", buffering=0)
            half.write(packed[:9])
        with half:
            for part in range(4):
                shipping.looks()
                half.write(packed[9:][part * len(packed) // 4 : (part + 1) * len(packed) // 4])
        shipping.looks()
        log.sibling(".1").unlink()
        shipping.looks()
        log.write(2)
        shipping.ends_with(log.expected, log.dataset)

    def test_growing_with_content_never_seen(self, harness: Harness) -> None:
        """A gzip file that is copied in slowly splits no line."""
        harness.configure(partial_line_timeout=0.1)
        log = Log(harness)
        packed = gzip.compress(log.text(20_000).encode())
        shipping = harness.shipping()
        with log.sibling(".4.gz").open("wb", buffering=0) as file:
            for part in range(4):
                file.write(packed[part * len(packed) // 4 : (part + 1) * len(packed) // 4])
                shipping.looks()
        shipping.ends_with(log.expected, log.dataset)


class TestMembers:
    @WHEN
    def test_concatenated(self, harness: Harness, when: When) -> None:
        """Several members are one log; lines may continue over members."""
        log, shipping = followed(harness, MANY, when=when)
        with shipping.between_two_looks():
            log.write(MANY)
            content = log.path.read_bytes()
            middle = len(content) // 3 + 7
            whole = log.sibling(".part")
            whole.write_bytes(gzip.compress(content[:middle]) + gzip.compress(content[middle:]))
            whole.rename(log.sibling(".1.gz"))
            log.path.unlink()
            log.write(2)
        shipping.ends_with(log.expected, log.dataset)

    def test_appended_later(self, harness: Harness) -> None:
        """A member that is appended later (``gzip >>``) is read."""
        log = Log(harness)
        log.sibling(".1.gz").write_bytes(gzip.compress(log.text(MANY).encode()))
        shipping = harness.shipping()
        shipping.shipped(log.expected, log.dataset)
        with log.sibling(".1.gz").open("ab") as file:
            file.write(gzip.compress(log.text(5).encode()))
        shipping.ends_with(log.expected, log.dataset)


class TestDamaged:
    def test_what_precedes_the_damage_is_shipped(self, harness: Harness) -> None:
        """Members before the damage are indexed, and one sentence names file and damage."""
        log = Log(harness)
        rubbish = gzip.compress(b"x" * 1000)[:10] + b"\xff" * 500
        log.sibling(".2.gz").write_bytes(gzip.compress(log.text(200).encode()) + rubbish)
        shipping = harness.shipping()
        shipping.shipped(log.expected, log.dataset)
        for _ in range(3):
            log.write(1)
            shipping.looks()
        shipping.stop()
        about = [line for line in shipping.said.splitlines() if str(log.sibling(".2.gz")) in line]
        assert len(about) == 1, shipping.said
        assert "damaged" in about[0]
        assert log.expected == harness.messages(log.dataset)

    def test_a_wrong_checksum(self, harness: Harness) -> None:
        """With a wrong checksum every line is indexed, and one sentence reports it."""
        log = Log(harness)
        packed = bytearray(gzip.compress(log.text(200).encode()))
        packed[-6] ^= 0xFF
        log.sibling(".2.gz").write_bytes(packed)
        shipping = harness.shipping()
        shipping.shipped(log.expected, log.dataset)
        for _ in range(3):
            log.write(1)
            shipping.shipped(log.expected, log.dataset)
        shipping.stop()
        assert shipping.said.count(str(log.sibling(".2.gz"))) == 1, shipping.said
        assert log.expected == harness.messages(log.dataset)

    def test_no_gzip_at_all(self, harness: Harness) -> None:
        """A text named ``.gz`` is reported once; other logs go on."""
        log = Log(harness)
        log.sibling(".3.gz").write_text("no gzip\n" * 100)
        shipping = harness.shipping()
        for _ in range(3):
            log.write(2)
            shipping.shipped(log.expected, log.dataset)
            shipping.looks()
        shipping.stop()
        assert shipping.said.count(str(log.sibling(".3.gz"))) == 1, shipping.said
        assert log.expected == harness.messages(log.dataset)

    def test_mended_later(self, harness: Harness) -> None:
        """After the file is replaced the missing lines are indexed, without copies."""
        log = Log(harness)
        first, rest = log.text(MANY).encode(), log.text(20).encode()
        sound = gzip.compress(first) + gzip.compress(rest)
        before = len(gzip.compress(first))
        log.sibling(".2.gz").write_bytes(sound[: before + 10] + b"\xff" * 300)
        shipping = harness.shipping()
        assert harness.eventually(lambda: harness.count("app") == MANY)
        whole = log.sibling(".part")
        whole.write_bytes(sound)
        whole.rename(log.sibling(".2.gz"))
        shipping.ends_with(log.expected, log.dataset)
