"""What instruction stands at an address, and what to do about it.

Code is read where it stands, through an array laid over its page. A slice of that array ends where the page does, so
the bytes of a short instruction at the end of the last mapped page are had without touching the next one; an
instruction that does go on there says so when it is decoded. Nothing is remembered by address: code may be replaced,
and the same bytes mean the same everywhere.
"""

from ctypes import c_char
from typing import Any, Final, NamedTuple

from decode import Instruction, PortAccess, PortOperand, TruncatedInstruction
from emulate import Emulator, UnsupportedInstruction
from mmio.initiator import Initiator
from mmio.inprocess import native
from mmio.inprocess.frame import RIP, SLOTS, Frame
from mmio.inprocess.libc import PAGE
from mmio.inprocess.memory import FloatingMemory
from mmio.inprocess.native import Run

WINDOW: Final = 15
"""Longest instruction in bytes."""

_MOST: Final = 1 << 16  # entries of a cache before it starts afresh


class Site(NamedTuple):
    """An instruction, how to complete it (emulated, natively, or not at all), and its port operand, if it has one."""

    instruction: Instruction | None
    run: Run
    port: PortOperand | None = None


class CodePages(dict[int, Any]):
    """The bytes of each page of code, by the page's number."""

    def __missing__(self, number: int) -> Any:
        if len(self) >= _MOST:
            self.clear()
        page = self[number] = (c_char * PAGE).from_address(number * PAGE)
        return page


class Sites(dict[bytes, Site]):
    """What to do about an instruction, by the bytes from its start, up to fifteen or the end of the page.

    Raises:
        InvalidInstruction: on look-up, when the bytes are no instruction. (The CPU thought otherwise: the decoder has a
        hole.)
    """

    def __init__(self, pages: CodePages) -> None:
        super().__init__()
        self._pages = pages
        self._emulator = Emulator(FloatingMemory(), slots=SLOTS)  # only to compile with

    def __missing__(self, code: bytes) -> Site:
        if len(self) >= _MOST:
            self.clear()
        try:
            compiled = self._emulator.compile(64, code)
        except TruncatedInstruction:
            return Site(None, self._run_across)
        except UnsupportedInstruction as error:
            site = Site(error.instruction, native.completion(error))
        else:
            ports = (access.operand for access in compiled.instruction.accesses if isinstance(access, PortAccess))
            site = Site(compiled.instruction, compiled.run, next(ports, None))
        self[code] = site
        return site

    def at(self, ip: int) -> Site:
        """Return the site at an address, reading on in the next page if the instruction does."""
        number, start = divmod(ip, PAGE)
        site = self[self._pages[number][start : start + WINDOW]]
        if site.instruction is None:
            code = self._pages[number][start:] + self._pages[number + 1][: WINDOW - (PAGE - start)]
            site = self[code]
        return site

    def _run_across(self, frame: Frame, bus: Initiator) -> None:
        """Run an instruction that crosses a page's end."""
        site = self.at(frame.regs[RIP])
        bus.instruction = site.instruction
        site.run(frame, bus)
