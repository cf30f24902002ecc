"""Vector operands under a mask: the accessed elements of memory, and merging results into registers.

A masked-off element is never touched (SDM vol. 2A, 2.8), not even by the checks of its address: each selected element
is one access, and with none selected the address may be anything.
"""

from decode import MemoryAccess
from decode.operands import MemoryOperand, Operand, RegisterOperand
from decode.registers import Register
from emulate import answer
from emulate.address import canonical, check_alignment, check_limit, linear, misaligned
from emulate.builder import Builder
from emulate.bus import Bus
from emulate.cpu import RegisterFile
from emulate.flags import AC

_CHECKED_ALIGNMENT = 8
"""Widest operand EFLAGS.AC applies to: longer vectors may lie anywhere (SDM vol. 3A, table 6-7)."""


def read(
    b: Builder, operand: Operand, width: int | None = None, *, aligned: bool = False, maskable: bool = False
) -> str:
    """Return the expression of a source, as `Builder.read` does; elements of memory not selected are zero in it.

    Args:
        b: the instruction.
        operand: a register or memory operand.
        width: for registers, how many low bytes.
        aligned: memory must be aligned to its width.
        maskable: AMD's MXCSR.MM says that it need not.
    """
    access = b.access(operand)
    if access is None or access.selection == "whole":
        if aligned:
            _require_alignment(b, operand, maskable)
        return b.read(operand, width)
    if access.wraps:
        return b.local(b.call(load_at, "bus", _places(b, access), access.element), "m")
    address, elements = _place(b, access, aligned)
    return b.local(b.call(load, "bus", address, access.element, elements), "m")


def write(b: Builder, destination: Operand, value: str, element: int, *, count: int = 0, aligned: bool = False) -> None:
    """Write a destination under the instruction's opmask, which has a bit for each of its elements.

    Memory keeps the masked-off elements, a register keeps or zeroes them.

    Args:
        b: the instruction.
        destination: a register or memory operand.
        value: the expression of all elements.
        element: bytes of one element of a register.
        count: how many elements a register gets, when they do not fill it; the rest is zeroed.
        aligned: memory must be aligned to its width.
    """
    access = b.access(destination)
    if access is not None and access.wraps:
        b.act(b.call(store_at, "bus", _places(b, access), access.element, value))
    elif access is not None and access.selection != "whole":
        address, elements = _place(b, access, aligned)
        b.act(b.call(store, "bus", address, access.element, elements, value))
    elif isinstance(destination, RegisterOperand):
        count = count or destination.width // element
        merge(b, destination, value, element, count, opmask_bits(b, count))
    else:
        if aligned:
            _require_alignment(b, destination)
        b.write(destination, value)


def merge(b: Builder, destination: RegisterOperand, value: str, element: int, count: int, elements: str) -> None:
    """Write those of `count` elements of a register that `elements` selects; the others are kept or, with {z}, zeroed.

    Without an opmask all are written.
    """
    if b.instruction.opmask is None:
        b.write(destination, value)
    elif b.instruction.zeroing:
        b.write(destination, f"({value}) & {b.call(spread, elements, element)}")
    else:
        old = b.read(destination, count * element)
        b.write(destination, b.call(blend, old, value, b.call(spread, elements, element)))


def opmask_bits(b: Builder, count: int) -> str:
    """Return the expression of the low `count` bits of the instruction's opmask, all of them set if it has none."""
    bits = f"{(1 << count) - 1:#x}"
    return bits if b.instruction.opmask is None else f"({b.register(b.instruction.opmask)} & {bits})"


def _require_alignment(b: Builder, operand: Operand, maskable: bool = False) -> None:
    """Plan the alignment check of an operand in memory."""
    if isinstance(operand, MemoryOperand):
        b.address(operand, alignment=operand.width, maskable=maskable)


