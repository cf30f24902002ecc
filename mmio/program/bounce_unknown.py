"""Bounce system calls without a description: copy what each pointer into the program's own trapped memory points to.

A page of the heap has all sorts of things in it: a path, a time, a lock. The kernel cannot reach them while the page
traps, so such a call gets a copy of what its argument points to, however long that may be, and what the kernel has
changed in the copy is written back. What it has only read is not known, and not recorded.

A lock is not a matter of its contents but of its address, so no thread can wait at a copy of it. Who would wait for
ever is told to look again (which the C library does anyway, futex(2)), and who would wait for some time sleeps that
long.
"""

import os
from collections.abc import Iterator
from typing import Final

from mmio.linux.libc import PAGE
from mmio.linux.process_memory import read_memory, write_memory
from mmio.program.bounce_buffers import scatter
from mmio.program.thread import Call, StoppedThread

_ABOUT_ADDRESSES: Final = frozenset(
    # mmap mprotect munmap brk mremap msync mincore madvise shmat clone fork vfork execve mlock munlock remap_file_pages
    # set_tid_address mbind set_robust_list move_pages execveat mlock2 pkey_mprotect rseq clone3 futex_waitv mseal
    {9, 10, 11, 12, 25, 26, 27, 28, 30, 56, 57, 58, 59, 149, 150, 216, 218, 237, 273, 279, 322, 325, 329, 334, 435}
    | {449, 462}
)
"""Calls (asm/unistd_64.h) that are about the addresses themselves, keep them, or do not return here."""

_FUTEX: Final = 202
_WAIT: Final = (0, 9)  # FUTEX_WAIT, FUTEX_WAIT_BITSET
_OPERATION: Final = 0x7F
_EAGAIN: Final = 11
_ETIMEDOUT: Final = 110


def borrow(thread: StoppedThread, call: Call) -> None:
    """Give a call copies of what its arguments point to, where that is trapped. The thread is stopped before it."""
    if call.bits != 64 or call.number in _ABOUT_ADDRESSES or thread.on_exit is not None:
        return
    pointers = [(index, address) for index, address in enumerate(call.arguments) if _is_own(thread, address)]
    if not pointers:
        return
    waits = False
    if call.number == _FUTEX and _is_own(thread, call.arguments[0]):
        waits = call.arguments[1] & _OPERATION in _WAIT
        if not waits or not call.arguments[3]:
            thread.answer_call(-_EAGAIN if waits else 0)  # no thread is asleep there
            return
    memory = thread.process.own_memory
    before = [os.pread(memory, PAGE, address) for _, address in pointers]
    place = thread.buffer(PAGE * len(pointers))
    copies = range(place, place + PAGE * len(pointers), PAGE)
    for copy, data in zip(copies, before, strict=True):
        write_memory(thread.pid, copy, data)
    changes = {index: copy for (index, _), copy in zip(pointers, copies, strict=True)}
    thread.set_call(call.number, changes, call.bits)

    def finish() -> None:
        result = thread.call_result
        if waits and result == -_ETIMEDOUT and _word(thread, call.arguments[0]) != call.arguments[2] & 0xFFFFFFFF:
            result = -_EAGAIN  # it was not in vain
        thread.restore_call(result)
        for (_, address), copy, old in zip(pointers, copies, before, strict=True):
            new = read_memory(thread.pid, copy, len(old))
            for first, last in _changes(old, new):
                scatter(thread, address + first, new[first:last])

    thread.on_exit = finish


def _is_own(thread: StoppedThread, address: int) -> bool:
    """Return whether an address is in trapped memory that is the program's own."""
    found = thread.process.trapped_in(address, address + 1)
    return bool(found) and found[0].source is None and not found[0].stand_in


def _word(thread: StoppedThread, address: int) -> int:
    return int.from_bytes(os.pread(thread.process.own_memory, 4, address), "little")


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
