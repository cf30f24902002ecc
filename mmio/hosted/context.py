"""Initial registers of a thread, as the kernel restores them from a signal frame (rt_sigreturn).

So a new program, and a new thread of one, begin as if a signal handler returned to them (struct rt_sigframe of
arch/x86/kernel/signal_64.c; `sigreturn` sets the signal mask and the signal stack as well).
"""

import struct
from ctypes import addressof, c_char, create_string_buffer, memmove, string_at
from typing import Any, Final

from mmio.hosted.frame import Frame
from mmio.linux import libc
from mmio.linux.libc import PAGE
from mmio.live.signal_frame import RFLAGS, RIP, RSP

CONTEXT_SIZE: Final = 304
"""Bytes of struct ucontext as the kernel has it."""
FPSTATE: Final = 224
"""Where in it the address of the XSAVE area is."""

_STACK_PLACE: Final = 16
_STACK: Final = struct.Struct("<QixxxxQ")
_SEGMENTS: Final = 18  # in `Frame.regs`
_USER_SEGMENTS: Final = 0x002B_0000_0000_0033  # ss and cs
_FLAGS: Final = 0x6  # UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS
_INTERRUPTS: Final = 0x202  # IF, and the bit that is always set
_ALIGNMENT: Final = 64


class SignalStack:
    """The stack a thread's signals arrive on, which begins at a multiple of its size.

    Its first words are Python's stack pointer and FS base of the thread, for `trampoline.py`.
    """

    SIZE: Final = 8 << 20

    def __init__(self) -> None:
        self._mapped = libc.map_pages(2 * self.SIZE, libc.PROT_READ | libc.PROT_WRITE)
        self.start = -(-self._mapped // self.SIZE) * self.SIZE
        libc.protect(self.start + PAGE, PAGE, libc.PROT_NONE)

    def described(self) -> bytes:
        """Return the stack as a struct sigaltstack."""
        return _STACK.pack(self.start + 2 * PAGE, 0, self.SIZE - 2 * PAGE)

    def free(self) -> None:
        """Unmap it. No signal may arrive here any more."""
        libc.LIBC.munmap(self._mapped, 2 * self.SIZE)


class Context:
    """The registers in memory.

    Attributes:
        frame: them.
    """

    def __init__(self, words: bytes, stack: SignalStack) -> None:
        self._buffer = create_string_buffer(words, CONTEXT_SIZE)
        self.address = addressof(self._buffer)
        described = stack.described()
        memmove(self.address + _STACK_PLACE, described, len(described))
        self.frame = Frame(self.address)
        self.xsave: Any = None  # keeps the memory of an XSAVE area of its own


def beginning(pointer: int, start: int, mask: int, stack: SignalStack) -> Context:
    """Return the context of a program that begins: every register is zero but the stack pointer."""
    context = Context(struct.pack("<Q", _FLAGS), stack)
    regs = context.frame.regs
    regs[RSP], regs[RIP], regs[RFLAGS], regs[_SEGMENTS] = pointer, start, _INTERRUPTS, _USER_SEGMENTS
    context.frame.signal_mask.value = mask
    return context


def copied(frame: Frame, stack: SignalStack) -> Context:
    """Return the context of a thread that begins where another one is."""
    context = Context(string_at(frame.address, CONTEXT_SIZE), stack)
    xsave = frame.xsave
    area = (c_char * (xsave.size + _ALIGNMENT))()
    place = -(-addressof(area) // _ALIGNMENT) * _ALIGNMENT
    memmove(place, xsave.address, xsave.size)
    memmove(context.address + FPSTATE, struct.pack("<Q", place), 8)
    context.xsave = area
    return context
