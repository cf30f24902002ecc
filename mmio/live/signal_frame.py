"""Registers of an interrupted thread, in the signal frame where the kernel saved them.

A `Frame` lies over a ucontext: its `regs` are the very words that the kernel restores when the signal handler returns,
so nothing is copied in or out, and committing a register is one store. *Where the registers are* is all that this
module knows; that a signal brought us here is the business of `trap.py`.
"""

import ctypes
from ctypes import c_int, c_uint64, c_ulong, string_at
from typing import Any, Final

from mmio.linux.libc import LIBC, check
from mmio.linux.xsave import XSave
from mmio.live.code_overlay import without_patches
from mmio.live.out_of_line_slots import Slots
from mmio.live.own_slots import own_slots
from mmio.live.xsave_frame import XSaveFrame

SLOTS: Final = (13, 14, 12, 11, 15, 10, 9, 8, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17)
"""Where rax rcx rdx rbx rsp rbp rsi rdi r8 … r15 rip rflags stand in `Frame.regs` (struct sigcontext_64)."""

RAX: Final = 13
RSP: Final = 15
RIP: Final = 16
RFLAGS: Final = 17
EXCEPTION: Final = 20
"""Where `regs` has the number of the exception."""
FAULT_ADDRESS: Final = 22
"""Where `regs` has cr2: the address a page fault was about. In the frame of a stub of IN or OUT it is the port."""

SEGMENTS: Final = 18
"""Where `regs` has the selectors cs, gs, fs and ss, 16 bits each."""
XSAVE: Final = 23
"""Where `regs` has the address of the XSAVE area."""
_WORDS: Final = 32  # among them eight reserved ones, of which `trampoline.py` uses three
MCONTEXT: Final = 40
"""Where in the ucontext the registers start."""
SIGNAL_MASK: Final = MCONTEXT + 8 * _WORDS
"""Where in it the signal mask is."""

_BASES: Final = {4: 0x1003, 5: 0x1004}  # ARCH_GET_FS and ARCH_GET_GS, by the segment's index

LIBC.arch_prctl.argtypes = (c_int, c_ulong)


class _Selectors:
    """es cs ss ds fs gs. The kernel saves no es and ds, which mean nothing in 64-bit code."""

    def __get__(self, frame: Any, owner: type) -> Any:
        if frame is None:
            return self
        cs, gs, fs, ss = (frame.regs[SEGMENTS] >> shift & 0xFFFF for shift in (0, 16, 32, 48))
        return 0, cs, ss, 0, fs, gs


class _Bases:
    """The segment bases of the running thread, which is the interrupted one. Only FS and GS have any in 64-bit code."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> int:
        if index not in _BASES:
            return (0, 0, 0, 0)[index]
        base = c_uint64()
        check(LIBC.arch_prctl(_BASES[index], ctypes.addressof(base)), "arch_prctl")
        return base.value


class Frame(XSaveFrame):
    """The registers in the ucontext at an address.

    It serves every signal whose ucontext lies there: all words are read when they are used, none before. Vector state
    is looked for only when an instruction asks for it.

    Attributes:
        address: of the ucontext.
        signal_mask: one word, the signals blocked once the handler returns.
    """

    bits = 64
    slots = SLOTS

    bases: Any = _Bases()
    selectors: Any = _Selectors()

    def __init__(self, address: int) -> None:
        self.address = address
        # A view, because its items are faster than those of the array itself.
        self.regs: Any = memoryview((c_uint64 * _WORDS).from_address(address + MCONTEXT)).cast("B").cast("Q")
        self.signal_mask = signal_mask_of(address)
        self._xsave: XSave | None = None

    @property
    def fault_address(self) -> int:
        """The address of the access that raised the page fault (CR2)."""
        address: int = self.regs[FAULT_ADDRESS]
        return address

    def code(self, address: int, length: int) -> bytes:
        """Return `length` bytes of code. They must be mapped: the CPU has just fetched them."""
        return without_patches(address, string_at(address, length))

    def out_of_line_slots(self) -> Slots:
        """Return the slots of this process."""
        return own_slots()

    @property
    def xsave(self) -> XSave:
        """The XSAVE area: all registers but the general ones."""
        if self._xsave is None or self._xsave.address != self.regs[XSAVE]:
            self._xsave = XSave(self.regs[XSAVE])
        return self._xsave


def signal_mask_of(address: int) -> c_uint64:
    """Return the signal mask in the ucontext at an address."""
    return c_uint64.from_address(address + SIGNAL_MASK)
