"""Memory of this or another process, read and written by the kernel: inaccessible parts shorten the result."""

import ctypes
import errno
import os
from contextlib import suppress
from ctypes import c_char, c_int, c_ulong, c_void_p
from typing import Any, Final

from mmio.linux.libc import LIBC, PROT_EXEC, check
from mmio.linux.proc_files import read_part
from mmio.linux.proc_maps import mappings

_MISSING: Final = (errno.EFAULT, errno.ENOMEM)  # the latter for addresses that no process has
_Vectors: Final = c_ulong * 4  # two of struct iovec: address and length, here and there

_readv_with_gil: Final = ctypes.PyDLL(None, use_errno=True)["process_vm_readv"]

for _function in (LIBC.process_vm_readv, LIBC.process_vm_writev, _readv_with_gil):
    _function.restype = ctypes.c_ssize_t
    _function.argtypes = (c_int, c_void_p, c_ulong, c_void_p, c_ulong, c_ulong)


def read_memory(pid: int, address: int, length: int) -> bytes:
    """Return up to `length` bytes at an address, fewer where the rest cannot be read. Empty when none can.

    Raises:
        ProcessLookupError: the process is gone.
        PermissionError: it may not be looked into.
    """
    data = (c_char * length)()
    done = _transfer(LIBC.process_vm_readv, pid, data, address, length)
    return data.raw[:done]


def read_here(address: int, length: int) -> bytes:
    """Return bytes of this process as `read_memory` does. No other thread is in Python meanwhile."""
    data = (c_char * length)()
    done = _transfer(_readv_with_gil, os.getpid(), data, address, length)
    return data.raw[:done]


def read_code(pid: int, address: int, length: int) -> bytes:
    """Read as `read_memory`, also where code may be executed only: a tracer may, by /proc/PID/mem (proc(5))."""
    data = read_memory(pid, address, length)
    if not data:
        found = [mapping for mapping in mappings(pid) if mapping.start <= address < mapping.end]
        if found and found[0].protection & PROT_EXEC:
            with suppress(OSError):
                data = read_part(pid, "mem", address, min(length, found[0].end - address))
    return data


def write_memory(pid: int, address: int, data: bytes) -> int:
    """Write bytes at an address; return how many could be written. Raises as `read_memory`."""
    copy = (c_char * len(data)).from_buffer_copy(data)
    return _transfer(LIBC.process_vm_writev, pid, copy, address, len(data))


def _transfer(function: Any, pid: int, local: "ctypes.Array[c_char]", address: int, length: int) -> int:
    vectors = _Vectors(ctypes.addressof(local), length, address, length)
    here = ctypes.addressof(vectors)
    done: int = function(pid, here, 1, here + ctypes.sizeof(vectors) // 2, 1, 0)
    if done < 0 and ctypes.get_errno() not in _MISSING:
        check(done, f"{function.__name__} of process {pid}")
    return max(done, 0)
