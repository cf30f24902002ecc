"""Registers of a stopped thread of another process.

`Frame.regs` are the words PTRACE_GETREGS fills and PTRACE_SETREGS takes, so compiled instructions work on them
directly. Vector state is fetched when an instruction asks for it, and given back if it was fetched.
"""

import ctypes
from collections.abc import Callable
from ctypes import addressof, c_char, c_uint64
from typing import Any, Final

from mmio.linux.process_memory import read_code
from mmio.linux.xsave import XSave, area_size, has_xsave
from mmio.live.fault_signals import SignalInfo
from mmio.live.out_of_line_slots import Slots
from mmio.live.xsave_frame import XSaveFrame
from mmio.ptrace import ptrace_requests

# struct user_regs_struct, asm/user_64.h
SLOTS: Final = (10, 11, 12, 5, 19, 4, 13, 14, 9, 8, 7, 6, 3, 2, 1, 0, 16, 18)
"""Where rax rcx rdx rbx rsp rbp rsi rdi r8 … r15 rip rflags stand in `Frame.regs`."""

RAX: Final = 10
RDX: Final = 12
RDI: Final = 14
ORIG_RAX: Final = 15
RIP: Final = 16
CS: Final = 17
RFLAGS: Final = 18
RSP: Final = 19

ARGUMENTS: Final = {64: (14, 13, 12, 7, 9, 8), 32: (5, 11, 12, 13, 14, 4)}
"""Where a system call's arguments stand: rdi rsi rdx r10 r8 r9; ebx ecx edx esi edi ebp."""

WORDS: Final = 27
NO_CALL: Final = (1 << 64) - 1
"""In `regs[ORIG_RAX]`: the thread is in no system call, and there is nothing to restart."""

CODE_32: Final = 0x23
"""The selector of 32-bit code (__USER32_CS)."""

_FS_BASE: Final = 21
_GS_BASE: Final = 22
_SELECTORS: Final = (24, 17, 20, 23, 25, 26)  # es cs ss ds fs gs


class _Bases:
    """The segment bases. User code has a flat segment for everything but FS and GS, whatever its width."""

    def __get__(self, frame: Any, owner: type) -> Any:
        return self if frame is None else (0, 0, 0, 0, frame.regs[_FS_BASE], frame.regs[_GS_BASE])


class _Selectors:
    def __get__(self, frame: Any, owner: type) -> Any:
        return self if frame is None else tuple([frame.regs[place] & 0xFFFF for place in _SELECTORS])


class Frame(XSaveFrame):
    """The registers of one thread, valid while it is stopped.

    Attributes:
        pid: the TID.
        info: the signal that the thread stopped at.
        out_of_line_slots: returns the out-of-line slots of its process, made when they are first asked for.
        fetched: the XSAVE area has been fetched, and is given back by `store`.
    """

    slots = SLOTS

    bases: Any = _Bases()
    selectors: Any = _Selectors()

    def __init__(self, pid: int, out_of_line_slots: Callable[[], Slots]) -> None:
        self.pid = pid
        self.info = SignalInfo()
        self.out_of_line_slots = out_of_line_slots
        self.regs: Any = (c_uint64 * WORDS)()
        self._area: Any = None
        self.fetched = False

    def load(self) -> None:
        """Fetch the registers of the stopped thread. Raises ProcessLookupError when it is gone."""
        ptrace_requests.request(ptrace_requests.GETREGS, self.pid, 0, addressof(self.regs))
        self.fetched = False

    def store(self) -> None:
        """Give the thread these registers. Raises ProcessLookupError when it is gone.

        The instruction pointer is among the last: killed before, the tracer leaves a thread that executes the
        instruction again, which gives an attached program's vector registers the same values.
        """
        if self.fetched:
            self._exchange(ptrace_requests.SETREGSET, ptrace_requests.SETFPREGS)
        ptrace_requests.request(ptrace_requests.SETREGS, self.pid, 0, addressof(self.regs))
        self.fetched = False

    @property
    def bits(self) -> int:  # type: ignore[override]  # a class attribute there
        """64 or 32: the width of the code segment that the thread executes in."""
        return 32 if self.regs[CS] == CODE_32 else 64

    @property
    def fault_address(self) -> int:
        """The address of the access that raised the page fault (si_addr)."""
        address: int = self.info.address
        return address

    def code(self, address: int, length: int) -> bytes:
        """Return up to `length` bytes of code, which the program may be forbidden to read but not to execute."""
        return read_code(self.pid, address, length)

    def saved(self) -> bytes:
        """Return a copy of the general registers, for `restore`."""
        return bytes(self.regs)

    def restore(self, saved: bytes) -> None:
        """Put a copy of the general registers back; `store` hands them to the thread."""
        ctypes.memmove(self.regs, saved, len(saved))

    @property
    def xsave(self) -> XSave:
        """The XSAVE area: all registers but the general ones."""
        if self._area is None:
            size = area_size()
            self._area = (c_char * size)()
            self._xsave = XSave(addressof(self._area), size)
        if not self.fetched:
            self._exchange(ptrace_requests.GETREGSET, ptrace_requests.GETFPREGS)
            self.fetched = True
        return self._xsave

    def _exchange(self, number: int, legacy: int) -> None:
        if not has_xsave():  # the kernel has no such register set then, only the area of FXSAVE
            ptrace_requests.request(legacy, self.pid, 0, addressof(self._area))
            return
        vector = (c_uint64 * 2)(addressof(self._area), len(self._area))
        ptrace_requests.request(number, self.pid, ptrace_requests.XSTATE, addressof(vector))
