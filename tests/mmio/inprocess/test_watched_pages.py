"""Which pages trap, and for how long."""

import ctypes
import mmap
import os

import pytest

from mmio.errors import MappingError
from mmio.inprocess.mapping import trapped_ranges
from mmio.inprocess.watched_pages import Pages, check_mapped
from mmio.linux.libc import PAGE
from mmio.linux.proc_maps import mappings


class Area:
    """Some pages of an mmap."""

    def __init__(self, count: int) -> None:
        self.map = mmap.mmap(-1, count * PAGE)
        self.start = ctypes.addressof(ctypes.c_char.from_buffer(self.map))
        self.count = count

    @property
    def trapping(self) -> list[int]:
        """The numbers of those that trap."""
        found = list(mappings(os.getpid()))
        return [
            page
            for page in range(self.count)
            if any(m.start <= self.start + page * PAGE < m.end and m.permissions.startswith("---") for m in found)
        ]


@pytest.fixture
def pages() -> Pages:
    return Pages(trapped_ranges())


def test_only_the_pages_concerned(pages: Pages) -> None:
    """A byte takes its page, two bytes over a border both, and others are left alone."""
    area = Area(5)
    one = pages.trap(area.start + PAGE, 1, False)
    assert area.trapping == [1]
    two = pages.trap(area.start + 4 * PAGE - 1, 2, False)
    assert area.trapping == [1, 3, 4]
    pages.release(one)
    pages.release(two)
    assert area.trapping == []


def test_a_page_traps_until_nobody_needs_it(pages: Pages) -> None:
    """Those who share a page may go in any order; who needs more gets what is missing."""
    area = Area(5)
    first = pages.trap(area.start + PAGE, 10, False)
    wide = pages.trap(area.start, 4 * PAGE, False)
    assert area.trapping == [0, 1, 2, 3]
    last = pages.trap(area.start + 2 * PAGE, 10, False)
    pages.release(first)
    assert area.trapping == [0, 1, 2, 3]
    pages.release(wide)
    assert area.trapping == [2, 3]  # which came to trap together
    pages.release(last)
    assert area.trapping == []


def test_all_or_nothing(pages: Pages) -> None:
    """When some of it cannot trap, none of it does."""
    area = Area(2)
    end = area.start + 2 * PAGE
    beyond = next(m for m in mappings(os.getpid()) if m.start <= end - 1 < m.end).end
    length = beyond - area.start + (1 << 40)  # there is a hole, or something that must not trap, on the way
    with pytest.raises((MappingError, OSError)):
        pages.trap(area.start, length, False)
    assert area.trapping == []


def test_closing_gives_everything_back(pages: Pages) -> None:
    """An owner that still needs it; its release comes too late to matter."""
    area = Area(2)
    runs = pages.trap(area.start, 2 * PAGE, False)
    pages.close()
    assert area.trapping == []
    pages.release(runs)
    assert area.trapping == []


def test_what_is_mapped() -> None:
    """All of some bytes must be, for a watch from outside too."""
    area = Area(1)
    check_mapped(area.start, PAGE)
    with pytest.raises(MappingError, match="nothing is mapped at 0x1000, so it cannot be watched"):
        check_mapped(0x1000, 4)
