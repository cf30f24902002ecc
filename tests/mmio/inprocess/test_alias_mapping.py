"""Pages that trap where they are, and are the same memory elsewhere."""

import ctypes
import mmap
import os
from threading import RLock

import pytest

from mmio.inprocess.alias_mapping import Alias
from mmio.linux import libc
from mmio.linux.libc import PAGE
from mmio.linux.proc_maps import mappings
from mmio.live.memory import Unreachable

RW = libc.PROT_READ | libc.PROT_WRITE


def _permissions(address: int) -> str:
    return next(m.permissions for m in mappings(os.getpid()) if m.start <= address < m.end)


@pytest.mark.parametrize("shared", [False, True])
def test_pages_move_and_come_back(shared: bool) -> None:
    """What was there is there, before, meanwhile and afterwards; neighbouring pages are not touched."""
    area = mmap.mmap(-1, 3 * PAGE, flags=mmap.MAP_SHARED if shared else mmap.MAP_PRIVATE)
    buffer = (ctypes.c_char * (3 * PAGE)).from_buffer(area)
    base = ctypes.addressof(buffer)
    start = base + PAGE
    ctypes.memmove(base, bytes([1]) * PAGE + bytes([2]) * PAGE + bytes([3]) * PAGE, 3 * PAGE)
    alias = Alias(start, PAGE, RW, shared, RLock())
    alias.move()
    assert _permissions(start).startswith("---")
    assert _permissions(base).startswith("rw")
    assert _permissions(start + PAGE).startswith("rw")
    assert alias.read(PAGE - 4, 4) == 0x02020202
    alias.write(8, 8, 0x1122334455667788)
    assert alias.read_block(6, 4) == b"\x02\x02\x88\x77"
    assert alias.write_block(0, b"abc")
    alias.restore()
    assert _permissions(start).startswith("rw")
    assert ctypes.string_at(base + PAGE - 1, 18) == b"\x01abc\2\2\2\2\2\x88\x77\x66\x55\x44\x33\x22\x11\2"
    assert ctypes.string_at(start + PAGE - 1, 2) == b"\2\3"


def test_the_programs_rights_still_hold() -> None:
    """Memory that may only be read faults when it is written, as it would have without us."""
    start = libc.map_pages(PAGE, libc.PROT_READ)
    alias = Alias(start, PAGE, libc.PROT_READ, False, RLock())
    alias.move()
    assert alias.read(0, 8) == 0
    with pytest.raises(Unreachable) as caught:
        alias.write(4, 4, 1)
    assert caught.value.address == start + 4
    with pytest.raises(Unreachable):
        alias.write_block(4, b"1")
    alias.restore()
    assert _permissions(start).startswith("r--")


def test_pages_that_cannot_move_stay() -> None:
    """The kernel's refusal comes out, and everything is as it was: here a part of the range is not mapped."""
    start = libc.map_pages(2 * PAGE, RW)
    libc.LIBC.munmap(start + PAGE, PAGE)
    with pytest.raises(OSError, match=f"of 0x2000 bytes at {start:#x}"):
        Alias(start, 2 * PAGE, RW, False, RLock()).move()
