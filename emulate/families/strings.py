"""MOVS STOS LODS CMPS SCAS INS OUTS, with REP.

One small state machine serves them all: take the count, do one element, commit what it moved, go on. Every finished
element is committed, so a fault or an interruption restarts at the right one (SDM vol. 2B, REP). Where the bus has
plain memory, MOVS and STOS move whole blocks; everywhere else each element is one access of its width.
"""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from attrs import frozen

from decode.operands import MemoryOperand, PortOperand
from decode.registers import REGISTERS, Register, merge, read
from emulate import answer
from emulate.address import CANONICAL_TOP, canonical, check_alignment, linear
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
class Pointer:
    """An index register and the memory it walks through.

    Attributes:
        locate: `(cpu, regs) -> linear address` where it points to, checked.
        room: `(cpu, regs, linear address) -> bytes` from there on in the present direction, until the offset or the
            address wraps, or the segment ends.
    """

    locate: Callable[[Any, Any], int]
    room: Callable[[Any, Any, int], int]


@frozen(slots=True)
class String:
    """Run-time parameters of a string instruction.

    Attributes:
        width: bytes an element.
        source, destination: where it reads and writes memory, `NOWHERE` where it does not.
        slots: where the general registers stand.
    """

    width: int
    source: Pointer
    destination: Pointer
    slots: tuple[int, ...]

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


NOWHERE: Final = Pointer(lambda cpu, r: 0, lambda cpu, r, address: LARGEST_BLOCK)


def _pointer(b: Builder, operand: MemoryOperand | None, index: int, width: int) -> Pointer:
    """Return the pointer of a string operand through the index register of a number."""
    if operand is None:
        return NOWHERE
    segment, mask = operand.segment, (1 << 8 * operand.address_width) - 1
    slot, flags, alignment_check = b.slots[index], b.slots[RFLAGS], b.settings.alignment_check
    bits, space = b.bits, 1 << max(b.bits, 32)  # linear addresses wrap there
    highest, stack = CANONICAL_TOP - width + 1, segment.name == "ss"

    def flat(cpu: Any, r: Any) -> int:
        address: int = r[slot] & mask
        return address if address <= highest else canonical(address, width, stack)

    def locate(cpu: Any, r: Any) -> int:
        address = linear(cpu, segment, r[slot] & mask, width)
        if alignment_check and r[flags] & AC:
            check_alignment(address, width)
        return address

    def flat_room(cpu: Any, r: Any, address: int) -> int:
        return address + width if r[flags] & DF else mask + 1 - address

    def room(cpu: Any, r: Any, address: int) -> int:
        offset = r[slot] & mask
        if r[flags] & DF:
            return int(min(offset, address)) + width
        top = mask if bits == 64 or cpu.limits is None else min(mask, cpu.limits[segment.index])
        return int(min(top + 1 - offset, space - address))

    if bits == 64 and segment.index < 4:  # the offset is the address
        return Pointer(locate if alignment_check else flat, flat_room)
    return Pointer(locate, room)


_ACCUMULATORS: dict[int, Register] = {REGISTERS[name].width: REGISTERS[name] for name in ("al", "ax", "eax", "rax")}
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


