"""Answer a hosted program's system calls about descriptors as if pagetrap had none in its process.

A reserved number is one that is not open. The limit of open files is the program's own, and a listing of /proc/self/fd
has its own descriptors only. The numbers of the calls are those of asm/unistd_64.h.
"""

import errno
import os
import re
import struct
from typing import Final

from mmio.hosted.thread import Thread
from mmio.linux import own_descriptors
from mmio.linux.descriptors import descriptor_path
from mmio.linux.own_descriptors import is_reserved
from mmio.linux.seccomp import Equal, When
from mmio.program.thread import Call

_CLOSE_RANGE: Final = 436
_DUP2: Final = (33, 292)  # and dup3
_FCNTL: Final = 72
_GETDENTS64: Final = 217
_LIMITS: Final = {97: (0, None, 1), 160: (0, 1, None), 302: (1, 2, 3)}
"""getrlimit, setrlimit, prlimit64: where the resource stands, the new limits, and where the old ones go."""

WITH_POINTERS: Final = frozenset({*_LIMITS, _GETDENTS64})
"""Calls answered here that are given memory."""

_ONE: Final = (0, 1, 3, 5, 8, 16, 17, 18, 19, 20, 32, 72, 73, 74, 75, 77, 78, 81, 91, 93, 138, 187, 217, 221, 277, 278)
_MORE: Final = {33: (0, 1), 292: (0, 1), 40: (0, 1), 276: (0, 1), 275: (0, 2), 326: (0, 2), 295: (0,), 296: (0,)}
_TAKING: Final = dict.fromkeys(_ONE, (0,)) | dict.fromkeys((285, 306), (0,)) | _MORE
"""Calls that take descriptors, and which of their arguments are some."""

_NOFILE: Final = 7  # RLIMIT_NOFILE
_DUPLICATING: Final = (0, 1030)  # F_DUPFD and F_DUPFD_CLOEXEC
_INT: Final = 0xFFFFFFFF
_LISTING: Final = re.compile(r"/proc/\d+/(task/\d+/)?fd(info)?")
_ENTRY: Final = struct.Struct("<QqHB")  # struct linux_dirent64: the name follows
_LIMIT: Final = struct.Struct("<2Q")


def conditions() -> dict[int, tuple[When | Equal, ...]]:
    """Return the calls that must be answered here, with the conditions of the filter."""
    first = own_descriptors.first_reserved()
    if first is None:
        return {}
    high = ~(first - 1) & _INT
    found: dict[int, tuple[When | Equal, ...]] = {
        number: tuple(When(argument, high) for argument in arguments) for number, arguments in _TAKING.items()
    }
    found |= {number: (Equal(places[0], _NOFILE),) for number, places in _LIMITS.items()}
    found[_FCNTL] = (When(0, high), When(2, high))
    return found | {_CLOSE_RANGE: (), _GETDENTS64: ()}


def answer(thread: Thread, call: Call) -> int | None:
    """Return the result of a call, or None when it is to be made, changed or not.

    Raises:
        Unreachable: the program's buffer is not there.
    """
    number, arguments = call.number, call.arguments
    if number == _CLOSE_RANGE:
        return _close_range(thread, call)
    if number in _LIMITS and arguments[_LIMITS[number][0]] & _INT == _NOFILE:
        return _limit(thread, call)
    if any(is_reserved(arguments[index] & _INT) for index in _TAKING.get(number, ())):
        return -errno.EBADF
    soft, _ = own_descriptors.limits_of_the_program()
    first = own_descriptors.first_reserved()
    if number in _DUP2 and first is not None and soft <= arguments[1] & _INT < own_descriptors.end_of_reserved():
        return -errno.EBADF
    if number == _FCNTL and arguments[1] & _INT in _DUPLICATING and arguments[2] & _INT >= soft:
        return -errno.EINVAL
    if number == _GETDENTS64 and _LISTING.fullmatch(descriptor_path(thread.pid, arguments[0] & _INT)):
        return _listing(thread, call)
    return None


def _close_range(thread: Thread, call: Call) -> int | None:
    """Close what is below the reserved numbers, and above them what is not pagetrap's."""
    reserved = own_descriptors.first_reserved()
    first, last, flags = (argument & _INT for argument in call.arguments[:3])
    if reserved is None or first > last or last < reserved:
        return None
    if first < reserved:
        thread.set_call(call.number, {1: reserved - 1}, call.bits)
        return None
    return 0 if not flags & ~6 else -errno.EINVAL  # CLOSE_RANGE_UNSHARE, CLOSE_RANGE_CLOEXEC


def _limit(thread: Thread, call: Call) -> int | None:
    """Show and change the limit that the program believes to have."""
    resource, new, old = _LIMITS[call.number]
    memory = thread.process.memory
    if resource and call.arguments[0] & _INT not in (0, thread.pid, os.getpid()):
        return None
    before = own_descriptors.limits_of_the_program()
    wanted = None
    if new is not None and call.arguments[new]:
        wanted = _LIMIT.unpack(memory.read_block(call.arguments[new], _LIMIT.size))
        if wanted[0] > wanted[1]:
            return -errno.EINVAL
        if wanted[1] > before[1]:
            return -errno.EPERM
    if old is not None and call.arguments[old]:
        memory.write_block(call.arguments[old], _LIMIT.pack(*before))
    if wanted is not None:
        own_descriptors.set_limits_of_the_program(*wanted)
    return 0


def _listing(thread: Thread, call: Call) -> int:
    """List a directory of descriptors without pagetrap's."""
    buffer = call.arguments[1]
    memory = thread.process.memory
    while True:
        try:
            length = thread.make_call(call.number, *call.arguments[:3])
        except OSError as error:
            return -(error.errno or errno.EIO)
        data, kept, at = memory.read_block(buffer, length) if length else b"", b"", 0
        while at < length:
            size = _ENTRY.unpack_from(data, at)[2]
            name = data[at + _ENTRY.size : at + size].partition(b"\0")[0]
            if not (name.isdigit() and is_reserved(int(name))):
                kept += data[at : at + size]
            at += size
        if kept or not length:
            memory.write_block(buffer, kept)
            return len(kept)
