"""File descriptors of another process: what they are open on (proc(5)), and duplicates of them (pidfd_getfd(2))."""

import ctypes
import os
from ctypes import c_long
from typing import Any

from mmio.linux import own_descriptors
from mmio.linux.libc import check
from mmio.linux.proc_files import read_link, read_text
from mmio.linux.syscall_table import NUMBERS

_syscall: Any = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = c_long


def descriptor_path(pid: int, descriptor: int) -> str:
    """Return what a descriptor of a process is open on, "" when it is not open."""
    try:
        return read_link(pid, f"fd/{descriptor}").removesuffix(" (deleted)")
    except OSError:
        return ""


def descriptor_state(pid: int, descriptor: int) -> tuple[int, int]:
    """Return the position and the open flags of a descriptor. Raises FileNotFoundError when it is not open."""
    text = read_text(pid, f"fdinfo/{descriptor}")
    values = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return int(values["pos"]), int(values["flags"], 8)


def duplicate_descriptor(pid: int, descriptor: int) -> int:
    """Return a descriptor of pagetrap's for the open file that a process has under number `descriptor`.

    Raises:
        OSError: the process is gone, or tracing it is not permitted.
    """
    if pid == os.getpid():
        return own_descriptors.copy_of(descriptor)
    process = os.pidfd_open(pid)
    try:
        result = _syscall(c_long(NUMBERS[64]["pidfd_getfd"]), c_long(process), c_long(descriptor), c_long(0))
        return check(result, f"pidfd_getfd of descriptor {descriptor} of process {pid}")
    finally:
        os.close(process)
