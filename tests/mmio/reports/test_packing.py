"""Data and columns in one text."""

import base64
import zlib
from array import array

from hypothesis import given
from hypothesis import strategies as st

from mmio.reports.packing import differences, packed, unpacked

WORDS = st.integers(0, (1 << 64) - 1)


@given(st.lists(WORDS), st.lists(st.integers(0, (1 << 32) - 1)), st.text(st.characters()))
def test_everything_comes_back(words: list[int], halves: list[int], text: str) -> None:
    """Columns of any numbers and any text, lone surrogates included, are unpacked equal."""
    made = packed({"text": text}, {"words": array("Q", words), "halves": array("I", halves)})
    data, columns = unpacked(zlib.decompress(base64.b64decode(made)))
    assert data == {"text": text}
    assert columns == {"words": words, "halves": halves}


@given(st.lists(WORDS))
def test_differences_add_up(words: list[int]) -> None:
    """The running sums of differences, modulo 64 bits, are the numbers."""
    total, sums = 0, []
    for step in differences(array("Q", words)):
        total = (total + step) % (1 << 64)
        sums.append(total)
    assert sums == words


def test_the_text_can_stand_in_html() -> None:
    """It has no character that means something in HTML."""
    made = packed({"name": "</script><!--"}, {})
    assert set(made) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")


def test_small_numbers_take_little_room() -> None:
    """A column of a million equal numbers is a few kilobytes."""
    assert len(packed({}, {"value": array("Q", [3]) * 1_000_000})) < 20_000
