"""Modules loaded into this process: their addresses, and those that a fault's handler itself runs in."""

import ctypes
import sys
from collections.abc import Iterator
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_size_t, c_uint16, c_uint32, c_uint64, c_void_p
from os.path import basename
from typing import Final, NamedTuple

from mmio.linux.libc import LIBC, PAGE, pages

_PT_LOAD: Final = 1
_RUNTIME: Final = ("ld-linux", "libc.", "libc-", "libpthread", "libm.", "libdl.", "libffi", "libgcc_s", "libpython")


class _Header(ctypes.Structure):
    """Elf64_Phdr."""

    _fields_ = (
        ("type", c_uint32),
        ("flags", c_uint32),
        ("offset", c_uint64),
        ("address", c_uint64),
        ("physical", c_uint64),
        ("file_size", c_uint64),
        ("memory_size", c_uint64),
        ("alignment", c_uint64),
    )


class _Info(ctypes.Structure):
    """The part of struct dl_phdr_info that every C library has."""

    _fields_ = (("base", c_uint64), ("name", c_char_p), ("headers", POINTER(_Header)), ("count", c_uint16))


_Callback = CFUNCTYPE(c_int, POINTER(_Info), c_size_t, c_void_p)


class Segment(NamedTuple):
    """The pages of one segment of a module. Its name is a path, "" for the program itself."""

    start: int
    end: int
    module: str


def segments() -> Iterator[Segment]:
    """Yield what the loaded modules take up in memory (dl_iterate_phdr(3))."""
    found: list[Segment] = []

    def collect(info: "ctypes._Pointer[_Info]", size: int, data: object) -> int:
        module = info.contents
        for header in module.headers[: module.count]:
            if header.type == _PT_LOAD:
                start = module.base + header.address
                end = pages(start + header.memory_size)
                found.append(Segment(start // PAGE * PAGE, end, (module.name or b"").decode(errors="surrogateescape")))
        return 0

    LIBC.dl_iterate_phdr(_Callback(collect), None)
    return iter(found)


def is_runtime(module: str) -> bool:
    """Return whether the handler of a fault runs in a module: Python, its extensions, and what they are built on."""
    extensions = {getattr(loaded, "__file__", None) for loaded in list(sys.modules.values())}
    return not module or basename(module).startswith(_RUNTIME) or module in extensions
