"""Memory operands of a string instruction: its pointers, and whole blocks where the bus has plain memory."""

from collections.abc import Callable
from typing import Any, Final

from attrs import frozen

from decode.operands import MemoryOperand
from decode.registers import REGISTERS, Register, merge, read
from emulate.address import CANONICAL_TOP, canonical, check_alignment, linear
from emulate.builder import Builder
from emulate.cpu import RFLAGS
from emulate.families.arithmetic import sub
from emulate.faults import Fault
from emulate.flags import AC, DF

PAGE = 4096
LARGEST_BLOCK = 1 << 20
"""Most bytes moved in one piece, so that a wild count does not take all the memory there is."""

_ACCUMULATORS: dict[int, Register] = {REGISTERS[name].width: REGISTERS[name] for name in ("al", "ax", "eax", "rax")}


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


def pointer(b: Builder, operand: MemoryOperand | None, index: int, width: int) -> Pointer:
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


def move_block(string: String, cpu: Any, bus: Any, source: int, destination: int, count: int) -> int:
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


def store_block(string: String, cpu: Any, bus: Any, source: int, destination: int, count: int) -> int:
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
