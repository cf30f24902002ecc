"""What a parent finds of its child's writes after vfork."""

import ctypes

from hypothesis import given
from hypothesis import strategies as st

from mmio.hosted.vfork import stack_above
from mmio.linux import libc
from mmio.linux.libc import LIBC, PAGE, PROT_NONE, PROT_READ, PROT_WRITE

_PAGES = 40


@given(st.data())
def test_nothing_behind_a_stack_is_copied(data: st.DataObject) -> None:
    """The range begins with the red zone, and ends with the mapping, or before the descriptor of the thread."""
    start = libc.map_pages((_PAGES + 1) * PAGE, PROT_READ | PROT_WRITE)
    try:
        end = start + _PAGES * PAGE
        libc.protect(end, PAGE, data.draw(st.sampled_from([PROT_NONE, PROT_READ])))
        pointer = data.draw(st.integers(start, end - 1), "stack pointer")
        fs_base = data.draw(st.integers(pointer + 1, end) | st.integers(1, start - 1), "FS base")
        found = stack_above(pointer, fs_base)
        assert found.start == pointer - 128
        assert pointer <= found.stop <= (fs_base if fs_base > pointer else end)
        assert found.stop - pointer >= min(PAGE, end - pointer, fs_base - pointer if fs_base > pointer else PAGE)
    finally:
        LIBC.munmap(ctypes.c_void_p(start), ctypes.c_size_t((_PAGES + 1) * PAGE))


def test_without_a_stack_there_is_the_red_zone() -> None:
    """A stack pointer into nothing gives no more than what lies below it."""
    assert stack_above(0x1000, 0) == range(0x1000 - 128, 0x1000)
