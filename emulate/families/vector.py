"""MMX, SSE, AVX and AVX-512 plain moves: data between registers and memory, unchanged.

Legacy SSE keeps the vector bits above the operand, VEX and EVEX clear them; the builder knows. What is here is which
part of a register moves, which forms must be aligned, and how an opmask blends.
"""

from typing import Final

from decode.operands import MemoryOperand, RegisterOperand
from emulate import masking
from emulate.builder import Builder
from emulate.families.x87_state import enter_mmx
from emulate.recipes import recipe

_ALIGNED: Final = ("movaps", "movapd", "movdqa", "movntdq", "movntps", "movntpd", "movntdqa")
_FULL: Final = (
    *(f"{v}{name}" for v in ("", "v") for name in (*_ALIGNED, "movups", "movupd", "movdqu", "lddqu")),
    *("vmovdqa32", "vmovdqa64", "vmovdqu8", "vmovdqu16", "vmovdqu32", "vmovdqu64"),
)
_ENDINGS: Final = {"8": 1, "16": 2, "32": 4, "64": 8, "ps": 4, "pd": 8}


@recipe(*_FULL)
def full_move(b: Builder) -> None:
    """Move a whole register, under an opmask if there is one."""
    destination, source = b.instruction.operands
    aligned = b.instruction.mnemonic.removeprefix("v").startswith(_ALIGNED)
    element = element_width(b.instruction.mnemonic) if b.instruction.opmask else destination.width
    masking.write(b, destination, masking.read(b, source, aligned=aligned), element, aligned=aligned)


def element_width(mnemonic: str) -> int:
    """Return the bytes of the elements an opmask has bits for, which the mnemonic's ending tells."""
    return next(width for ending, width in _ENDINGS.items() if mnemonic.endswith(ending))


@recipe("movd", "movq", "vmovd", "vmovq", "movntq", "movnti", "vmovw", "movq2dq", "movdq2q")
def low_move(b: Builder) -> None:
    """Move the low part of a register; a register destination is zero-extended to 128 bits."""
    enter_mmx(b)
    destination, source = b.instruction.operands
    width = 2 if b.instruction.mnemonic == "vmovw" else min(source.width, destination.width, 8)
    b.write(destination, b.read(source, width))


@recipe("kmovb", "kmovw", "kmovd", "kmovq")
def opmask_move(b: Builder) -> None:
    """Move an opmask register; a shorter one is zero-extended."""
    destination, source = b.instruction.operands
    width = {"b": 1, "w": 2, "d": 4, "q": 8}[b.instruction.mnemonic[-1]]
    b.write(destination, b.read(source, width))


@recipe("movss", "movsd", "vmovss", "vmovsd", "vmovsh", "movntss", "movntsd")
def scalar_move(b: Builder) -> None:
    """Move the lowest element; between registers the other elements come from the first source."""
    operands = b.instruction.operands
    width = {"s": 4, "d": 8, "h": 2}[b.instruction.mnemonic[-1]]
    destination, source = operands[0], operands[-1]
    value = masking.read(b, source, width)
    if isinstance(destination, MemoryOperand):
        masking.write(b, destination, value, width)
        return
    assert isinstance(destination, RegisterOperand)
    if b.instruction.opmask is not None:
        old = "0" if b.instruction.zeroing else b.register(destination.register, width)
        value = f"({value} if {masking.opmask_bits(b, 1)} else {old})"
    if isinstance(source, RegisterOperand):
        rest = b.read(operands[-2])  # the destination itself in the two-operand form
        value = f"{rest} & {(1 << 128) - (1 << 8 * width):#x} | {value}"
    b.write(destination, value)


@recipe("movlps", "movlpd", "vmovlps", "vmovlpd", "movhps", "movhpd", "vmovhps", "vmovhpd")
def half_move(b: Builder) -> None:
    """Load or store one half of an XMM register, leaving the other half of the first source."""
    operands = b.instruction.operands
    destination, source = operands[0], operands[-1]
    high = "movh" in b.instruction.mnemonic
    if isinstance(destination, MemoryOperand):
        assert isinstance(source, RegisterOperand)
        half = b.register(source.register, 16 if high else 8)
        b.write(destination, f"{half} >> 64" if high else half)
        return
    kept = b.read(operands[-2])
    value = b.read(source)
    low_bits = (1 << 64) - 1
    b.write(destination, f"{kept} & {low_bits:#x} | {value} << 64" if high else f"{kept} >> 64 << 64 | {value}")


@recipe("movhlps", "vmovhlps", "movlhps", "vmovlhps")
def cross_move(b: Builder) -> None:
    """Move one half of an XMM register into the other half of another."""
    operands = b.instruction.operands
    kept, source = b.read(operands[-2]), b.read(operands[-1])
    low_bits = (1 << 64) - 1
    if "hlps" in b.instruction.mnemonic:
        b.write(operands[0], f"{kept} >> 64 << 64 | {source} >> 64")
    else:
        b.write(operands[0], f"{kept} & {low_bits:#x} | ({source} & {low_bits:#x}) << 64")
