"""Build the initial stack of a program: arguments, environment, auxiliary vector (create_elf_tables)."""

import os
import struct
from collections.abc import Sequence
from ctypes import memmove
from resource import RLIM_INFINITY, RLIMIT_STACK, getrlimit
from typing import Final

from mmio.hosted.elf_image import Command, Image, Loaded
from mmio.hosted.program_area import FIXED_NOREPLACE, NORESERVE, PRIVATE_ANONYMOUS, Area, map_memory
from mmio.linux.libc import PAGE, PROT_EXEC, PROT_READ, PROT_WRITE
from mmio.linux.proc_files import open_file

_STACK: Final = 0x6474E551  # PT_GNU_STACK

# Entries of the auxiliary vector that are about the program (linux/auxvec.h).
_HEADERS: Final = 3
_HEADER_COUNT: Final = 5
_BASE: Final = 7
_ENTRY: Final = 9
_RANDOM: Final = 25
_NAME: Final = 31
_VDSO: Final = 33  # AT_SYSINFO_EHDR

_DEFAULT: Final = 8 << 20
_LARGEST: Final = 1 << 30
_PAIR: Final = struct.Struct("<QQ")


def build(
    area: Area,
    command: Command,
    environment: Sequence[bytes],
    program: Loaded,
    interpreter: Loaded | None,
    *,
    vdso: bool = True,
) -> int:
    """Make a stack; return the stack pointer.

    What the auxiliary vector says of the machine is what it said to this process. Without the vdso, a C library makes
    system calls for the time.
    """
    size = _size()
    bottom = map_memory(
        area.place(size + PAGE) + PAGE,
        size,
        _protection(command.image),
        PRIVATE_ANONYMOUS | NORESERVE | FIXED_NOREPLACE,
    )
    top = bottom + size - 16

    def push(data: bytes) -> int:
        nonlocal top
        top -= len(data)
        memmove(top, data, len(data))
        return top

    name = push(os.fsencode(command.name) + b"\0")
    variables = [push(variable + b"\0") for variable in reversed(environment)][::-1]
    arguments = [push(argument + b"\0") for argument in reversed(command.arguments)][::-1]
    about = {
        _HEADERS: program.headers,
        _HEADER_COUNT: command.image.header_count,
        _BASE: interpreter.base if interpreter else 0,
        _ENTRY: program.entry,
        _RANDOM: push(os.urandom(16)),
        _NAME: name,
    }
    with open(open_file(os.getpid(), "auxv"), "rb") as file:
        entries = [entry for entry in _PAIR.iter_unpack(file.read()) if vdso or entry[0] != _VDSO]
    vector = b"".join(_PAIR.pack(kind, about.get(kind, value)) for kind, value in entries)
    words = [len(arguments), *arguments, 0, *variables, 0]
    block = struct.pack(f"<{len(words)}Q", *words) + vector
    top -= (top - len(block)) % 16
    return push(block)


def _size() -> int:
    """Return how large the stack may grow."""
    soft, _ = getrlimit(RLIMIT_STACK)
    return _DEFAULT if soft == RLIM_INFINITY else max(min(soft, _LARGEST) // PAGE * PAGE, 1 << 20)


def _protection(image: Image) -> int:
    """Return the protection of the stack: executable where the program header says so, or is missing.

    That is how the kernel has it for 64-bit programs (elf_read_implies_exec of arch/x86/include/asm/elf.h). Code that
    the compiler puts on the stack, as for nested functions of GNU C, counts on it.
    """
    for segment in image.segments:
        if segment.kind == _STACK:
            return segment.protection
    return PROT_READ | PROT_WRITE | PROT_EXEC
