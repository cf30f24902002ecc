"""Watch ordinary memory of this process, for any native code that runs in it."""

import atexit
import ctypes
import mmap
from ctypes import c_uint64
from functools import cache
from typing import Any, Unpack

from mmio.inprocess.mapping import symbols, trapped_ranges
from mmio.inprocess.watched_pages import Pages, check_mapped
from mmio.linux.libc import PAGE, pages
from mmio.live.passthrough import Extent, extent_of
from mmio.watchpoints.watch import On, Watch, WatchOptions


def watch(buffer: Any, on: On = "write", *, outside: bool = False, **options: Unpack[WatchOptions]) -> Watch:
    """Watch ordinary memory of this process: find who overwrites a byte.

        with mmio.watch(buffer, on="write") as hits:
            library.work()
        print(hits)  # each access with function, line and instruction, old and new bytes

    While it is watched, the pages with these bytes are inaccessible, and every access to them, whether it is to the
    bytes or to their neighbours, is done by the emulator on the same memory at another address, in all threads. Hits
    are those to the bytes; the options are those of `AddressSpace.watch`. By default a hit has the name
    "buffer", and knows its function and line.

    The kernel cannot reach the bytes meanwhile: `read` and other system calls into them fail with EFAULT.

    Args:
        buffer: a ctypes object, an mmap, a bytearray, a writable memoryview or array, or `(address, length)`. It stays
            as long as it is watched.
        on: which accesses are hits: "read", "write", "access" or "change", as in `AddressSpace.watch`.
        outside: watch it from another process, which attaches to this one for the time: that goes for any bytes but
            those of a stack, the heap's too, is slower, and tells all hits at the end, so that it cannot `call` or
            `stop`.

    Raises:
        TypeError, ValueError: it is none of these, or an option is not what it should be.
        MappingError: it lies where it cannot be watched from within the process: the message says why.
        OSError: the kernel cannot move these pages.
    """
    extent = extent_of(buffer)
    options.setdefault("name", "buffer")
    options.setdefault("symbols", symbols())
    if outside:
        return _from_outside(extent, on, options)
    watching = trapped_ranges().space.watch(extent.address, extent.length, on, **options)
    try:
        runs = _pages().trap(extent.address, extent.length, _has_pages_to_itself(buffer, extent))
    except BaseException:
        watching.close()
        raise

    def give_back() -> None:
        nonlocal extent
        extent = extent._replace(owner=None)
        failures = [failure for run in runs for failure in run.failures]
        for run in runs:
            run.failures.clear()
        _pages().release(runs)
        if failures:
            raise failures[0]

    watching.when_closed(give_back)
    return watching


def _from_outside(extent: Extent, on: On, options: WatchOptions) -> Watch:
    from mmio.ptrace.external_watcher import Outside  # here, because most programs need no tracer

    if options.get("call") is not None or options.get("stop"):
        raise ValueError("from outside, hits are reported when the watchpoint is closed: it cannot call or stop")
    check_mapped(extent.address, extent.length)
    other: list[Outside] = []

    def detach(watching: Watch) -> None:
        if other:
            other.pop().close(watching)

    watching = Watch(extent.address, extent.length, on, detach=detach, **options)
    other.append(Outside(extent.address, extent.length))
    watching.when_closed(lambda: extent)  # keeps the buffer until then
    return watching


def _has_pages_to_itself(buffer: Any, watched: Extent) -> bool:
    """Return whether only a buffer lies in the pages of those of its bytes that are watched."""
    if isinstance(buffer, tuple):
        return False
    owner: Any = buffer.obj if isinstance(buffer, memoryview) else buffer
    while not isinstance(base := getattr(owner, "_b_base_", None), ctypes._Pointer | None):
        owner = base  # a ctypes object that is part of another, but not what a pointer points to
    if isinstance(owner, mmap.mmap):
        return True
    start, end = _block(extent_of(owner))
    return start <= watched.address // PAGE * PAGE and pages(watched.address + watched.length) <= end


def _block(extent: Extent) -> tuple[int, int]:
    """Return the bytes around a buffer that belong to it: its own, or the whole mapping malloc has made for it alone.

    Such a block begins 16 bytes into its first page, after two words: 0, and the length of the mapping with the second
    lowest bit set (glibc, malloc/malloc.c, IS_MMAPPED).
    """
    start, end = extent.address, extent.address + extent.length
    if start % PAGE == 16:
        before, size = (c_uint64 * 2).from_address(start - 16)
        length = size & -8
        if before == 0 and size & 7 == 2 and length % PAGE == 0 and start - 16 + length >= end:
            return start - 16, start - 16 + length
    return start, end


@cache
def _pages() -> Pages:
    found = Pages(trapped_ranges())
    atexit.register(found.close)
    return found
