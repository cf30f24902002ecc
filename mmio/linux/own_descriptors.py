"""Keep pagetrap's file descriptors out of the reach of a program that runs in this process.

A program takes every number for its own that it has not opened: it closes all of them, counts on getting the lowest
one, and lists /proc/self/fd. So pagetrap's descriptors get numbers above the limit that the program has
(RLIMIT_NOFILE), and the real limit is raised for them. Without a program in this process nothing is moved.
"""

import os
import resource
from contextlib import suppress
from fcntl import F_DUPFD_CLOEXEC, fcntl
from typing import Final

from attrs import define, field

_ROOM: Final = 64  # descriptors that pagetrap needs
_MORE_ROOM: Final = 1024  # and those it may need: one for each child of the program at once
_LEAST: Final = 256  # of the numbers that a program has, where it must share the limit with pagetrap
_MOST: Final = 1 << 20


@define
class _Reserved:
    """The numbers that are pagetrap's, while any are.

    Attributes:
        first: the lowest number, a power of two; None when nothing is reserved.
        before: the limits of the process before, restored at the end.
        of_program: the limits that the program is shown and held to.
        end: the first number that is not.
        numbers: those in use.
    """

    first: int | None = None
    end: int = 0
    before: tuple[int, int] = (0, 0)
    of_program: tuple[int, int] = (0, 0)
    numbers: set[int] = field(factory=set)


_reserved: Final = _Reserved()


def reserve() -> None:
    """Reserve numbers for pagetrap's descriptors, and raise the limit for them.

    Raises:
        OSError: the limit cannot be raised, and is too low to be shared.
    """
    if _reserved.first is not None:
        return
    soft, hard = _reserved.before = _reserved.of_program = resource.getrlimit(resource.RLIMIT_NOFILE)
    first = max(1 << (min(soft, _MOST) - 1).bit_length(), 1024)
    for room in (_MORE_ROOM, _ROOM):
        end = first + room
        for limits in ((end, max(hard, end)), (hard, hard)):
            with suppress(ValueError, OSError):  # the hard limit may be raised by those with CAP_SYS_RESOURCE
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
                if limits[0] >= end:
                    _reserved.first, _reserved.end = first, limits[0]
                    return
    shared = 1 << (hard // 2).bit_length() - 1 if hard >= 2 else 0
    if shared < _LEAST:
        raise OSError(
            f"the limit of {hard} open files (RLIMIT_NOFILE) leaves none for pagetrap beside the program: raise it, as "
            f"in `ulimit -Hn {2 * _LEAST}`, or run the program with --engine=ptrace"
        )
    _reserved.first, _reserved.end = shared, hard


def release() -> None:
    """Give the reserved numbers back, and restore the limits."""
    if _reserved.first is not None:
        _reserved.first = None
        _reserved.numbers.clear()
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, _reserved.before)


def first_reserved() -> int | None:
    """Return the lowest number that may be pagetrap's; None when none is reserved."""
    return _reserved.first


def end_of_reserved() -> int:
    """Return the first number that no descriptor can have while some are reserved."""
    return _reserved.end


def limits_of_the_program() -> tuple[int, int]:
    """Return RLIMIT_NOFILE as the program has it: soft and hard."""
    return _reserved.of_program


def set_limits_of_the_program(soft: int, hard: int) -> None:
    """Set RLIMIT_NOFILE as the program has it."""
    _reserved.of_program = (soft, hard)


def is_reserved(number: int) -> bool:
    """Return whether a descriptor is pagetrap's."""
    return _reserved.first is not None and number >= _reserved.first and number in _reserved.numbers


def kept(descriptor: int) -> int:
    """Move a descriptor out of the program's reach; return its new number, or the same one where none is reserved."""
    if _reserved.first is None or descriptor >= _reserved.first:
        return descriptor
    moved = copy_of(descriptor)
    os.close(descriptor)
    return moved


def copy_of(descriptor: int) -> int:
    """Return a duplicate of a descriptor out of the program's reach."""
    copy = fcntl(descriptor, F_DUPFD_CLOEXEC, _reserved.first or 3)
    _reserved.numbers.add(copy)
    return copy
