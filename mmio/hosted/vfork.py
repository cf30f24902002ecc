"""vfork: the parent waits until its child executes or ends, and then finds the child's writes in its memory (vfork(2)).

A child by vfork shares its parent's memory. A hosted program's memory is also Python's and cannot be shared, so the
child gets a copy by fork. Before it executes or ends, it waits until the parent has copied back the pages that differ.
If the parent has other threads, which continue writing, only the stack of the waiting thread is copied back: there a C
library's child leaves its result (`posix_spawn` its error).
"""

import os
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from ctypes import memmove, string_at
from typing import Final

from mmio.hosted.channel import Channel, ChannelClosed
from mmio.hosted.thread import RED_ZONE
from mmio.linux.libc import PAGE, PROT_WRITE
from mmio.linux.proc_files import dumpable, read_part
from mmio.linux.proc_maps import mapping_at, mappings
from mmio.linux.process_memory import read_memory

_STACK: Final = 1 << 16  # bytes from the stack pointer on where a child may have written

# An entry of /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst).
_PRESENT_OR_SWAPPED: Final = 3 << 62
_FILE_OR_SHARED: Final = 1 << 61
_PAGES_AT_ONCE: Final = 1 << 13  # pages, whose entries are 64 KiB


def stack_above(pointer: int, fs_base: int) -> range:
    """Return the addresses where a child tells its parent something, given the parent's stack pointer and FS base.

    What lies behind the stack may be Python's memory, which the child's Python has changed for itself. A C library has
    the descriptor of a thread at the end of its stack, and the FS base points there.
    """
    stack = mapping_at(os.getpid(), pointer)
    end = pointer if stack is None else stack.end
    if pointer < fs_base:
        end = min(end, fs_base)
    return range(pointer - RED_ZONE, min(pointer + _STACK, end))


def wait_and_copy_back(child: int, channel: Channel, places: Sequence[range]) -> None:
    """Wait until a child is about to execute or to end, and copy back what it has changed in some address ranges."""
    with suppress(ChannelClosed):
        channel.receive()
        with suppress(OSError):  # its memory may not be read (ptrace_scope), or it has been killed
            for place in places:
                _copy_back(child, place)
        # The rseq(2) area of this thread was copied back, too. The kernel writes it anew when the thread is scheduled.
        time.sleep(1e-6)
        channel.send(["done"])


def release_parent(channel: Channel) -> None:
    """Release the parent, in a child that is about to execute or to end."""
    with suppress(ChannelClosed), dumpable():
        channel.send(["done"])
        channel.receive()
    channel.close()


def _copy_back(child: int, place: range) -> None:
    """Copy the pages of a child that differ from those of this process. Raises OSError."""
    for start, end in _writable_mappings(place):
        for first, last in _private_pages(child, start, end):
            theirs = read_memory(child, first, last - first)
            if theirs == string_at(first, len(theirs)):
                continue
            for at in range(0, len(theirs), PAGE):
                page = theirs[at : at + PAGE]
                if page != string_at(first + at, len(page)):
                    memmove(first + at, page, len(page))


def _writable_mappings(place: range) -> list[tuple[int, int]]:
    """Return the writable private mappings of this process in an address range, cut to it."""
    return [
        (max(mapping.start, place.start), min(mapping.end, place.stop))
        for mapping in mappings(os.getpid())
        if mapping.start < place.stop
        and place.start < mapping.end
        and mapping.protection & PROT_WRITE
        and not mapping.shared
    ]


def _private_pages(child: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the address ranges between two addresses in which a child has private pages. Raises OSError."""
    start &= -PAGE
    for first in range(start, end, _PAGES_AT_ONCE * PAGE):
        count = min(_PAGES_AT_ONCE, -(-(end - first) // PAGE))
        found = array("Q", read_part(child, "pagemap", first // PAGE * 8, 8 * count))
        run = None
        for index, entry in enumerate([*found, 0]):
            if entry & _PRESENT_OR_SWAPPED and not entry & _FILE_OR_SHARED:
                run = index if run is None else run
            elif run is not None:
                yield first + run * PAGE, first + index * PAGE
                run = None
