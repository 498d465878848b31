from __future__ import annotations

import base64
import zlib

from shipper.document.ids import generation_text, ids_of

GENERATION = bytes(range(247, 256))


def test_an_id_is_place_and_content() -> None:
    """Generation, offset and a digest of the line, decodable, in URL-safe characters."""
    (found,) = ids_of(GENERATION, [2**40 + 5], [b"a line"])
    assert base64.urlsafe_b64decode(found) == (
        GENERATION + (2**40 + 5).to_bytes(8, "big") + zlib.crc32(b"a line").to_bytes(4, "big")
    )
    assert found == b"9_j5-vv8_f7_AAABAAAAAAVD-zmy"


def test_the_same_again_has_the_same_id() -> None:
    """The id depends on nothing but generation, offset and line."""
    assert ids_of(GENERATION, [0, 9], [b"a", b"a"]) == ids_of(GENERATION, [0], [b"a"]) + ids_of(
        GENERATION, [9], [b"a"]
    )


def test_another_place_line_or_generation_has_another() -> None:
    """Equal lines get two ids; a record read under a wrong generation collides with none."""
    found = [
        *ids_of(GENERATION, [0, 9], [b"a", b"a"]),
        *ids_of(GENERATION, [0], [b"b"]),
        *ids_of(GENERATION[::-1], [0], [b"a"]),
    ]
    assert len(set(found)) == 4


def test_ids_of_a_generation_begin_with_its_name() -> None:
    """Slow-changing characters come first, and ids of later lines sort behind earlier ones."""
    first, second = ids_of(GENERATION, [1, 1000], [b"z", b"a"])
    assert generation_text(GENERATION).encode() == first[:12]
    assert base64.urlsafe_b64decode(first) < base64.urlsafe_b64decode(second)
