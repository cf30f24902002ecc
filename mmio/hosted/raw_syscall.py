"""System calls made for the program, by number, as the kernel sees them.

They are made from the C library of this process, whose code the filter lets pass whatever the call.
"""

import ctypes
from ctypes import c_long, c_void_p
from typing import Final

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = c_long
_LIBC.syscall.argtypes = (c_long, *[c_void_p] * 6)


def system_call(number: int, *arguments: int) -> int:
    """Make a system call; return its result, an error as a negative number."""
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    result: int = _LIBC.syscall(number, *padded)
    return -ctypes.get_errno() if result == -1 else result


def failed(result: int) -> bool:
    """Return whether a result is an error."""
    return -4096 < result < 0
