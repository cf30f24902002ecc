"""Memory of a tracee in which out-of-line slots lie."""

import os
from typing import Protocol

from mmio.linux.libc import PAGE, PROT_EXEC, PROT_READ
from mmio.linux.syscall_table import NUMBERS
from mmio.live.out_of_line_slots import BLOCK_SIZE


class Maker(Protocol):
    """A stopped thread, in whose name system calls are made."""

    def map_memory(self, length: int) -> int:
        """Map memory in its process; return the address."""

    def make_call(self, number: int, *arguments: int) -> int:
        """Make a system call of its own table; return the result. Raises OSError."""


class TracedSlotMemory:
    """The slots of one tracee.

    The page of code is mapped without write permission, and written through /proc/PID/mem, as breakpoints are.

    Args:
        memory: a descriptor of its /proc/PID/mem.
        bits: 64 or 32, its table of system calls.

    Attributes:
        maker: a thread that is stopped, for when a block is to be mapped.
    """

    def __init__(self, memory: int, bits: int) -> None:
        self._memory = memory
        self._bits = bits
        self.maker: Maker | None = None

    def new_block(self) -> int:
        """Map a block; return its address. The registers of the thread are those they were."""
        assert self.maker is not None
        start = self.maker.map_memory(BLOCK_SIZE)
        self.maker.make_call(NUMBERS[self._bits]["mprotect"], start, PAGE, PROT_READ | PROT_EXEC)
        return start

    def write_code(self, address: int, code: bytes) -> None:
        """Replace code."""
        os.pwrite(self._memory, code, address)

    def write(self, address: int, data: bytes) -> None:
        """Write data."""
        os.pwrite(self._memory, data, address)

    def read(self, address: int, length: int) -> bytes:
        """Read data."""
        return os.pread(self._memory, length, address)
