from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.elastic import packed
from shipper.elastic.packed import Packed


@given(
    portions=st.lists(st.lists(st.binary(max_size=40) | st.just(b"x" * 3000), max_size=5), max_size=6),
    compressed=st.booleans(),
    piece=st.sampled_from([1, 100, 2**16]),
)
def test_what_was_packed_comes_out(portions: list[list[bytes]], compressed: bool, piece: int) -> None:
    """However the strings came, compressed or not, each comes out as it was, as often as it is asked for."""
    strings = [string for portion in portions for string in portion]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "_PIECE_BYTES", piece)
        both = Packed(compressed=compressed)
        for portion in portions:
            both.add(portion)
        assert (len(strings), len(b"".join(strings))) == (len(both), both.size)
        content = both.finish()
    assert b"".join(strings) == (gzip.decompress(content) if both.gzipped else content)
    assert strings == list(both)
    assert strings == list(both)
    assert content is both.finish()


@pytest.mark.parametrize(
    ("compressed", "size", "gzipped"), [(True, 4096, True), (True, 4095, False), (False, 9999, False)]
)
def test_few_bytes_stay_as_they_are(compressed: bool, size: int, gzipped: bool) -> None:
    """Compressing few bytes costs more than it saves."""
    one = Packed([b"x" * size], compressed=compressed)
    one.finish()
    assert gzipped == one.gzipped
