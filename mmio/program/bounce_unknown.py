"""Bounce buffers for system calls that are newer than the tables of calls.

Direction and length of such a call's buffers are not known. So each argument that points into trapped memory of the
program's own is replaced by a pointer to a copy of the page from there on, and the bytes that the kernel has changed
are written back. What the kernel only reads is not recorded. Memory of a device is not copied: reading it could have
side effects.
"""

import os
from collections.abc import Iterator

from mmio.linux.libc import PAGE
from mmio.linux.process_memory import read_memory, write_memory
from mmio.program.kernel_access import scatter
from mmio.program.thread import Call, StoppedThread


def bounce_unknown(thread: StoppedThread, call: Call) -> None:
    """Replace the pointers of a call into trapped memory by pointers to copies. The thread is stopped before it."""
    pointers = [(index, address) for index, address in enumerate(call.arguments) if _is_own(thread, address)]
    if not pointers:
        return
    memory = thread.process.own_memory
    before = [os.pread(memory, PAGE, address) for _, address in pointers]
    place = thread.buffer(PAGE * len(pointers), call.bits)
    copies = range(place, place + PAGE * len(pointers), PAGE)
    for copy, data in zip(copies, before, strict=True):
        write_memory(thread.pid, copy, data)
    changes = {index: copy for (index, _), copy in zip(pointers, copies, strict=True)}
    thread.set_call(call.number, changes, call.bits)

    def finish() -> None:
        thread.restore_call()
        for (_, address), copy, old in zip(pointers, copies, before, strict=True):
            new = read_memory(thread.pid, copy, len(old))
            for first, last in _changes(old, new):
                scatter(thread, address + first, new[first:last], call.bits)

    thread.on_exit = finish


def _is_own(thread: StoppedThread, address: int) -> bool:
    """Return whether an address is in trapped memory that is the program's own."""
    found = thread.process.trapped_in(address, address + 1)
    return bool(found) and found[0].is_own


def _changes(old: bytes, new: bytes) -> Iterator[tuple[int, int]]:
    """Yield start and end of each run of bytes in which two blocks differ."""
    start = None
    for at, (one, other) in enumerate(zip(old, new, strict=True)):
        if one != other and start is None:
            start = at
        if one == other and start is not None:
            yield start, at
            start = None
    if start is not None:
        yield start, len(old)
