"""Select the instructions whose access is a direct call of the device: plain loads and stores, IN and OUT.

Such an instruction does nothing with its memory operand but read it once or write it once, and raises no exception of
its own. So the CPU itself can execute it on a copy of the operand: after the device has answered, or before it is given
the value. In place of IN and OUT it executes MOV. The copy of a vector is not aligned, so the CPU executes MOVUPS in
place of MOVAPS, and an access for which MOVAPS raises an exception is made by a frame.
"""

from typing import Final

from attrs import frozen

from decode import READ, WRITE, Instruction
from decode.any_alignment import ANY_ALIGNMENT
from decode.operands import PortOperand, RegisterOperand
from decode.redirect import NotMovable, redirect_to_stack
from decode.registers import GENERAL, VECTOR

_NARROW: Final = (1, 2, 4, 8)  # bytes: of values that fit a general register
_WIDE: Final = (16, 32, 64)
_MOVES: Final = frozenset({"mov", "movbe", "movd", "movq", "movss", "movsd", "vmovd", "vmovq", "vmovss", "vmovsd"})
_LOADS: Final = _MOVES | frozenset(
    {"movzx", "movsx", "movsxd", "cmp", "test", "add", "sub", "adc", "sbb", "and", "or", "xor", "imul", "popcnt"}
)
_STORES: Final = _MOVES | frozenset({"movnti"})
_VECTOR_MOVES: Final = frozenset(ANY_ALIGNMENT) | frozenset(ANY_ALIGNMENT.values())  # by form
_OTHER_VECTOR_MOVES: Final = frozenset({"lddqu", "vlddqu", "vmovdqu8", "vmovdqu16"})
_PORT_MOVES: Final = {  # MOV of AL, AX or EAX from the top of the stack, and to it, by width
    1: ("8a0424", "880424"),
    2: ("668b0424", "66890424"),
    4: ("8b0424", "890424"),
}
_CONDITIONAL: Final = "cmov", "set"  # and a condition: CMOV reads always


@frozen
class Plain:
    """An instruction on a copy of its operand.

    Attributes:
        code: the instruction with the operand on the stack.
        width: of the operand, in bytes.
        stores: whether it is written; else it is read.
        port: the operand is an IO port; the instruction on a copy is a MOV.
        aligned: it raises an exception where its operand is not aligned to the width, which the copy does not.
    """

    code: bytes
    width: int
    stores: bool
    port: bool = False
    aligned: bool = False

    @property
    def wide(self) -> bool:
        """Return whether the operand is wider than a general register."""
        return self.width in _WIDE


def plain(instruction: Instruction, loaded: int = 0, stored: int = 0) -> Plain | None:
    """Return how a plain load or store is executed on a copy of its operand; None for other instructions.

    The copy is at the top of the stack, if it fits a general register.

    Args:
        instruction: which one.
        loaded: where a wider operand is when it is read, from the stack pointer.
        stored: where a wider operand is when it is written.
    """
    if len(instruction.accesses) != 1 or instruction.lock or instruction.string or instruction.opmask is not None:
        return None
    (access,) = instruction.accesses
    loads, width = access.direction == READ, access.width
    if access.direction not in (READ, WRITE):
        return None
    if isinstance(access.operand, PortOperand):
        return Plain(bytes.fromhex(_PORT_MOVES[width][not loads]), width, not loads, port=True)
    wide = width in _WIDE
    if not (_moves_vector(instruction) if wide else width in _NARROW and _moves_little(instruction, loads)):
        return None
    registers = (each.register for each in instruction.operands if isinstance(each, RegisterOperand))
    if any(register.file not in (GENERAL, VECTOR) for register in registers):  # segments, MMX
        return None
    place = (loaded if loads else stored) if wide else 0
    try:
        code = redirect_to_stack(instruction, place)
    except NotMovable:
        return None
    return Plain(code, width, not loads, aligned=instruction.form in ANY_ALIGNMENT)


def _moves_vector(instruction: Instruction) -> bool:
    return instruction.form in _VECTOR_MOVES or instruction.mnemonic in _OTHER_VECTOR_MOVES


def _moves_little(instruction: Instruction, loads: bool) -> bool:
    return instruction.mnemonic in (_LOADS if loads else _STORES) or instruction.mnemonic.startswith(_CONDITIONAL)
