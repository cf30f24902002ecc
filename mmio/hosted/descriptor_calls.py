"""Answer a hosted program's system calls about descriptors as if pagetrap had none in its process.

A reserved number is one that is not open. The limit of open files is the program's own: the real one is higher, so a
call that would go beyond the program's is refused here. A listing of /proc/self/fd has its own descriptors only.
"""

import errno
import os
import re
import struct
from fcntl import F_DUPFD, F_DUPFD_CLOEXEC
from itertools import islice
from resource import RLIMIT_NOFILE
from typing import Final

from mmio.hosted.descriptors import is_open
from mmio.hosted.thread import Thread
from mmio.linux import own_descriptors
from mmio.linux.descriptors import descriptor_path
from mmio.linux.own_descriptors import is_reserved
from mmio.linux.seccomp import Equal, When
from mmio.linux.syscall_table import NUMBERS
from mmio.program.thread import Call

_CALLS: Final = NUMBERS[64]
_CLOSE_RANGE: Final = _CALLS["close_range"]
_DUP: Final = _CALLS["dup"]
_DUP2: Final = (_CALLS["dup2"], _CALLS["dup3"])
_FCNTL: Final = _CALLS["fcntl"]
_GETDENTS64: Final = _CALLS["getdents64"]
_LIMITS: Final = {
    _CALLS["getrlimit"]: (0, None, 1),
    _CALLS["setrlimit"]: (0, 1, None),
    _CALLS["prlimit64"]: (1, 2, 3),
}
"""Which arguments of these calls are the resource, a pointer to new limits, and where the old ones go."""

WITH_POINTERS: Final = frozenset({*_LIMITS, _GETDENTS64})
"""Calls answered here that are given memory."""

_DESCRIPTORS: Final = {
    (0,): """
    read write close fstat lseek ioctl pread64 pwrite64 readv writev dup fcntl flock fsync fdatasync ftruncate getdents
    fchdir fchmod fchown fstatfs readahead getdents64 fadvise64 sync_file_range vmsplice fallocate syncfs preadv pwritev
    """,
    (0, 1): "dup2 dup3 sendfile tee",
    (0, 2): "splice copy_file_range",
}
_TAKING: Final = {_CALLS[name]: places for places, names in _DESCRIPTORS.items() for name in names.split()}
"""Calls that take descriptors, and which of their arguments are some."""

_ALWAYS_OPENING: Final = """
open openat openat2 creat open_by_handle_at dup socket accept accept4 epoll_create epoll_create1 eventfd eventfd2
timerfd_create inotify_init inotify_init1 fanotify_init memfd_create memfd_secret userfaultfd perf_event_open mq_open
io_uring_setup pidfd_open pidfd_getfd fsopen fspick fsmount open_tree
"""
_OPENING: Final = dict.fromkeys((_CALLS[name] for name in _ALWAYS_OPENING.split()), 1) | dict.fromkeys(
    (_CALLS[name] for name in ("pipe", "pipe2", "socketpair")), 2
)
"""How many descriptors these calls open."""

_SIGNALFD: Final = (_CALLS["signalfd"], _CALLS["signalfd4"])
"""Calls that open a descriptor when their first argument is -1, and else change that one."""

_DUPLICATING: Final = (F_DUPFD, F_DUPFD_CLOEXEC)
_CLOSE_RANGE_FLAGS: Final = 2 | 4  # CLOSE_RANGE_UNSHARE, CLOSE_RANGE_CLOEXEC
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
    found |= {number: (Equal(places[0], RLIMIT_NOFILE),) for number, places in _LIMITS.items()}
    found |= dict.fromkeys((*_OPENING, *_DUP2), ())
    found |= dict.fromkeys(_SIGNALFD, (Equal(0, _INT),))
    found[_FCNTL] = (When(0, high), *(Equal(1, command) for command in _DUPLICATING))
    return found | {_CLOSE_RANGE: (), _GETDENTS64: ()}


def answer(thread: Thread, call: Call) -> int | None:
    """Return the result of a call, or None when it is to be made, changed or not.

    Raises:
        Unreachable: the program's buffer is not there.
    """
    number, arguments = call.number, call.arguments
    if number == _CLOSE_RANGE:
        return _close_range(thread, call)
    if number in _LIMITS and arguments[_LIMITS[number][0]] & _INT == RLIMIT_NOFILE:
        return _limit(thread, call)
    if any(is_reserved(arguments[index] & _INT) for index in _TAKING.get(number, ())):
        return -errno.EBADF
    soft, _ = own_descriptors.limits_of_the_program()
    first = own_descriptors.first_reserved()
    if number in _DUP2 and first is not None and soft <= arguments[1] & _INT < own_descriptors.end_of_reserved():
        return -errno.EBADF
    if number == _FCNTL and arguments[1] & _INT in _DUPLICATING:
        return _duplicate(arguments[0] & _INT, arguments[2] & _INT, soft)
    count = _OPENING.get(number, int(number in _SIGNALFD and arguments[0] & _INT == _INT))
    if count and not (number == _DUP and not is_open(arguments[0] & _INT)) and _is_full(soft, count):
        return -errno.EMFILE
    if number == _GETDENTS64 and _LISTING.fullmatch(descriptor_path(thread.pid, arguments[0] & _INT)):
        return _listing(thread, call)
    return None


def _duplicate(number: int, least: int, soft: int) -> int | None:
    """Return the error of F_DUPFD, or None when the call is to be made; checks in the kernel's order (fs/fcntl.c)."""
    if not is_open(number):
        return None
    if least >= soft:
        return -errno.EINVAL
    return -errno.EMFILE if _is_full(soft, 1, least) else None


def _is_full(soft: int, count: int, least: int = 0) -> bool:
    """Return whether fewer than `count` numbers are free from `least` on and below the program's limit."""
    free = (number for number in range(least, soft) if not is_open(number))
    return len(list(islice(free, count))) < count


def _close_range(thread: Thread, call: Call) -> int | None:
    """Close what is below the reserved numbers, and above them what is not pagetrap's."""
    reserved = own_descriptors.first_reserved()
    first, last, flags = (argument & _INT for argument in call.arguments[:3])
    if reserved is None or first > last or last < reserved:
        return None
    if first < reserved:
        thread.set_call(call.number, {1: reserved - 1}, call.bits)
        return None
    return 0 if not flags & ~_CLOSE_RANGE_FLAGS else -errno.EINVAL


def _limit(thread: Thread, call: Call) -> int | None:
    """Show and change the limit of open files that the program is shown as its own."""
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
