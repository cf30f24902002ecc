"""MOVS STOS LODS CMPS SCAS INS OUTS, with REP.

One small state machine serves them all: take the count, do one element, commit what it moved, continue. Every finished
element is committed, so a fault or an interruption restarts at the right one (SDM vol. 2B, REP). Where the bus has
plain memory, MOVS and STOS move whole blocks; everywhere else each element is one access of its width.
"""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from attrs import frozen

from decode.operands import MemoryOperand, PortOperand
from decode.registers import REGISTERS, Register, merge
from emulate import answer
from emulate.builder import Builder
from emulate.cpu import RFLAGS, RIP
from emulate.families.ports import check_port
from emulate.families.string_memory import PAGE, String, move_block, pointer, store_block
from emulate.flags import DF, ZF
from emulate.recipes import Run, recipe

Element: TypeAlias = Callable[[String, Any, Any, int, int], None]
"""Does one element: `(string, cpu, bus, source address, destination address)`."""

Block: TypeAlias = Callable[[String, Any, Any, int, int, int], int]
"""Does many elements in plain memory: `(…, count) -> elements done`, 0 where the memory is not plain."""


_INDEXES = {width: (f"{p}cx", f"{p}si", f"{p}di") for width, p in ((2, ""), (4, "e"), (8, "r"))}


def _movs(string: String, cpu: Any, bus: Any, source: int, destination: int) -> None:
    bus.write(destination, string.width, answer.read(bus, source, string.width))


def _stos(string: String, cpu: Any, bus: Any, source: int, destination: int) -> None:
    bus.write(destination, string.width, string.accumulator(cpu))


def _lods(string: String, cpu: Any, bus: Any, source: int, destination: int) -> None:
    string.load_accumulator(cpu, answer.read(bus, source, string.width))


def _cmps(string: String, cpu: Any, bus: Any, source: int, destination: int) -> None:
    second = answer.read(bus, destination, string.width)  # first, as silicon does (tests/emulate/test_order.py)
    string.compare(cpu, answer.read(bus, source, string.width), second)


def _scas(string: String, cpu: Any, bus: Any, source: int, destination: int) -> None:
    string.compare(cpu, string.accumulator(cpu), answer.read(bus, destination, string.width))


def _ins(string: String, cpu: Any, bus: Any, source: int, destination: int) -> None:
    bus.write(destination, string.width, answer.port_read(bus, cpu.regs[string.slots[2]] & 0xFFFF, string.width))


def _outs(string: String, cpu: Any, bus: Any, source: int, destination: int) -> None:
    bus.port_write(cpu.regs[string.slots[2]] & 0xFFFF, string.width, answer.read(bus, source, string.width))


_ELEMENTS: dict[str, Element] = {
    "movs": _movs,
    "stos": _stos,
    "lods": _lods,
    "cmps": _cmps,
    "scas": _scas,
    "ins": _ins,
    "outs": _outs,
}


_UNBOUNDED: Final = 1 << 62  # more than anything lives to do
_BLOCKS: Final[dict[str, Block]] = {"movs": move_block, "stos": store_block}


@frozen(slots=True)
class Progress:
    """Registers that a string instruction moves on, as slots of `regs`.

    Attributes:
        width: bytes an element.
        moved: slot of each index register, and what a write to it keeps of the word it lies in.
        mask: of the index registers and of the counter.
        counter: CX, ECX or RCX.
        count, flags, ip: slots of the counter, rflags and rip.
        length: of the instruction.
        ip_mask: the bits of the instruction pointer.
    """

    width: int
    moved: tuple[tuple[int, int], ...]
    mask: int
    counter: Register
    count: int
    flags: int
    ip: int
    length: int
    ip_mask: int

    def leave(self, r: Any) -> None:
        """Advance to the next instruction."""
        r[self.ip] = r[self.ip] + self.length & self.ip_mask


@recipe(*_ELEMENTS)
def string_instruction(b: Builder) -> Run:
    """Return the state machine for one string instruction."""
    instruction = b.instruction
    memories = [o for o in instruction.operands if isinstance(o, MemoryOperand)]
    source = next((o for o in memories if o.base is not None and o.base.index == 6), None)
    destination = next((o for o in memories if o.base is not None and o.base.index == 7), None)
    width = next(o.width for o in instruction.operands if isinstance(o, MemoryOperand | PortOperand))
    string = String(width, pointer(b, source, 6, width), pointer(b, destination, 7, width), b.slots)
    counter, source_index, destination_index = (REGISTERS[name] for name in _INDEXES[memories[0].address_width])
    # What a write to a register keeps of its word, by the one merge rule of `decode.registers`.
    moved = [(b.slots[6], source_index.keep)] * (source is not None)
    moved += [(b.slots[7], destination_index.keep)] * (destination is not None)
    count, flags, ip = (b.slots[i] for i in (1, RFLAGS, RIP))
    ip_mask = (1 << b.bits) - 1
    progress = Progress(width, tuple(moved), counter.mask, counter, count, flags, ip, instruction.length, ip_mask)
    element, block = _ELEMENTS[instruction.string], _BLOCKS.get(instruction.string)
    run = _repeat(b, string, element, block, progress) if instruction.rep else _once(string, element, progress)
    if instruction.rep in ("repe", "repne") and not b.amd:
        run = _flags_kept(run, flags)
    allowed = b.settings.port_allowed
    if allowed is not None and instruction.string in ("ins", "outs"):
        run = _permitted(b, allowed, run, progress)
    return run


