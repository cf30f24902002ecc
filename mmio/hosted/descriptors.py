"""File descriptors of a process that pagetrap shares with a program."""

import gc
import io
import os
import socket
from fcntl import F_GETFD, FD_CLOEXEC, fcntl
from typing import Final

from mmio.linux.own_descriptors import copy_of, is_reserved
from mmio.linux.proc_files import list_names

_STANDARD: Final = (0, 1, 2)


class Descriptors:
    """Standard input, output and error, saved while a program has them, which may close them."""

    def __init__(self) -> None:
        self._standard = {number: copy_of(number) for number in _STANDARD if is_open(number)}
        self._before = _all()

    def restore(self) -> None:
        """Take standard input, output and error back."""
        for number, copy in self._standard.items():
            os.dup2(copy, number, inheritable=True)
            os.close(copy)
        self._standard.clear()

    def close(self) -> None:
        """Close what the program has left open, as its end does: others wait for the end of a pipe.

        Standard input, output and error are pagetrap's again. What is open in a Python object may be a device model's.
        """
        ours = {number for number in map(_number_of, gc.get_objects()) if number is not None}
        for number in _all() - self._before - ours:
            if not is_reserved(number):
                os.close(number)

    def execute(self) -> None:
        """Close what the program wants closed when it becomes another one."""
        for number in _all():
            if (
                number not in self._before
                and not is_reserved(number)
                and is_open(number)
                and fcntl(number, F_GETFD) & FD_CLOEXEC
            ):
                os.close(number)


def is_open(number: int) -> bool:
    """Return whether a descriptor is open."""
    try:
        fcntl(number, F_GETFD)
    except OSError:
        return False
    return True


def _all() -> set[int]:
    """Return all descriptors that are open, but not that by which they are listed."""
    return {number for number in map(int, list_names(os.getpid(), "fd")) if is_open(number)}


def _number_of(something: object) -> int | None:
    """Return the descriptor of a Python object that has one."""
    if not isinstance(something, io.FileIO | socket.socket):
        return None
    try:
        return something.fileno()
    except ValueError:  # it is closed
        return None
