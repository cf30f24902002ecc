"""A process that has one block of code, one window of memory, and the segments a case asks for.

The code block can be executed and read, the window read and written; both are views of one memory file, which the
parent has mapped too. Everything else the child was started with is unmapped, so there is nothing an instruction
could damage, and nothing a wild address could hit. Mappings and segment descriptors stay until a case wants others:
moving costs some 30 µs, a case with the same places nothing.
"""

from __future__ import annotations

import contextlib
import mmap
import struct
from collections.abc import Sequence

from tests.oracle.case import PAGE
from tests.oracle.ptrace import FIRST_SYSCALL, MEMORY_FD, Tracee

BLOCK = 2 * PAGE  # an instruction may cross a page inside its block
WINDOW_LIMIT = 4 * PAGE
CODE_SEGMENT, DATA_SEGMENTS = 1, {"es": 0, "ss": 2, "ds": 3, "fs": 4, "gs": 5}  # entries of the descriptor table

_SYSCALL = b"\x0f\x05"
_ALL_ADDRESSES = 2**47 - PAGE  # TASK_SIZE with four-level paging; with five levels nothing lies above it unasked
_CLOCK_TICK = 1  # seconds of CPU time
_MMAP, _MUNMAP, _MREMAP, _SETITIMER, _MODIFY_LDT = 9, 11, 25, 38, 154  # asm/unistd_64.h
_MODIFY_LDT_WRITE = 0x11
_ITIMER_VIRTUAL = 1
_SHARED_FIXED = mmap.MAP_SHARED | 0x10
_MAY_MOVE_FIXED = 3


def selector(entry: int) -> int:
    """The selector of a descriptor table entry: local table, user privilege."""
    return entry << 3 | 0b111


class Cell:
    """A child whose memory is the file `fd`: first BLOCK bytes of code, `code` being our view of them, then the window.

    A virtual interval timer sends it SIGVTALRM every second of CPU time, so that a hang makes itself known.
    """

    def __init__(self, fd: int, code: memoryview) -> None:
        self.tracee = Tracee(fd)
        self._code = code
        self._block = 0x10000
        self._window: tuple[int, int, tuple[int, ...]] | None = None
        self._descriptors: tuple[int, tuple[int, ...]] | None = None
        try:
            self._empty()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the child."""
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            self.tracee.kill()

    def _empty(self) -> None:
        block = self._block
        execute = mmap.PROT_READ | mmap.PROT_EXEC
        self.tracee.syscall(FIRST_SYSCALL, _MMAP, block, BLOCK, execute, _SHARED_FIXED, MEMORY_FD, 0)
        self._call(_MUNMAP, 0, block)
        self._call(_MUNMAP, block + BLOCK, _ALL_ADDRESSES - block - BLOCK)
        self._call(_SETITIMER, _ITIMER_VIRTUAL, data=struct.pack("<4Q", _CLOCK_TICK, 0, _CLOCK_TICK, 0))

    def _call(self, number: int, *arguments: int, data: bytes = b"") -> None:
        """Run a system call from the code block, `data` standing there too, its address the next argument."""
        self._code[: len(_SYSCALL)] = _SYSCALL
        if data:
            self._code[16 : 16 + len(data)] = data
            arguments = (*arguments, self._block + 16)
            if number == _MODIFY_LDT:
                arguments = (*arguments, len(data))
        self.tracee.syscall(self._block, number, *arguments)

    def place(self, block: int, window: int, length: int, absent: tuple[int, ...] = ()) -> None:
        """Have the code block at `block`, and `length` bytes of window at `window` without the absent pages of it."""
        if block == self._block and self._window == (window, length, absent):
            return
        if self._window is not None:
            self._call(_MUNMAP, *self._window[:2])
            self._window = None
        while block != self._block:
            # A mapping cannot be moved onto itself: the nearest places are reached by way of a far one.
            target = block if abs(block - self._block) >= BLOCK else block ^ 1 << 30
            self._call(_MREMAP, self._block, BLOCK, BLOCK, _MAY_MOVE_FIXED, target)
            self._block = target
        access = mmap.PROT_READ | mmap.PROT_WRITE
        self._call(_MMAP, window, length, access, _SHARED_FIXED, MEMORY_FD, BLOCK)
        for page in absent:
            self._call(_MUNMAP, window + page * PAGE, PAGE)
        self._window = (window, length, absent)

    def describe(self, bits: int, bases: Sequence[int]) -> None:
        """Have descriptors of `bits` wide segments with these bases, in the order es cs ss ds fs gs.

        16-bit segments end at 0xffff, as in real mode; 32-bit segments are as large as can be.
        """
        wanted = (bits, tuple(bases))
        if wanted == self._descriptors:
            return
        for entry, base in enumerate(bases):
            # struct user_desc, asm/ldt.h: seg_32bit, contents (2 bits: 0 data, 2 code), read_exec_only,
            # limit_in_pages, seg_not_present, usable
            kind = 0b10 if entry == CODE_SEGMENT else 0
            flags = (bits == 32) | kind << 1 | (bits == 32) << 4 | 1 << 6
            limit = 0xFFFFF if bits == 32 else 0xFFFF
            self._call(_MODIFY_LDT, _MODIFY_LDT_WRITE, data=struct.pack("<4I", entry, base & 0xFFFFFFFF, limit, flags))
        self._descriptors = wanted
