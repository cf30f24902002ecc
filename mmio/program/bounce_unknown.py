"""Bounce system calls that are in no table: copy what each pointer into the program's own trapped memory points to.

They are newer than the tables. What the kernel does with a pointer is not known, nor how long the buffer is; so the
call gets a page that begins with what its argument points to, and what the kernel has changed there is written back.
What it has only read is not recorded. Memory of a device is left alone: to look at it could have effects.
"""

import os
from collections.abc import Iterator

from mmio.linux.libc import PAGE
from mmio.linux.process_memory import read_memory, write_memory
from mmio.program.kernel_access import scatter
from mmio.program.thread import Call, StoppedThread


def borrow(thread: StoppedThread, call: Call) -> None:
    """Give a call copies of what its arguments point to, where that is trapped. The thread is stopped before it."""
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
    """Yield the stretches in which two blocks differ."""
    start = None
    for at, (one, other) in enumerate(zip(old, new, strict=True)):
        if one != other and start is None:
            start = at
        if one == other and start is not None:
            yield start, at
            start = None
    if start is not None:
        yield start, len(old)
