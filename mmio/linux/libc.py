"""C library calls with their types; errors are raised as `OSError`.

Function objects of the C library are shared by all code that asks the same `CDLL` object for them, prototype and all;
this module's own object keeps its prototypes to itself.
"""

import ctypes
import errno
import os
from ctypes import c_int, c_long, c_size_t, c_void_p
from typing import Any, Final

PAGE: Final = 4096
"""Bytes in a page. x86-64 has no other base size."""

PROT_NONE: Final = 0
PROT_READ: Final = 1
PROT_WRITE: Final = 2
PROT_EXEC: Final = 4

_MAP_PRIVATE: Final = 0x02
_MAP_ANONYMOUS: Final = 0x20
_MAP_NORESERVE: Final = 0x4000
_MAP_FIXED_NOREPLACE: Final = 0x100000
_NO_PLACE: Final = (errno.EEXIST, errno.EINVAL, errno.ENOMEM, errno.EPERM)  # taken, or no address of user memory
_FAILED: Final = (1 << 64) - 1
_MADV_DONTNEED: Final = 4
_MREMAP_MAYMOVE: Final = 1
_MREMAP_FIXED: Final = 2

LIBC: Final = ctypes.CDLL(None, use_errno=True)

LIBC.mmap.restype = c_void_p
LIBC.mmap.argtypes = (c_void_p, c_size_t, c_int, c_int, c_int, c_long)
LIBC.mprotect.argtypes = (c_void_p, c_size_t, c_int)
LIBC.madvise.argtypes = (c_void_p, c_size_t, c_int)
LIBC.munmap.argtypes = (c_void_p, c_size_t)
LIBC.mremap.restype = c_void_p
LIBC.mremap.argtypes = (c_void_p, c_size_t, c_size_t, c_int, c_void_p)


def pages(length: int) -> int:
    """Round a length up to whole pages."""
    return -(-length // PAGE) * PAGE


def check(result: int, what: str) -> int:
    """Return the result of a C library call, or raise what errno says when it is negative."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def map_pages(length: int, protection: int = PROT_NONE) -> int:
    """Map fresh zeroed pages of this process's own; return their address.

    Inaccessible pages cost address space only, no memory.

    Raises:
        OSError: the kernel refuses, for want of memory or address space.
    """
    address = LIBC.mmap(None, length, protection, _MAP_PRIVATE | _MAP_ANONYMOUS | _MAP_NORESERVE, -1, 0)
    if address is None or address == _FAILED:
        check(-1, f"mmap of {length:#x} bytes")
    return int(address)


def map_exactly(address: int, length: int, protection: int) -> bool:
    """Map fresh zeroed pages at an address; return whether nothing else was there.

    Raises:
        OSError: the kernel refuses for another reason than the place.
    """
    flags = _MAP_PRIVATE | _MAP_ANONYMOUS | _MAP_NORESERVE | _MAP_FIXED_NOREPLACE
    found = LIBC.mmap(address, length, protection, flags, -1, 0) or 0  # ctypes makes None of address 0
    if found == _FAILED:
        if ctypes.get_errno() not in _NO_PLACE:
            check(-1, f"mmap of {length:#x} bytes at {address:#x}")
        return False
    if found != address:  # a kernel before 4.17 takes the address for a hint
        LIBC.munmap(found, length)
    return bool(found == address)


def protect(address: int, length: int, protection: int) -> None:
    """Change what may be done with pages."""
    check(LIBC.mprotect(address, length, protection), f"mprotect of {length:#x} bytes at {address:#x}")


def discard(address: int, length: int) -> None:
    """Fill pages of anonymous memory with zeros and free what they take (MADV_DONTNEED). Raises OSError."""
    check(LIBC.madvise(address, length, _MADV_DONTNEED), f"madvise of {length:#x} bytes at {address:#x}")


def move_pages(old: int, old_length: int, new: int, length: int, flags: int = 0) -> None:
    """Move a mapping to another address, in place of what is there; no thread sees a moment in between (mremap(2)).

    Args:
        old: its address.
        old_length: its bytes, whole pages.
        new: the address it gets.
        length: the bytes it has there.
        flags: MREMAP_DONTUNMAP or 0.

    Raises:
        OSError: the kernel refuses.
    """
    result = LIBC.mremap(old, old_length, length, _MREMAP_MAYMOVE | _MREMAP_FIXED | flags, new)
    if result is None or result == _FAILED:
        check(-1, f"mremap of {length:#x} bytes at {old:#x}")


def map_code(code: bytes) -> int:
    """Map machine code, which stays; return its address. Raises OSError."""
    length = pages(len(code))
    address = map_pages(length, PROT_READ | PROT_WRITE)
    ctypes.memmove(address, code, len(code))
    protect(address, length, PROT_READ | PROT_EXEC)
    return address


def address_of(function: Any) -> int:
    """Return the address of a foreign function or a callback."""
    address = ctypes.cast(function, c_void_p).value
    assert address is not None
    return address
