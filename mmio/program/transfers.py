"""Transfers that may be longer than a bounce buffer: split into parts, each a system call."""

import os
import re
import stat
from functools import cache
from typing import Final, NamedTuple

from attrs import evolve

from decode import READ
from mmio.linux.libc import PAGE
from mmio.linux.proc_files import status_of
from mmio.linux.syscall_table import VECTORS
from mmio.program.kernel_access import TOP, KernelAccess
from mmio.program.syscall_pointers import Buffer, Pointer
from mmio.program.thread import Call, StoppedThread

_LONGEST: Final = (1 << 31) - PAGE
"""The most that one call transfers (MAX_RW_COUNT, linux/fs.h)."""
_TRANSFERS: Final = {  # argument with the buffer, with its length, with the position in the file
    "getrandom": (0, 1, None),
    "read": (1, 2, None),
    "write": (1, 2, None),
    "pread64": (1, 2, 3),
    "pwrite64": (1, 2, 3),
    "recvfrom": (1, 2, None),
    "sendto": (1, 2, None),
    "readv": (1, 2, None),
    "writev": (1, 2, None),
    "preadv": (1, 2, 3),
    "pwritev": (1, 2, 3),
    "preadv2": (1, 2, 3),
    "pwritev2": (1, 2, 3),
}
_WRITING: Final = ("write", "pwrite64", "sendto", "writev", "pwritev", "pwritev2")
_CHECKED_FIRST: Final = ("read", "write", "pread64", "pwrite64")
"""Transfers whose whole length the kernel checks (vfs_read of fs/read_write.c): it cuts others to the most that it
transfers before (import_ubuf of lib/iov_iter.c)."""
_CURRENT: Final = (1 << 64) - 1  # as a position of preadv2: that of the descriptor


class Part(NamedTuple):
    """One part of a transfer.

    Attributes:
        buffers: of this part, by the argument.
        changed: arguments that say how much it is, and where.
        asked: the bytes of the part when more are to follow if all of them are transferred; None for the last one.
    """

    buffers: dict[int, Buffer]
    changed: dict[int, int]
    asked: int | None


def next_part(name: str, call: Call, found: dict[int, Buffer], access: KernelAccess, done: int, most: int) -> Part:
    """Return what is left of a call after `done` bytes, as much of it as needs no more than `most` bytes of copies."""
    arguments = _TRANSFERS.get(name)
    if arguments is None or arguments[0] not in found:
        return Part(found, {}, None)
    where, length, offset = arguments
    whole = found[where]
    changed: dict[int, int] = {}
    if done and offset is not None:
        changed = _moved(call, offset, done)
    if name in VECTORS and not whole.contents:
        return Part(found, {}, None)
    reach = whole.length if name in _CHECKED_FIRST else min(whole.length, _LONGEST)
    if access.is_refused(whole.address, reach):
        return Part({index: buffer for index, buffer in found.items() if index != where}, {}, None)
    if name in VECTORS:
        buffer, changed[length], asked = _vectors(whole, call.bits, access, done, most)
    else:
        left = whole.length - done
        stretch = access.stretch(whole.address + done, min(left, most + 1), write=whole.direction != READ)
        asked = None
        if stretch.end - stretch.start > most and done + most < _LONGEST:
            left = asked = most
        if stretch.end > stretch.start:  # else the kernel is to see what the program says
            left = min(left, _LONGEST - done)
        buffer = evolve(whole, address=whole.address + done, length=left)
        if left != whole.length:
            changed |= {where: buffer.address, length: left}
    return Part(found | {where: buffer}, changed, asked)


def goes_on(thread: StoppedThread, name: str, call: Call) -> bool:
    """Return whether a transfer continues after its first part was transferred in full.

    What is written is all written; a pipe or socket that is read gives what it has.
    """
    if name in _WRITING or name == "getrandom":
        return True
    try:
        mode = status_of(thread.pid, f"fd/{call.arguments[0] & 0xFFFFFFFF}").st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) or stat.S_ISBLK(mode) or stat.S_ISCHR(mode)


def _moved(call: Call, offset: int, done: int) -> dict[int, int]:
    """Return the arguments with the position in the file, so many bytes further on."""
    position = call.arguments[offset]
    if call.bits == 64:
        return {} if position == _CURRENT else {offset: position + done}
    position |= call.arguments[offset + 1] << 32
    if position == _CURRENT:
        return {}
    return {offset: position + done & 0xFFFFFFFF, offset + 1: position + done >> 32}


@cache
def _cuts_one_vector() -> bool:
    """Return whether the kernel cuts an only vector to MAX_RW_COUNT before it checks the address (since Linux 6.4).

    __import_iovec_ubuf of lib/iov_iter.c; an older kernel checks all of it, as it does where there are several.
    """
    major, minor = (int(number) for number in re.findall(r"\d+", os.uname().release)[:2])
    return (major, minor) >= (6, 4)


def _vectors(whole: Buffer, bits: int, access: KernelAccess, done: int, most: int) -> tuple[Buffer, int, int | None]:
    """Return what is left of an array of struct iovec, how many they are, and what is asked as `Part` has it.

    What comes after the first byte that may not be accessed is never reached, and not copied.
    """
    word = bits // 8
    entries = [pointer.buffer for pointer in whole.pointers]
    largest, top = (1 << 63, TOP) if bits == 64 else (1 << 31, 1 << 32)
    if len(entries) == 1 and _cuts_one_vector() and entries[0].length < largest:
        entries = [evolve(entries[0], length=min(entries[0].length, _LONGEST))]
    if any(entry.length >= largest or entry.address + entry.length > top for entry in entries):
        return evolve(whole, pointers=()), len(entries), None  # which fails before anything is transferred
    data, pointers = b"", []
    total, copied, skipped, blocked, asked = 0, 0, done, False, None
    for entry in entries:
        skip = min(skipped, entry.length)
        skipped -= skip
        base, length = entry.address + skip, min(entry.length - skip, _LONGEST - done - total)
        if length and not blocked:
            stretch = access.stretch(base, min(length, most - copied + 1), write=entry.direction != READ)
            reach = stretch.end - base
            if reach > most - copied:
                length = most - copied
                asked = total + length
            blocked = not stretch.complete
            copied += min(reach, length)
            piece = evolve(entry, address=base, length=length)
            pointers.append(Pointer(len(data), word, piece))
        data += base.to_bytes(word, "little") + length.to_bytes(word, "little")
        total += length
        if asked is not None:
            break
    left = evolve(whole, length=len(data), contents=data, pointers=tuple(pointers))
    return left, len(data) // (2 * word), asked
