"""Cache of compiled instructions, by their bytes.

Nearly all are found by the eight bytes from the instruction pointer, taken as one number: they hold the instruction,
and whatever follows it does no harm. Every engine reads them at each fault, so code that has been replaced, through
whichever mapping, is never taken for what it was. Longer instructions are read where they are, up to the end of their
page and past it only when they continue there: the next page may not be mapped.
"""

from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Final

from attrs import evolve, frozen

from decode import (
    DecodeError,
    Instruction,
    InvalidInstruction,
    PortAccess,
    PortOperand,
    TruncatedInstruction,
    checked_ranges,
)
from decode.cache import Cache
from decode.refusal import MAX_LENGTH
from emulate import Emulator, Ram, UnsupportedInstruction
from mmio.errors import AccessError
from mmio.linux.libc import PAGE
from mmio.live import out_of_line
from mmio.live.out_of_line import Run, StoppedFrame
from mmio.live.vendor import cpu_vendor
from mmio.space.initiator import Initiator

__tracebackhide__ = True  # pytest reports a failure of a driver or a model, not of the way between them

_MOST_ELEMENTS: Final = 64  # accesses one instruction makes, or one iteration of it


class MissedAccess(AccessError):
    """The decoded instruction does not access the page of the fault, so the CPU has decoded it differently."""


@frozen(slots=True)
class CachedInstruction:
    """An instruction and how to complete it.

    Attributes:
        instruction: the instruction; None while only its first bytes are known.
        run: `run(frame, bus)` completes it: emulated, out of line, or by raising UnsupportedInstruction.
        port: its port operand, if it has one.
    """

    instruction: Instruction | None
    run: Run
    port: PortOperand | None = None


class InstructionCache(dict[int, CachedInstruction]):
    """Compiled instructions by the eight bytes from their start. The recent generation of a bounded cache.

    Args:
        slots: where the frames of the engine have their registers, as `RegisterFile.slots`.
        bits: 64 or 32, the code segment the instructions are executed in.
    """

    def __init__(self, slots: tuple[int, ...], bits: int = 64) -> None:
        super().__init__()
        self._bits = bits
        self._cache = Cache[int, CachedInstruction](recent=self)
        # Only to compile with.
        self._emulator = Emulator(Ram(0), slots=slots, bus_checks_answers=True, vendor=cpu_vendor())

    def __missing__(self, word: int) -> CachedInstruction:
        known = self._cache.find(word)
        if known is not None:
            return known
        cached = CachedInstruction(None, self._run_long)
        if word:  # else the bytes could not be read
            with suppress(TruncatedInstruction):
                cached = self._compiled(word.to_bytes(8, "little"))
        self._cache.keep(word, cached)
        return cached if cached.instruction is None or cached.port else evolve(cached, run=partial(_run_first, cached))

    def at(self, frame: StoppedFrame) -> CachedInstruction:
        """Return the instruction that a frame stands at, read from memory.

        Raises:
            DecodeError: the bytes there are no instruction, says the decoder, or cannot be read; the CPU found one.
        """
        ip = frame.rip
        length = min(MAX_LENGTH, PAGE - ip % PAGE)
        code = frame.code(ip, length)
        try:
            return self._compiled(code)
        except TruncatedInstruction as error:
            rest = frame.code(ip + length, MAX_LENGTH - length) if len(code) == length < MAX_LENGTH else b""
            if rest:
                return self._compiled(code + rest)
            unread = f"the code at {ip:#x} cannot be read: is it in a mapping that is trapped? Then name others"
            raise DecodeError(unread, error.code, error.bits) from error

    def of_a_protection_fault(self, word: int, frame: StoppedFrame) -> CachedInstruction | None:
        """Return the instruction that raised #GP; None when it has more than 15 bytes.

        Args:
            word: the first eight bytes, or 0.
            frame: the registers.
        """
        try:
            cached = self[word]
            return self.at(frame) if cached.instruction is None else cached
        except InvalidInstruction:
            return None

    def _compiled(self, code: bytes) -> CachedInstruction:
        try:
            compiled = self._emulator.compile(self._bits, code)
        except UnsupportedInstruction as error:
            return CachedInstruction(error.instruction, out_of_line.completion(error))
        ports = (access.operand for access in compiled.instruction.accesses if isinstance(access, PortAccess))
        return CachedInstruction(compiled.instruction, compiled.run, next(ports, None))

    def _run_long(self, frame: StoppedFrame, bus: Initiator) -> None:
        """Run an instruction of which eight bytes are too few to say which one it is."""
        cached = self.at(frame)
        bus.instruction = cached.instruction
        cached.run(frame, bus)


def _run_first(cached: CachedInstruction, frame: StoppedFrame, bus: Initiator) -> None:
    """Run an instruction that has not been seen before, once it is certain that it is the one that faulted.

    An error in the decoder could make the addresses differ from the one that the CPU reported. Then nothing is done.

    Raises:
        MissedAccess: it would not access the page where the fault was.
    """
    instruction = cached.instruction
    assert instruction is not None
    fault = frame.fault_address
    page = fault & -PAGE
    checked = islice(checked_ranges(instruction, frame), _MOST_ELEMENTS)
    memory = list(dict.fromkeys((at, width or 1) for at, width in checked))
    if not any(address < page + PAGE and page < address + width for address, width in memory):
        where = ", ".join(f"{width} bytes at {address:#x}" for address, width in memory) or "nothing"
        code = f"bytes {instruction.code.hex(' ')}, {instruction.bits}-bit code"
        raise MissedAccess(
            f"'{instruction.format(frame.rip)}' at ip {frame.rip:#x} ({code}) faulted at {fault:#x}, but touches "
            f"{where}: {out_of_line.registers(frame)}"
        )
    cached.run(frame, bus)
