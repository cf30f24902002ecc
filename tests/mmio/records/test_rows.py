"""Rows of records, made one by one and a block at once."""

from hypothesis import given
from hypothesis import strategies as st

from decode import READ, WRITE
from mmio.records.rows import ROW, Block


@given(
    st.lists(st.tuples(st.integers(1 << 32, 1 << 63), st.integers(0, 0xFFFFFFFF)), min_size=1, max_size=3),
    st.sampled_from([1, 2, 4, 8]),
    st.binary(max_size=64),
    st.booleans(),
)
def test_a_block_is_its_accesses(starts: list[tuple[int, int]], width: int, data: bytes, down: bool) -> None:
    """The rows of a block are those of its accesses, one element after another, each in all places."""
    step = -width if down else width
    places = [(READ, first, None) for first, _ in starts]
    block = Block(places, step, width, data[: len(data) // width * width])
    sites = [site for _, site in starts]
    accesses = list(block)
    one_by_one = (
        ROW.pack(5, address, value, sites[index % len(sites)]) for index, (_, address, _, value) in enumerate(accesses)
    )
    assert block.rows(5, sites) == b"".join(one_by_one)


def test_the_order_of_accesses() -> None:
    """An element's accesses come in the order of the places, and the elements in that of the data."""
    block = Block([(READ, 0x100, None), (WRITE, 0x200, None)], -2, 2, b"\1\0\2\0")
    assert list(block) == [
        (READ, 0x100, None, 1),
        (WRITE, 0x200, None, 1),
        (READ, 0xFE, None, 2),
        (WRITE, 0x1FE, None, 2),
    ]
