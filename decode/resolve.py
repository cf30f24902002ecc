"""Resolve the accesses of an instruction for given registers, without executing it.

The emulator makes the same accesses for real; the property "the bus log equals `accesses`" ties the two together.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from decode.instruction import Instruction, MemoryAccess
from decode.memory import UNTOUCHED, monitored
from decode.operands import READ, WRITE, Direction, ImmediateOperand, MemoryOperand, RegisterOperand
from decode.registers import FLAGS, GENERAL, POINTER, VECTOR, Register, read

MAX_ELEMENTS = 1 << 20
"""Most accesses `accesses` will put in one list; `iter_accesses` has no limit."""

_DIRECTION_FLAG = 1 << 10
_XSAVE_PART = 64  # bytes: its area is aligned to them
_XSAVE_AREA = 2816 + 8192  # bytes: the last component of the standard form, tile data, ends there (SDM vol. 1, 13.5.14)


class Registers(Protocol):
    """The registers an address depends on, as an `emulate.Cpu` has them."""

    @property
    def bits(self) -> int:
        """The mode: 16, 32 or 64."""

    @property
    def slots(self) -> Sequence[int]:
        """Indices into `regs` of the general registers, rip and rflags, in the architecture's order."""

    @property
    def regs(self) -> Sequence[int]:
        """The general registers, rip and rflags, in the order that `slots` says."""

    @property
    def bases(self) -> Sequence[int]:
        """The segment bases, by segment number."""

    @property
    def vector(self) -> Sequence[int]:
        """The vector registers, whole."""

    @property
    def k(self) -> Sequence[int]:
        """The mask registers k0 to k7."""

    @property
    def x87(self) -> Sequence[int]:
        """The x87 registers."""


class MemoryTouch(NamedTuple):
    """One access to memory: equal to the plain tuple `(direction, address, width)`."""

    direction: Direction
    address: int
    width: int


class PortTouch(NamedTuple):
    """One access to an IO port: equal to the plain tuple `(direction, port, width)`."""

    direction: Direction
    port: int
    width: int


Touch: TypeAlias = MemoryTouch | PortTouch


def accesses(instruction: Instruction, cpu: Registers) -> list[Touch]:
    """Return every access the instruction makes with these registers, in order, as `(direction, address, width)`.

    A read-modify-write is one READ and one WRITE. A REP string instruction is listed for its whole count; REPE and
    REPNE may stop earlier, depending on the data.

    Args:
        instruction: what `decode` returned.
        cpu: the registers before the instruction; its `rip` is the instruction's own address.

    Raises:
        OverflowError: a REP count makes more than `MAX_ELEMENTS` accesses; use `iter_accesses`.
    """
    found: list[Touch] = []
    for touch in iter_accesses(instruction, cpu):
        if len(found) == MAX_ELEMENTS:
            raise OverflowError(
                f"{instruction} makes more than {MAX_ELEMENTS} accesses with this count; use iter_accesses"
            )
        found.append(touch)
    return found


def iter_accesses(instruction: Instruction, cpu: Registers) -> Iterator[Touch]:
    """Yield what `accesses` returns for an instruction and a CPU, one at a time and without limit.

    Args:
        instruction: the instruction; nothing of it is executed.
        cpu: the registers that its addresses depend on.
    """
    if not isinstance(instruction, Instruction):
        problem = f"instruction is an Instruction, as decode returns, not {type(instruction).__name__}"
        raise TypeError(f"{problem}: accesses(decode(code), cpu)")
    if not instruction.rep:
        yield from _once(instruction, cpu, 0)
        return
    counter = _address_width(instruction)
    count = _word(cpu, GENERAL, 1) & (1 << 8 * counter) - 1
    backwards = bool(_word(cpu, FLAGS, 0) & _DIRECTION_FLAG)
    width = instruction.accesses[0].width
    for iteration in range(count):
        yield from _once(instruction, cpu, -iteration * width if backwards else iteration * width)


def checked_ranges(instruction: Instruction, cpu: Registers) -> Iterator[tuple[int, int]]:
    """Yield address and width of all memory for which the CPU may raise a page fault, accessed or not.

    That is each access, and whole memory operands of which nothing or only some elements are accessed: CLFLUSH and its
    like "check as a load would" (SDM vol. 2A, CLFLUSH), as UMONITOR and MONITORX do, and a masked-off element may fault
    where it is not accessed (SDM vol. 2B, MASKMOVDQU; vol. 2C, VMASKMOV). ENTER checks the page of the new top of the
    stack (SDM vol. 2A). XSAVE and its like may report any byte of the largest area, as Intel's CPUs report its last
    byte. A test compares with the CPU.

    Args:
        instruction: the instruction; nothing of it is executed.
        cpu: the registers that its addresses depend on.
    """
    monitor = monitored(instruction)
    if monitor is not None:
        yield effective_address(instruction, monitor, cpu), monitor.width
    for operand in instruction.operands:
        if not isinstance(operand, MemoryOperand) or (operand.index is not None and operand.index.file == VECTOR):
            continue
        if operand.direction or instruction.mnemonic in UNTOUCHED:
            start = effective_address(instruction, operand, cpu, _moved(instruction, operand, cpu))
            width = operand.width or (_XSAVE_AREA if operand.direction else 1)
            if width != _XSAVE_AREA or effective_address(instruction, operand, cpu, width) == start + width:
                yield start, width
            else:  # each part of the area has an address of its own, which wraps
                parts = range(0, width, _XSAVE_PART)
                yield from ((effective_address(instruction, operand, cpu, at), _XSAVE_PART) for at in parts)
    for touch in iter_accesses(instruction, cpu):
        if isinstance(touch, MemoryTouch):
            yield touch.address, touch.width
    if instruction.mnemonic == "enter":
        size, last = instruction.operands[0], instruction.accesses[-1].operand
        assert isinstance(size, ImmediateOperand)
        assert isinstance(last, MemoryOperand)
        yield effective_address(instruction, last, cpu, -size.value), last.width


