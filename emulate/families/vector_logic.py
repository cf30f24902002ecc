"""Bitwise logic on whole vectors: AND, ANDN, OR, XOR, for all kinds of elements.

The kind matters only where an opmask chooses elements or one element is broadcast.
"""

from typing import Final

from decode.operands import MemoryOperand
from emulate import masking
from emulate.builder import Builder
from emulate.families.vector_broadcast import ones
from emulate.families.x87_state import enter_mmx
from emulate.recipes import recipe

_OPERATIONS: Final = {"and": "{a} & {b}", "andn": "{b} & ~{a}", "or": "{a} | {b}", "xor": "{a} ^ {b}"}
_ELEMENTS: Final = {"ps": 4, "pd": 8}
_WHOLE: Final = 8  # PAND and similar ones have no elements; any width that divides a register will do

# By mnemonic: what is done, and the bytes of the elements an opmask has bits for.
_FORMS: Final = {
    **{f"{v}{name}{kind}": (name, _ELEMENTS[kind]) for v in ("", "v") for name in _OPERATIONS for kind in _ELEMENTS},
    **{f"{v}p{name}": (name, _WHOLE) for v in ("", "v") for name in _OPERATIONS},
    **{f"vp{name}{kind}": (name, width) for name in _OPERATIONS for kind, width in {"d": 4, "q": 8}.items()},
}


@recipe(*_FORMS)
def bitwise(b: Builder) -> None:
    """Combine two vectors bit by bit; legacy SSE needs its memory operand aligned."""
    enter_mmx(b)
    instruction = b.instruction
    destination, source = instruction.operands[0], instruction.operands[-1]
    operation, element = _FORMS[instruction.mnemonic]
    first = b.read(instruction.operands[-2])
    aligned = instruction.encoding == "legacy" and source.width == 16
    second = masking.read(b, source, aligned=aligned, maskable=True)
    if isinstance(source, MemoryOperand) and source.broadcast:
        second = f"({second} * {ones(element, destination.width // element):#x})"
    value = _OPERATIONS[operation].format(a=first, b=second)
    masking.write(b, destination, value, element)
