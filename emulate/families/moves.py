"""MOV in all forms, the extending moves, XCHG.

A load reads once at the width of its source, a store writes once and never reads.
"""

from decode.operands import MemoryOperand, RegisterOperand
from decode.registers import SEGMENT
from emulate.builder import Builder
from emulate.families.segments import load_segment
from emulate.recipes import recipe


@recipe("mov")
def mov(b: Builder) -> None:
    """Copy the source; a segment selector is zero-extended into a wider register."""
    destination, source = b.instruction.operands
    if isinstance(destination, RegisterOperand) and destination.register.file == SEGMENT:
        load_segment(b, destination.register, b.read(source, 2))
    else:
        b.write(destination, b.read(source))


@recipe("movzx")
def movzx(b: Builder) -> None:
    """Zero-extend: registers are unsigned, so it is a plain copy."""
    destination, source = b.instruction.operands
    b.write(destination, b.read(source))


@recipe("movsx", "movsxd")
def movsx(b: Builder) -> None:
    """Sign-extend, reading the source once."""
    destination, source = b.instruction.operands
    half = 1 << 8 * source.width - 1
    mask = (1 << 8 * destination.width) - 1
    b.write(destination, f"({b.read(source)} ^ {half:#x}) - {half:#x} & {mask:#x}")


@recipe("xchg")
def xchg(b: Builder) -> None:
    """Exchange; with memory it is indivisible, LOCK prefix or not (SDM vol. 2D, XCHG)."""
    first, second = b.instruction.operands  # memory comes first
    if isinstance(first, MemoryOperand):
        new = b.read(second)
        b.write(second, b.update(first, lambda old: new))
    else:
        old, new = b.local(b.read(first)), b.local(b.read(second))
        b.write(first, new)
        b.write(second, old)