def effective_address(instruction: Instruction, operand: MemoryOperand, cpu: Registers, advance: int = 0) -> int:
    """Return the linear address of a memory operand without a vector index.

    Args:
        instruction: whose operand it is.
        operand: the operand.
        cpu: the registers.
        advance: bytes the operand lies from where its registers say; the address wraps with them.
    """
    base = operand.displacement + advance
    if operand.base is not None:
        base += _value(cpu, operand.base)
        if operand.is_rip_relative:
            base += instruction.length
    if operand.index is not None and operand.index.file != VECTOR:
        base += _value(cpu, operand.index) * operand.scale
    return _linear(instruction, operand, cpu, base)


def _once(instruction: Instruction, cpu: Registers, advance: int) -> Iterator[Touch]:
    """Yield the accesses of one iteration."""
    for access in instruction.accesses:
        if not isinstance(access, MemoryAccess):
            port = access.operand
            number = _value(cpu, port.register) if port.register else port.number
            yield PortTouch(access.direction, number, access.width)
            continue
        places = list(_places(instruction, access, cpu, advance))
        if access.direction & READ:
            yield from (MemoryTouch(READ, address, width) for address, width in places)
        if access.direction & WRITE:
            yield from (MemoryTouch(WRITE, address, width) for address, width in places)


def _places(instruction: Instruction, access: MemoryAccess, cpu: Registers, advance: int) -> Iterator[tuple[int, int]]:
    """Yield address and width of every element one access touches."""
    operand = access.operand
    if access.selection == "gather":
        yield from _gathered(instruction, access, cpu)
        return
    start = effective_address(instruction, operand, cpu, advance + _moved(instruction, operand, cpu))
    if access.selection == "whole":
        yield start & -access.width if instruction.mnemonic == "clzero" else start, access.width
        return
    for index in _selected(access, cpu):
        distance = index * access.element
        place = effective_address(instruction, operand, cpu, advance + distance) if access.wraps else start + distance
        yield place, access.element


def _moved(instruction: Instruction, operand: MemoryOperand, cpu: Registers) -> int:
    """Return how far an operand lies from its effective address.

    BT, BTS, BTR and BTC with a register offset reach the element the signed offset lies in (SDM vol. 2A, BT); POP
    computes an rSP-based address after the pop (SDM vol. 2B, POP).
    """
    source = instruction.operands[-1] if instruction.operands else None
    if instruction.mnemonic in ("bt", "bts", "btr", "btc") and isinstance(source, RegisterOperand):
        bits = 8 * source.width
        offset = _value(cpu, source.register)
        offset -= (offset >> bits - 1) << bits
        return (offset >> bits.bit_length() - 1) * source.width
    if (
        instruction.mnemonic == "pop"
        and operand in instruction.operands
        and operand.base is not None
        and operand.base.file == GENERAL
        and operand.base.index == 4
    ):
        return operand.width
    return 0


def _selected(access: MemoryAccess, cpu: Registers) -> Iterator[int]:
    """Yield the indexes of the elements an access touches, lowest first."""
    assert access.selector is not None
    elements = access.selected(_value(cpu, access.selector))
    return (index for index in range(access.count) if elements >> index & 1)


def _gathered(instruction: Instruction, access: MemoryAccess, cpu: Registers) -> Iterator[tuple[int, int]]:
    """Yield the places of a gather or scatter."""
    operand = access.operand
    assert operand.index is not None
    vector = _value(cpu, operand.index)
    bits = 8 * index_width(instruction)
    base = operand.displacement + (_value(cpu, operand.base) if operand.base else 0)
    for element in _selected(access, cpu):
        offset = vector >> bits * element & (1 << bits) - 1
        offset -= (offset >> bits - 1) << bits
        yield _linear(instruction, operand, cpu, base + offset * operand.scale), access.element


def index_width(instruction: Instruction) -> int:
    """Return the bytes of one index of a gather or scatter, as its form has it: VM32X, VM64Y."""
    return 8 if "_VM64" in instruction.form else 4


def _linear(instruction: Instruction, operand: MemoryOperand, cpu: Registers, offset: int) -> int:
    """Add the segment base. Only FS and GS have one in 64-bit code (SDM vol. 1, 3.3.7.1)."""
    offset &= (1 << 8 * operand.address_width) - 1
    if instruction.bits == 64:
        if operand.segment.index >= 4:
            offset += cpu.bases[operand.segment.index]
        return offset & (1 << 64) - 1
    return offset + cpu.bases[operand.segment.index] & 0xFFFFFFFF


def _address_width(instruction: Instruction) -> int:
    """Return the address size of a string instruction in bytes, which is the width of its counter."""
    return next(a.operand.address_width for a in instruction.accesses if isinstance(a, MemoryAccess))


def _word(cpu: Registers, file: str, index: int) -> int:
    """Return one whole word of a register file."""
    if file == GENERAL:
        return cpu.regs[cpu.slots[index]]
    if file == POINTER:
        return cpu.regs[cpu.slots[16]]
    if file == FLAGS:
        return cpu.regs[cpu.slots[17]]
    files = {VECTOR: cpu.vector, "mask": cpu.k, "mmx": cpu.x87}
    return files[file][index]


def _value(cpu: Registers, register: Register) -> int:
    """Return the value of a register."""
    return read(_word(cpu, register.file, register.index), register)