def _advance(progress: Progress) -> Callable[[Any, int], None]:
    """Return what moves the index registers over some elements: `(regs, elements)`."""
    moved, width, mask, flags = progress.moved, progress.width, progress.mask, progress.flags

    def advance(r: Any, elements: int) -> None:
        distance = -elements * width if r[flags] & DF else elements * width
        for slot, keep in moved:
            word = r[slot]
            r[slot] = word & keep | word + distance & mask

    return advance


def _once(string: String, element: Element, progress: Progress) -> Run:
    """Return the instruction without REP."""
    locate_source, locate_destination = string.source.locate, string.destination.locate
    advance, ip, length, ip_mask = _advance(progress), progress.ip, progress.length, progress.ip_mask

    def once(cpu: Any, bus: Any) -> None:
        r = cpu.regs
        element(string, cpu, bus, locate_source(cpu, r), locate_destination(cpu, r))
        advance(r, 1)
        r[ip] = r[ip] + length & ip_mask

    return once


def _repeat(b: Builder, string: String, element: Element, block: Block | None, progress: Progress) -> Run:
    """Return the instruction with REP, which does no more than `max_iterations` elements in one run."""
    locate_source, locate_destination = string.source.locate, string.destination.locate
    advance, mask, counter, keep = _advance(progress), progress.mask, progress.count, progress.counter.keep
    flags, width, bound = progress.flags, progress.width, b.settings.max_iterations or _UNBOUNDED
    nothing = None if b.amd else _nothing_to_do(progress, advance if block is not None else None)
    # REPE continues while ZF is set, REPNE while it is clear; the others never look at it.
    stop = {"repe": 0, "repne": ZF}.get(b.instruction.rep)

    def repeat(cpu: Any, bus: Any) -> None:
        r, budget, cpu.pending = cpu.regs, bound, ""
        alone = 0  # elements to do one by one before another block is tried: a device continues for a while
        if nothing is not None and not r[counter] & mask:
            nothing(r)
        while count := r[counter] & mask:
            if not budget:
                cpu.pending = "iterations"
                return
            if count > budget:
                count = budget
            source, destination = locate_source(cpu, r), locate_destination(cpu, r)
            done = 0
            if alone:
                alone -= 1
            elif block is not None and count > 1:
                done = block(string, cpu, bus, source, destination, count)
                alone = 0 if done else PAGE // width
            if not done:
                element(string, cpu, bus, source, destination)
                done = 1
            advance(r, done)
            r[counter] = r[counter] & keep | (r[counter] & mask) - done
            budget -= done
            if stop is not None and r[flags] & ZF == stop:
                break
        progress.leave(r)

    return repeat


def _nothing_to_do(progress: Progress, advance: Callable[[Any, int], None] | None) -> Callable[[Any], None]:
    """Return what REP does to the registers with a count of zero: `(regs)`.

    Intel CPUs clear upper halves even so (arch/x86/kvm/emulate.c, string_registers_quirk); AMD's leave them. Intel's do
    at a fault of the first element, too, where registers stay as they were here, as at every other fault.
    """

    def nothing(r: Any) -> None:
        r[progress.count] = merge(r[progress.count], progress.counter, 0)
        if advance is not None:
            advance(r, 0)

    return nothing


def _flags_kept(run: Run, flags: int) -> Run:
    """Return REPE or REPNE with the flags as before the instruction at a fault (SDM vol. 2B, REP).

    AMD's CPUs leave those of the last element that was finished.
    """

    def kept(cpu: Any, bus: Any) -> None:
        before = cpu.regs[flags]
        try:
            run(cpu, bus)
        except BaseException:
            cpu.regs[flags] = before
            raise

    return kept


def _permitted(b: Builder, allowed: Callable[[int, int], bool], run: Run, progress: Progress) -> Run:
    """Return INS or OUTS with the IO permission check, which is made unless there is nothing to do."""
    port, repeats = b.slots[2], bool(b.instruction.rep)

    def permitted(cpu: Any, bus: Any) -> None:
        if not repeats or cpu.regs[progress.count] & progress.mask:
            check_port(allowed, cpu.regs[port] & 0xFFFF, progress.width)
        run(cpu, bus)

    return permitted
