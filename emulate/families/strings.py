"""MOVS STOS LODS CMPS SCAS INS OUTS, with REP.

One small state machine serves them all: take the count, do one element, commit what it moved, go on. Every finished
element is committed, so a fault or an interruption restarts at the right one (SDM vol. 2B, REP). Where the bus has
plain memory, MOVS and STOS move whole blocks; everywhere else each element is one access of its width.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from attrs import frozen

from decode.operands import MemoryOperand, PortOperand
from decode.registers import REGISTERS, Register, merge, read
from emulate import answer
from emulate.address import canonical, check_alignment, check_limit
from emulate.builder import Builder
from emulate.cpu import RFLAGS, RIP
from emulate.families.arithmetic import sub
from emulate.families.ports import check_port
from emulate.faults import Fault
from emulate.flags import AC, DF, ZF
from emulate.recipes import Run, recipe

PAGE = 4096
LARGEST_BLOCK = 1 << 20
"""Most bytes moved in one piece, so that a wild count does not take all the memory there is."""

Element: TypeAlias = Callable[["String", Any, Any, int, int], None]
"""Does one element: `(string, cpu, bus, source address, destination address)`."""


@frozen(slots=True)
class String:
    """What a string instruction needs to know at run time.

    Attributes:
        width: bytes an element.
        address_width: bytes of the index and count registers.
        source, destination: the memory operands, None where there is none.
        slots: where the general registers stand.
        bits: the mode.
        alignment_check: whether EFLAGS.AC counts.
    """

    width: int
    address_width: int
    source: MemoryOperand | None
    destination: MemoryOperand | None
    slots: tuple[int, ...]
    bits: int
    alignment_check: bool

    def linear(self, cpu: Any, operand: MemoryOperand | None, word: int) -> int:
        """Return the linear address an index register word points to; raises when it is not canonical."""
        if operand is None:
            return 0
        offset = word & (1 << 8 * self.address_width) - 1
        base: int = cpu.bases[operand.segment.index]
        if self.bits == 64:
            address = offset + base & (1 << 64) - 1 if operand.segment.index >= 4 else offset
            canonical(address, self.width, operand.segment.name == "ss")
        else:
            check_limit(cpu.limits, operand.segment, offset, self.width)
            address = offset + base & 0xFFFFFFFF
        if self.alignment_check and cpu.regs[self.slots[RFLAGS]] & AC:
            check_alignment(address, self.width)
        return address

    def top(self, cpu: Any, operand: MemoryOperand) -> int:
        """Return the highest offset an index register may reach: it wraps there, or the segment ends."""
        limit: int = (1 << 8 * self.address_width) - 1
        return limit if self.bits == 64 or cpu.limits is None else min(limit, cpu.limits[operand.segment.index])

    def accumulator(self, cpu: Any) -> int:
        """Return AL, AX, EAX or RAX."""
        word: int = cpu.regs[self.slots[0]]
        return read(word, _ACCUMULATORS[self.width])

    def load_accumulator(self, cpu: Any, value: int) -> None:
        """Write AL, AX, EAX or RAX."""
        slot = self.slots[0]
        cpu.regs[slot] = merge(cpu.regs[slot], _ACCUMULATORS[self.width], value)

    def compare(self, cpu: Any, first: int, second: int) -> None:
        """Set the flags of first - second."""
        slot = self.slots[RFLAGS]
        cpu.regs[slot] = sub(first, second, cpu.regs[slot], self.width)[1]


_ACCUMULATORS: dict[int, Register] = {REGISTERS[name].width: REGISTERS[name] for name in ("al", "ax", "eax", "rax")}
_INDEXES = {width: (f"{p}cx", f"{p}si", f"{p}di") for width, p in ((2, ""), (4, "e"), (8, "r"))}


def _movs(string: String, cpu: Any, bus: Any, source: int, destination: int) -> None:
    bus.write(destination, string.width, answer.read(bus, source, string.width))


def _stos(string: String, cpu: Any, bus: Any, source: int, destination: int) -> None:
    bus.write(destination, string.width, string.accumulator(cpu))


def _lods(string: String, cpu: Any, bus: Any, source: int, destination: int) -> None:
    string.load_accumulator(cpu, answer.read(bus, source, string.width))


def _cmps(string: String, cpu: Any, bus: Any, source: int, destination: int) -> None:
    first = answer.read(bus, source, string.width)
    string.compare(cpu, first, answer.read(bus, destination, string.width))


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


@recipe(*_ELEMENTS)
def string_instruction(b: Builder) -> Run:
    """Return the state machine for one string instruction."""
    instruction = b.instruction
    memories = [o for o in instruction.operands if isinstance(o, MemoryOperand)]
    source = next((o for o in memories if o.base is not None and o.base.index == 6), None)
    destination = next((o for o in memories if o.base is not None and o.base.index == 7), None)
    width = next(o.width for o in instruction.operands if isinstance(o, MemoryOperand | PortOperand))
    string = String(width, memories[0].address_width, source, destination, b.slots, b.bits, b.settings.alignment_check)
    element = _ELEMENTS[instruction.string]
    counter, source_index, destination_index = (REGISTERS[name] for name in _INDEXES[string.address_width])
    si, di, cx, flags, ip = (b.slots[i] for i in (6, 7, 1, RFLAGS, RIP))
    moved_registers = [(si, source_index)] * (source is not None) + [(di, destination_index)] * (
        destination is not None
    )
    next_ip_mask = (1 << b.bits) - 1
    length = instruction.length
    address_mask = counter.mask
    # REPE goes on while ZF is set, REPNE while it is clear; the others never look at it.
    stop = {"repe": 0, "repne": ZF}.get(instruction.rep)
    block = {"movs": _move_block, "stos": _store_block}.get(instruction.string)

    bound = b.settings.max_iterations

    def advance(r: Any, elements: int) -> None:
        distance = -elements * width if r[flags] & DF else elements * width
        for slot, register in moved_registers:
            r[slot] = merge(r[slot], register, r[slot] + distance & address_mask)

    def once(cpu: Any, bus: Any) -> None:
        r = cpu.regs
        element(string, cpu, bus, string.linear(cpu, source, r[si]), string.linear(cpu, destination, r[di]))
        advance(r, 1)
        r[ip] = r[ip] + length & next_ip_mask

    def repeat(cpu: Any, bus: Any) -> None:
        r = cpu.regs
        budget = bound
        before = r[flags]
        alone = 0  # elements to do one by one before another block is tried: a device goes on for a while
        cpu.pending = ""
        if not r[cx] & address_mask:
            # Intel CPUs clear upper halves even so (arch/x86/kvm/emulate.c, string_registers_quirk). They do at a fault
            # of the first element, too, where registers stay as they were here, as with every other fault.
            r[cx] = merge(r[cx], counter, 0)
            if block is not None:
                advance(r, 0)
        while count := r[cx] & address_mask:
            if budget is not None:
                if not budget:
                    cpu.pending = "iterations"
                    return
                count = min(count, budget)
            try:
                from_, to = string.linear(cpu, source, r[si]), string.linear(cpu, destination, r[di])
                done = 0
                if alone:
                    alone -= 1
                elif block is not None and count > 1:
                    done = block(string, cpu, bus, from_, to, count)
                    alone = 0 if done else PAGE // width
                if not done:
                    element(string, cpu, bus, from_, to)
                    done = 1
            except BaseException:
                r[flags] = before  # CMPS and SCAS: as they were before the instruction (SDM vol. 2B, REP)
                raise
            advance(r, done)
            r[cx] = merge(r[cx], counter, (r[cx] & address_mask) - done)
            if budget is not None:
                budget -= done
            if stop is not None and r[flags] & ZF == stop:
                break
        r[ip] = r[ip] + length & next_ip_mask

    run = repeat if instruction.rep else once
    allowed = b.settings.port_allowed
    if allowed is None or instruction.string not in ("ins", "outs"):
        return run

    def permitted(cpu: Any, bus: Any) -> None:
        if not instruction.rep or cpu.regs[cx] & address_mask:
            check_port(allowed, cpu.regs[string.slots[2]] & 0xFFFF, width)
        run(cpu, bus)

    return permitted


def _move_block(string: String, cpu: Any, bus: Any, source: int, destination: int, count: int) -> int:
    """Move as many elements as lie in plain memory at both ends; return how many, 0 to go element by element."""
    read_block = getattr(bus, "read_block", None)
    if read_block is None:
        return 0
    backwards = cpu.regs[string.slots[RFLAGS]] & DF
    ahead = source - destination if backwards else destination - source
    if ahead > 0:
        count = min(count, ahead // string.width)  # elements further on read what the first ones wrote
    for elements in _block_sizes(string, cpu, source, destination, count):
        length = elements * string.width
        back = length - string.width if backwards else 0
        try:
            data = read_block(source - back, length)
            if data is not None and bus.write_block(destination - back, data):
                return elements
        except Fault:
            continue  # some of it is missing: the element loop gets as far as the CPU would
    return 0


def _store_block(string: String, cpu: Any, bus: Any, source: int, destination: int, count: int) -> int:
    """Fill as many elements as lie in plain memory; return how many, 0 to go element by element."""
    write_block = getattr(bus, "write_block", None)
    if write_block is None:
        return 0
    pattern = string.accumulator(cpu).to_bytes(string.width, "little")
    for elements in _block_sizes(string, cpu, destination, destination, count):
        back = (elements - 1) * string.width if cpu.regs[string.slots[RFLAGS]] & DF else 0
        try:
            if write_block(destination - back, pattern * elements):
                return elements
        except Fault:
            continue
    return 0


def _block_sizes(string: String, cpu: Any, source: int, destination: int, count: int) -> Iterator[int]:
    """Yield how many elements to try at once: as many as do not wrap, then as many as lie in the present pages."""
    width = string.width
    backwards = cpu.regs[string.slots[RFLAGS]] & DF
    space = 1 << max(string.bits, 32)  # linear addresses wrap there
    both = (string.source, source, 6), (string.destination, destination, 7)
    ends = [(operand, address, index) for operand, address, index in both if operand is not None]
    whole = min(count, LARGEST_BLOCK // width)
    for operand, address, index in ends:
        offset = cpu.regs[string.slots[index]] & (1 << 8 * string.address_width) - 1
        if backwards:
            whole = min(whole, offset // width + 1, address // width + 1)
        else:
            whole = min(whole, (string.top(cpu, operand) + 1 - offset) // width, (space - address) // width)
    if whole > 1:
        yield whole
    paged = min((address % PAGE + width if backwards else PAGE - address % PAGE) // width for _, address, _ in ends)
    if 1 < paged < whole:
        yield paged
