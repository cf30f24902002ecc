"""Operands of an instruction: registers, immediates, memory, ports, branch targets.

An operand says where a value is, how wide it is and in which directions it moves. It never holds an address that
depends on where the instruction stands, so that one decoded instruction serves every place with the same bytes.
"""

from enum import IntEnum
from typing import Final, TypeAlias

from attrs import frozen

from decode.registers import POINTER, Register


class Direction(IntEnum):
    """Direction of a value between the CPU and an operand; `READ | WRITE == READ_WRITE`."""

    NONE = 0
    READ = 1
    WRITE = 2
    READ_WRITE = 3

    def __repr__(self) -> str:
        return self.name


NONE: Final = Direction.NONE
READ: Final = Direction.READ
WRITE: Final = Direction.WRITE
READ_WRITE: Final = Direction.READ_WRITE


@frozen(slots=True)
class RegisterOperand:
    """A register, `width` bytes of it.

    Attributes:
        register: the register.
        direction: whether it is read, written or both.
    """

    register: Register
    direction: Direction

    @property
    def width(self) -> int:
        """Bytes."""
        return self.register.width

    def __str__(self) -> str:
        return self.register.name


@frozen(slots=True)
class ImmediateOperand:
    """A constant in the instruction.

    Attributes:
        value: sign-extended by the decoder to the width the instruction uses it at, as an unsigned int.
        width: that width in bytes.
        direction: always READ.
    """

    value: int
    width: int
    direction: Direction = READ

    def __str__(self) -> str:
        return f"{self.value:#x}"


@frozen(slots=True)
class MemoryOperand:
    """A place in memory: `segment:[base + index * scale + displacement]`.

    Attributes:
        base: a general register, `rip` or `eip` (then the displacement counts from the *next* instruction), or None.
        index: a general register, a vector register (VSIB: one address an element), AL for XLAT, or None.
        scale: 1, 2, 4 or 8.
        displacement: signed bytes.
        segment: the segment register in force, an override included.
        address_width: bytes of the effective address: 2, 4 or 8. It wraps there.
        width: bytes read or written; 0 where the instruction decides at run time (XSAVE) or touches nothing (LEA).
        direction: NONE when the address is computed but not touched (LEA, prefetches, CLFLUSH).
        broadcast: EVEX embedded broadcast, one element of `width` bytes for all.
    """

    base: Register | None
    index: Register | None
    scale: int
    displacement: int
    segment: Register
    address_width: int
    width: int
    direction: Direction
    broadcast: bool = False

    @property
    def is_rip_relative(self) -> bool:
        """Return whether the displacement counts from the next instruction."""
        return self.base is not None and self.base.file == POINTER

    def __str__(self) -> str:
        terms = [self.base.name] if self.base else []
        if self.index:
            terms.append(f"{self.index}*{self.scale}" if self.scale > 1 else self.index.name)
        text = "+".join(terms)
        if not terms:
            text = f"{self.displacement & (1 << 8 * self.address_width) - 1:#x}"
        elif self.displacement:
            text += f"{self.displacement:+#x}"
        override = "" if self.segment.name in ("ds", "ss") else f"{self.segment}:"
        return f"{override}[{text}]"


@frozen(slots=True)
class PortOperand:
    """An IO port: a number in the instruction, or DX.

    Attributes:
        register: DX, or None when the number is in the instruction.
        number: the port where it is in the instruction, else 0.
        width: bytes of the access.
        direction: READ for IN and INS, WRITE for OUT and OUTS.
    """

    register: Register | None
    number: int
    width: int
    direction: Direction

    def __str__(self) -> str:
        return self.register.name if self.register else f"{self.number:#x}"


@frozen(slots=True)
class BranchOperand:
    """A near branch target.

    Attributes:
        displacement: from the next instruction, signed.
        width: bytes of the displacement.
        direction: always READ.
    """

    displacement: int
    width: int
    direction: Direction = READ

    def __str__(self) -> str:
        return f"{self.displacement:+#x}"


@frozen(slots=True)
class FarPointerOperand:
    """A far branch target in the instruction.

    Attributes:
        selector: of the code segment.
        offset: in it.
        width: bytes of both together.
        direction: always READ.
    """

    selector: int
    offset: int
    width: int
    direction: Direction = READ

    def __str__(self) -> str:
        return f"{self.selector:#x}:{self.offset:#x}"


Operand: TypeAlias = (
    RegisterOperand | ImmediateOperand | MemoryOperand | PortOperand | BranchOperand | FarPointerOperand
)