def _place(b: Builder, access: MemoryAccess, aligned: bool) -> tuple[str, str]:
    """Plan the address of a masked access and the elements it touches, with their checks; return both names."""
    operand = access.operand
    assert access.selector is not None
    address, elements = b.address(operand, 0), b.name("e")
    b.plan(f"{elements} = {b.call(access.selected, b.register(access.selector))}")
    segment = b.bind(operand.segment, operand.segment.name)
    offset = address if b.bits == 64 else b.effective_address(operand)
    b.plan(f"if {elements}: {b.call(check_span, 'cpu', segment, f'({offset})', access.element, elements)}")
    if aligned:
        b.plan(f"if {elements} and {address} & {operand.width - 1:#x}: {b.call(misaligned, address, operand.width)}")
    if b.settings.alignment_check and operand.width <= _CHECKED_ALIGNMENT:
        check = b.call(check_alignment, address, operand.width)
        b.plan(f"if {elements} and {b.flags} & {AC:#x}: {check}")
    return address, elements


def _places(b: Builder, access: MemoryAccess) -> str:
    """Plan the addresses of the elements of an access that wraps; return the name of what `places_of` returned."""
    assert access.selector is not None
    operand, places = access.operand, b.name("e")
    segment = b.bind(operand.segment, operand.segment.name)
    elements = b.call(access.selected, b.register(access.selector))
    mask = (1 << 8 * operand.address_width) - 1
    offset = f"({b.effective_address(operand)})"
    b.plan(f"{places} = {b.call(places_of, 'cpu', segment, offset, mask, access.element, elements)}")
    return places


def places_of(
    cpu: RegisterFile, segment: Register, offset: int, mask: int, element: int, elements: int
) -> list[tuple[int, int]]:
    """Return for each selected element its distance from the operand's start and its address, which is checked."""
    distances = [element * index for index in range(elements.bit_length()) if elements >> index & 1]
    return [(distance, linear(cpu, segment, offset + distance & mask, element)) for distance in distances]


def load_at(bus: Bus, places: list[tuple[int, int]], element: int) -> int:
    """Read the elements at some places; the others are zero in the result."""
    return sum(answer.read(bus, address, element) << 8 * distance for distance, address in places)


def store_at(bus: Bus, places: list[tuple[int, int]], element: int, value: int) -> None:
    """Write the elements of `value` that have places."""
    for distance, address in places:
        bus.write(address, element, value >> 8 * distance & (1 << 8 * element) - 1)


def check_span(cpu: RegisterFile, segment: Register, offset: int, element: int, elements: int) -> None:
    """Raise #GP or #SS unless everything from the first to the last selected element may be addressed."""
    first = ((elements & -elements).bit_length() - 1) * element
    length = elements.bit_length() * element - first
    if cpu.bits == 64:
        canonical(offset + first, length, segment.name == "ss")
    else:
        check_limit(cpu.limits, segment, offset + first, length)


def load(bus: Bus, address: int, element: int, elements: int) -> int:
    """Read the selected elements of `element` bytes from `address` on; the others are zero in the result."""
    value = 0
    while elements:
        lowest = elements & -elements
        offset = (lowest.bit_length() - 1) * element
        value |= answer.read(bus, address + offset, element) << 8 * offset
        elements ^= lowest
    return value


def store(bus: Bus, address: int, element: int, elements: int, value: int) -> None:
    """Write the selected elements of `value`, lowest first."""
    mask = (1 << 8 * element) - 1
    while elements:
        lowest = elements & -elements
        offset = (lowest.bit_length() - 1) * element
        bus.write(address + offset, element, value >> 8 * offset & mask)
        elements ^= lowest


def spread(elements: int, element: int) -> int:
    """Return all ones in each selected element of `element` bytes."""
    ones = (1 << 8 * element) - 1
    bits = 0
    while elements:
        lowest = elements & -elements
        bits |= ones << 8 * element * (lowest.bit_length() - 1)
        elements ^= lowest
    return bits


def blend(old: int, new: int, bits: int) -> int:
    """Return the given bits of `new` and the others of `old`."""
    return old & ~bits | new & bits
