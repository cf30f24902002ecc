"""Cache of the instructions that traced threads stop at.

Code that stands in a file's pages and cannot be written is remembered by its address, as long as the program does not
unmap it or makes it writable: then a stop costs one look-up. All other code is read at every stop, and known by its
bytes.
"""

from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from itertools import islice
from typing import Any, Final, NamedTuple

from decode import (
    DecodeError,
    Instruction,
    MemoryAccess,
    PortAccess,
    PortOperand,
    TruncatedInstruction,
    checked_ranges,
)
from decode.cache import SIZE, Cache
from decode.refusal import MAX_LENGTH
from decode.registers import GENERAL
from emulate import Emulator, Ram, UnsupportedInstruction
from mmio.linux.proc_maps import mappings
from mmio.linux.process_memory import read_memory
from mmio.live.vendor import cpu_vendor
from mmio.ptrace.frame import CODE_32, CS, RIP, SLOTS, Frame

_PLAIN: Final = 4  # elements of a repeated instruction looked at: the CPU stops at the first that faults


@cache
def _emulator() -> Emulator:
    """Return the emulator to compile with, which is for this CPU's maker."""
    return Emulator(Ram(0), slots=SLOTS, bus_checks_answers=True, vendor=cpu_vendor())


class TracedInstruction(NamedTuple):
    """An instruction and how to complete it.

    Attributes:
        instruction: what stands there.
        run: `run(frame, bus)` emulates it; None when the emulator does not.
        port: the port operand, if it has one.
        place: `place(regs)` is where its only memory access mostly begins; None when that is not so simple.
        width: bytes of that access.
        refusal: why the emulator does not do it.
    """

    instruction: Instruction
    run: Callable[[Any, Any], None] | None
    port: PortOperand | None = None
    place: Callable[[Any], int] | None = None
    width: int = 0
    refusal: str = ""

    def reaches(self, frame: Frame, address: int) -> bool:
        """Return whether the instruction touches the byte at an address, or may fault there without touching it."""
        if self.place is not None and 0 <= address - self.place(frame.regs) < self.width:
            return True
        checked: Iterable[tuple[int, int]] = checked_ranges(self.instruction, frame)
        if self.instruction.rep:
            checked = islice(checked, _PLAIN)
        return any(0 <= address - start < width for start, width in checked)


@lru_cache(maxsize=SIZE)
def site_of(code: bytes, bits: int) -> TracedInstruction:
    """Return the site of the instruction at the start of `code`.

    Raises:
        DecodeError: there is none.
    """
    try:
        compiled = _emulator().compile(bits, code)
    except UnsupportedInstruction as error:
        return TracedInstruction(error.instruction, None, refusal=error.reason)
    instruction = compiled.instruction
    ports = (access.operand for access in instruction.accesses if isinstance(access, PortAccess))
    place, width = _place(instruction)
    return TracedInstruction(instruction, compiled.run, next(ports, None), place, width)


class TracedInstructionCache(dict[int, TracedInstruction]):
    """The sites of one process, by address, as far as they may be remembered. See `at`.

    It is the recent generation of a bounded cache; a site that has left it is read again.
    """

    def __init__(self) -> None:
        super().__init__()
        self._cache = Cache[int, TracedInstruction](recent=self)
        self._texts: list[tuple[int, int]] = []  # where code cannot change unseen
        self._others: list[tuple[int, int]] = []  # where it can, so far as we have looked

    def at(self, frame: Frame) -> TracedInstruction:
        """Return the site a thread stands at, read from its memory; the frame learns which kind of code that is.

        Raises:
            DecodeError: no instruction is there.
        """
        ip = frame.regs[RIP]
        frame.bits = 32 if frame.regs[CS] == CODE_32 else 64
        code = read_memory(frame.pid, ip, MAX_LENGTH)
        try:
            site = site_of(code, frame.bits)
        except TruncatedInstruction as error:
            trapped = "the code at {:#x} cannot be read: is it in a mapping that is trapped? Then name others"
            raise DecodeError(trapped.format(ip), error.code, error.bits) from error
        end = ip + site.instruction.length
        if frame.bits == frame.native_bits and self._is_text(ip, end, frame.pid):
            self._cache.keep(ip, site)
        return site

    def forget(self, start: int, end: int) -> None:
        """Remember nothing of what stands between two addresses: it may have changed."""
        if any(text_start < end and start < text_end for text_start, text_end in self._texts):
            self._cache.clear()
            self._texts.clear()
        self._others.clear()

    def _is_text(self, start: int, end: int, pid: int) -> bool:
        for ranges in (self._texts, self._others):
            if any(first <= start and end <= last for first, last in ranges):
                return ranges is self._texts
        for mapping in mappings(pid):
            if mapping.start <= start and end <= mapping.end:
                text = mapping.permissions.startswith("r-x") and mapping.path.startswith("/")
                (self._texts if text else self._others).append((mapping.start, mapping.end))
                return text
        return False


def _place(instruction: Instruction) -> tuple[Callable[[Any], int] | None, int]:
    """Return where the only memory access of an instruction begins, and its width, if it is simple."""
    accesses = instruction.accesses
    if len(accesses) != 1 or not isinstance(accesses[0], MemoryAccess) or accesses[0].selection != "whole":
        return None, 0
    operand = accesses[0].operand
    base, index, scale, displacement = operand.base, operand.index, operand.scale, operand.displacement
    if instruction.bits != 64 or base is None or base.file != GENERAL or base.width != 8:
        return None, 0
    slot = SLOTS[base.index]
    if index is None:
        return lambda regs: regs[slot] + displacement, accesses[0].width
    if index.file != GENERAL:
        return None, 0
    index_slot = SLOTS[index.index]
    return lambda regs: regs[slot] + regs[index_slot] * scale + displacement, accesses[0].width
