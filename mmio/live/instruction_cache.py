"""Cache of compiled instructions, by their bytes.

Nearly all are found by the eight bytes the entry has read already, taken as one number: they hold the instruction, and
whatever follows it does no harm. Longer instructions are read where they stand, up to the end of their page and past it
only when they go on there: the next page may not be mapped. Nothing is remembered by address. Code may be replaced, and
the same bytes mean the same everywhere.
"""

from contextlib import suppress
from ctypes import string_at
from functools import partial
from itertools import islice
from typing import Final

from attrs import evolve, frozen

from decode import Instruction, InvalidInstruction, PortAccess, PortOperand, TruncatedInstruction, checked_ranges
from decode.cache import Cache
from decode.refusal import MAX_LENGTH
from emulate import Emulator, UnsupportedInstruction
from mmio.errors import AccessError
from mmio.linux.libc import PAGE
from mmio.live import out_of_line
from mmio.live.memory import FloatingMemory
from mmio.live.out_of_line import Run
from mmio.live.signal_frame import FAULT_ADDRESS, RIP, SLOTS, Frame
from mmio.live.vendor import cpu_vendor
from mmio.space.initiator import Initiator

__tracebackhide__ = True  # pytest reports a failure of a driver or a model, not of the way between them

_MOST_ELEMENTS: Final = 64  # accesses one instruction makes, or one iteration of it


@frozen(slots=True)
class CachedInstruction:
    """An instruction, how to complete it (emulated, natively, or not at all), and its port operand, if it has one.

    `instruction` is None while only its first bytes are known.
    """

    instruction: Instruction | None
    run: Run
    port: PortOperand | None = None


class InstructionCache(dict[int, CachedInstruction]):
    """Compiled instructions by the eight bytes from their start. The recent generation of a bounded cache."""

    def __init__(self) -> None:
        super().__init__()
        self._cache = Cache[int, CachedInstruction](recent=self)
        # Only to compile with.
        self._emulator = Emulator(FloatingMemory(), slots=SLOTS, bus_checks_answers=True, vendor=cpu_vendor())

    def __missing__(self, word: int) -> CachedInstruction:
        known = self._cache.find(word)
        if known is not None:
            return known
        site = CachedInstruction(None, self._run_long)
        if word:  # else the entry has read nothing
            with suppress(TruncatedInstruction):
                site = self._site(word.to_bytes(8, "little"))
        self._cache.keep(word, site)
        return site if site.instruction is None or site.port else evolve(site, run=partial(_run_first, site))

    def at(self, ip: int) -> CachedInstruction:
        """Return the site at an address.

        Raises:
            InvalidInstruction: the bytes there are none, says the decoder; the CPU thought otherwise.
        """
        code = string_at(ip, min(MAX_LENGTH, PAGE - ip % PAGE))
        try:
            return self._site(code)
        except TruncatedInstruction:
            return self._site(code + string_at(ip + len(code), MAX_LENGTH - len(code)))

    def of_a_protection_fault(self, word: int, ip: int) -> CachedInstruction | None:
        """Return the site of an instruction that user code may not execute; None when it has more than 15 bytes.

        Args:
            word: the first eight bytes.
            ip: its address.
        """
        try:
            site = self[word]
            return self.at(ip) if site.instruction is None else site
        except InvalidInstruction:
            return None

    def _site(self, code: bytes) -> CachedInstruction:
        try:
            compiled = self._emulator.compile(64, code)
        except UnsupportedInstruction as error:
            return CachedInstruction(error.instruction, out_of_line.completion(error))
        ports = (access.operand for access in compiled.instruction.accesses if isinstance(access, PortAccess))
        return CachedInstruction(compiled.instruction, compiled.run, next(ports, None))

    def _run_long(self, frame: Frame, bus: Initiator) -> None:
        """Run an instruction of which there was too little to say which one it is."""
        site = self.at(frame.regs[RIP])
        bus.instruction = site.instruction
        site.run(frame, bus)


def _run_first(site: CachedInstruction, frame: Frame, bus: Initiator) -> None:
    """Run an instruction that has not been seen before, once it is certain that it is the one that faulted.

    Whatever could make the addresses it is thought to touch differ from the one that the CPU reported would be a fault
    in here. Then its effect must not be guessed.

    Raises:
        AccessError: it would not touch the page where the fault was.
    """
    assert site.instruction is not None
    page = frame.regs[FAULT_ADDRESS] & -PAGE
    checked = islice(checked_ranges(site.instruction, frame), _MOST_ELEMENTS)
    memory = list(dict.fromkeys((at, width or 1) for at, width in checked))
    if not any(address < page + PAGE and page < address + width for address, width in memory):
        where = ", ".join(f"{width} bytes at {address:#x}" for address, width in memory) or "nothing"
        ip, fault = frame.regs[RIP], frame.regs[FAULT_ADDRESS]
        raise AccessError(f"'{site.instruction.format(ip)}' at ip {ip:#x} faulted at {fault:#x}, but touches {where}")
    site.run(frame, bus)
