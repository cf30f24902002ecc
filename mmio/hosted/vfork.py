"""vfork: the parent waits until its child executes or ends, and then sees what the child has written (vfork(2)).

A hosted program's process cannot be shared, so the child has a copy. What it has changed in it is copied back while it
waits to be let go. With other threads in the parent, which run on and write, that is only the stack of the one that
waits, where C libraries have what such a child tells (`posix_spawn` its error).
"""

import os
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from ctypes import memmove, string_at
from typing import Final

from mmio.hosted.channel import Channel, ChannelClosed
from mmio.linux.libc import PAGE, PROT_WRITE
from mmio.linux.proc_maps import mappings
from mmio.linux.process_memory import read_memory

STACK: Final = 1 << 16
"""Bytes of a stack from its top on where a child may have written."""

# An entry of /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst).
_THERE: Final = 3 << 62
_FILES: Final = 1 << 61
_AT_ONCE: Final = 256  # pages


def wait_for(child: int, channel: Channel, places: Sequence[range]) -> None:
    """Wait until a child lets go of this process's memory, and copy what it has changed in some places."""
    with suppress(ChannelClosed):
        channel.receive()
        with suppress(OSError):  # it may not be looked into, or has been killed
            for place in places:
                _copy_back(child, place)
        # The kernel's words in the memory of this thread (rseq(2)) are written anew when it is scheduled again.
        time.sleep(1e-6)
        channel.send(["done"])


def let_go(channel: Channel) -> None:
    """Release the parent, in a child that is about to execute or to end."""
    with suppress(ChannelClosed):
        channel.send(["done"])
        channel.receive()
    channel.close()


def _copy_back(child: int, place: range) -> None:
    """Copy the pages of a child that differ from those of this process. Raises OSError."""
    for start, end in _writable(place):
        for first, last in _private(child, start, end):
            theirs = read_memory(child, first, last - first)
            if theirs == string_at(first, len(theirs)):
                continue
            for at in range(0, len(theirs), PAGE):
                page = theirs[at : at + PAGE]
                if page != string_at(first + at, len(page)):
                    memmove(first + at, page, len(page))


def _writable(place: range) -> list[tuple[int, int]]:
    """Return the private mappings of this process in a place that can be written, cut to it."""
    return [
        (max(mapping.start, place.start), min(mapping.end, place.stop))
        for mapping in mappings(os.getpid())
        if mapping.start < place.stop
        and place.start < mapping.end
        and mapping.protection & PROT_WRITE
        and not mapping.shared
    ]


def _private(child: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the stretches between two addresses where a child has pages of its own. Raises OSError."""
    start &= -PAGE
    with open(f"/proc/{child}/pagemap", "rb", buffering=0) as entries:
        for first in range(start, end, _AT_ONCE * PAGE):
            count = min(_AT_ONCE, -(-(end - first) // PAGE))
            found = array("Q", os.pread(entries.fileno(), 8 * count, first // PAGE * 8))
            run = None
            for index, entry in enumerate([*found, 0]):
                if entry & _THERE and not entry & _FILES:
                    run = index if run is None else run
                elif run is not None:
                    yield first + run * PAGE, first + index * PAGE
                    run = None
