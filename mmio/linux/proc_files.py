"""Open files of /proc, even after a program in this process has changed the mount of /proc.

A program may change its root directory, unmount /proc, or live in a new PID namespace, where the /proc it still has
counts processes otherwise: /proc/1 is another process than its own PID says. So a host opens the directory before the
program begins, and names itself by the links that the kernel resolves (proc(5)).
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from attrs import define

from mmio.linux import own_table
from mmio.linux.libc import LIBC
from mmio.linux.own_descriptors import kept
from mmio.linux.prctl import PR_GET_DUMPABLE, PR_SET_DUMPABLE

_Result = TypeVar("_Result")

_DUMPABLE: Final = 1  # SUID_DUMP_USER


@define
class _Directory:
    """The directory /proc, and its descriptor while it is held open."""

    descriptor: int | None = None


_proc: Final = _Directory()


def hold() -> None:
    """Open /proc, and use it whatever the program does, until `release`. Raises OSError."""
    if _proc.descriptor is None:
        _proc.descriptor = kept(os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))


def release() -> None:
    """Close what `hold` has opened."""
    if _proc.descriptor is not None:
        os.close(_proc.descriptor)
        _proc.descriptor = None


def open_file(pid: int, name: str, flags: int = os.O_RDONLY) -> int:
    """Open a file of a process or thread; return the descriptor.

    A process that has changed its user ID is not dumpable any more, and does not own its files (task_dump_owner of
    fs/proc/base.c). So where it is this process, it is made dumpable while the file is opened.

    Raises:
        OSError: there is no such file, or tracing the process is not permitted.
    """
    return _permitted(pid, lambda: os.open(_path(pid, name), flags | os.O_CLOEXEC, dir_fd=_proc.descriptor))


def read_text(pid: int, name: str) -> str:
    """Return what is in a file of a process or thread; bytes that are no UTF-8 as surrogates. Raises OSError."""
    return os.fsdecode(_permitted(pid, lambda: own_table.read(_path(pid, name), directory=_proc.descriptor)))


def read_part(pid: int, name: str, offset: int, length: int) -> bytes:
    """Return up to `length` bytes from an offset on in a file of a process or thread. Raises OSError."""
    return _permitted(pid, lambda: own_table.read(_path(pid, name), offset, length, _proc.descriptor))


def read_link(pid: int, name: str) -> str:
    """Return where a link of a process or thread points to. Raises OSError."""
    return os.readlink(_path(pid, name), dir_fd=_proc.descriptor)


def status_of(pid: int, name: str) -> os.stat_result:
    """Return the status of what a link of a process or thread points to. Raises OSError."""
    return os.stat(_path(pid, name), dir_fd=_proc.descriptor)


def list_names(pid: int, name: str) -> list[str]:
    """Return the names in a directory of a process or thread. Raises OSError."""
    return _permitted(pid, lambda: own_table.names(_path(pid, name), _proc.descriptor))


@contextmanager
def dumpable() -> Iterator[None]:
    """Make this process dumpable for a while, so that others of its user may reach its memory (ptrace(2))."""
    before = LIBC.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)
    if before != _DUMPABLE:
        LIBC.prctl(PR_SET_DUMPABLE, _DUMPABLE, 0, 0, 0)
    try:
        yield
    finally:
        if before != _DUMPABLE:
            LIBC.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # the 2 that fs.suid_dumpable may have given cannot be set


def _permitted(pid: int, opening: Callable[[], _Result]) -> _Result:
    """Call a function that opens a file of a process, which is made dumpable for it where it is this one."""
    try:
        return opening()
    except PermissionError:
        if pid != os.getpid():
            raise
        with dumpable():
            return opening()


def _path(pid: int, name: str) -> str:
    """Return a path relative to /proc, or a whole one where the directory is not held."""
    process = str(pid)
    if _proc.descriptor is None:
        return f"/proc/{process}/{name}"
    if pid == os.getpid():
        process = "self"
    elif pid == threading.get_native_id():
        process = f"self/task/{_this_thread()}"
    return f"{process}/{name}"


def _this_thread() -> int:
    """Return the number that this thread has in the /proc that is held.

    Not by its link thread-self: own_table.py reads in another thread.
    """
    link = os.readlink("thread-self", dir_fd=_proc.descriptor)
    return int(link.rpartition("/")[2])
