"""Rows of records, made one by one and a block at once."""

from hypothesis import given
from hypothesis import strategies as st

from mmio.records.rows import ROW, block


@given(
    st.lists(st.tuples(st.integers(1 << 32, 1 << 63), st.integers(0, 0xFFFFFFFF)), min_size=1, max_size=3),
    st.sampled_from([1, 2, 4, 8]),
    st.binary(max_size=64),
    st.booleans(),
)
def test_a_block_is_its_rows(places: list[tuple[int, int]], width: int, data: bytes, down: bool) -> None:
    """The rows of a block are those of its elements, one after another, each in all places."""
    data = data[: len(data) // width * width]
    step = -width if down else width
    one_by_one = b"".join(
        ROW.pack(5, first + number * step, int.from_bytes(data[number * width :][:width], "little"), site)
        for number in range(len(data) // width)
        for first, site in places
    )
    assert block(5, places, step, width, data) == one_by_one