@recipe(*_ELEMENTS)
def string_instruction(b: Builder) -> Run:
    """Return the state machine for one string instruction."""
    instruction = b.instruction
    memories = [o for o in instruction.operands if isinstance(o, MemoryOperand)]
    source = next((o for o in memories if o.base is not None and o.base.index == 6), None)
    destination = next((o for o in memories if o.base is not None and o.base.index == 7), None)
    width = next(o.width for o in instruction.operands if isinstance(o, MemoryOperand | PortOperand))
    string = String(width, _pointer(b, source, 6, width), _pointer(b, destination, 7, width), b.slots)
    element = _ELEMENTS[instruction.string]
    counter, source_index, destination_index = (REGISTERS[name] for name in _INDEXES[memories[0].address_width])
    si, di, cx, flags, ip = (b.slots[i] for i in (6, 7, 1, RFLAGS, RIP))
    # What a write to the register keeps of the word it lies in, by the one merge rule of `decode.registers`.
    moved = [(si, source_index.keep)] * (source is not None)
    moved += [(di, destination_index.keep)] * (destination is not None)
    locate_source, locate_destination = string.source.locate, string.destination.locate
    next_ip_mask = (1 << b.bits) - 1
    length = instruction.length
    address_mask = counter.mask
    # REPE goes on while ZF is set, REPNE while it is clear; the others never look at it.
    # At a fault the flags of CMPS and SCAS are as before the instruction (SDM vol. 2B, REP); AMD's CPUs leave those of
    # the last element that was finished. AMD's leave pointers and count alone when there is nothing to do.
    amd = b.amd
    stop = {"repe": 0, "repne": ZF}.get(instruction.rep)
    block = {"movs": _move_block, "stos": _store_block}.get(instruction.string)

    bound = b.settings.max_iterations

    def advance(r: Any, elements: int) -> None:
        distance = -elements * width if r[flags] & DF else elements * width
        for slot, keep in moved:
            word = r[slot]
            r[slot] = word & keep | word + distance & address_mask

    def once(cpu: Any, bus: Any) -> None:
        r = cpu.regs
        element(string, cpu, bus, locate_source(cpu, r), locate_destination(cpu, r))
        advance(r, 1)
        r[ip] = r[ip] + length & next_ip_mask

    def repeat(cpu: Any, bus: Any) -> None:
        r = cpu.regs
        budget = bound
        before = r[flags]
        alone = 0  # elements to do one by one before another block is tried: a device goes on for a while
        cpu.pending = ""
        if not r[cx] & address_mask and not amd:
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
                from_, to = locate_source(cpu, r), locate_destination(cpu, r)
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
                if not amd:
                    r[flags] = before
                raise
            advance(r, done)
            r[cx] = r[cx] & counter.keep | (r[cx] & address_mask) - done
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
    width, backwards = string.width, cpu.regs[string.slots[RFLAGS]] & DF
    ahead = source - destination if backwards else destination - source
    if 0 < ahead < count * width:
        count = ahead // width  # elements further on read what the first ones wrote
    length = _longest(string, cpu, source, destination, count)
    while length > width:
        back = length - width if backwards else 0
        try:
            data = read_block(source - back, length)
            done = data is not None and bus.write_block(destination - back, data)
        except Fault:  # some of it is missing: the element loop gets as far as the CPU would
            done = False
        if done:
            _tell(bus, source, destination, width, data, backwards)
            return length // width
        length = _in_pages(length, width, backwards, source, destination)
    return 0


def _store_block(string: String, cpu: Any, bus: Any, source: int, destination: int, count: int) -> int:
    """Fill as many elements as lie in plain memory; return how many, 0 to go element by element."""
    write_block = getattr(bus, "write_block", None)
    if write_block is None:
        return 0
    width, backwards = string.width, cpu.regs[string.slots[RFLAGS]] & DF
    pattern = string.accumulator(cpu).to_bytes(width, "little")
    length = _longest(string, cpu, 0, destination, count)
    while length > width:
        data = pattern * (length // width)
        try:
            done = write_block(destination - (length - width if backwards else 0), data)
        except Fault:
            done = False
        if done:
            _tell(bus, None, destination, width, data, backwards)
            return length // width
        length = _in_pages(length, width, backwards, destination)
    return 0


def _tell(bus: Any, source: int | None, destination: int, width: int, data: bytes, backwards: int) -> None:
    """Report a block that has been moved to a bus with a `moved` method."""
    moved = getattr(bus, "moved", None)
    if moved is not None:
        moved(source, destination, width, data, bool(backwards))


def _longest(string: String, cpu: Any, source: int, destination: int, count: int) -> int:
    """Return how many bytes may be moved at once."""
    r, width = cpu.regs, string.width
    length = count * width
    for room in (LARGEST_BLOCK, string.source.room(cpu, r, source), string.destination.room(cpu, r, destination)):
        if room < length:
            length = room
    return length - length % width


def _in_pages(length: int, width: int, backwards: int, *addresses: int) -> int:
    """Return how many bytes lie in the pages of some addresses, 0 when it is no less than what has been tried."""
    rooms = (address % PAGE + width if backwards else PAGE - address % PAGE for address in addresses)
    room = min(rooms)
    return room - room % width if room < length else 0
