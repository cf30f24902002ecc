"""Select the instructions whose access is a direct call of the device: plain loads and stores, IN and OUT.

Such an instruction does nothing with its memory operand but read it once or write it once, and raises no exception of
its own. So the CPU itself can execute it on a copy of the operand: after the device has answered, or before it is given
the value. In place of IN and OUT it executes MOV.
"""

from typing import Final

from attrs import frozen

from decode import READ, WRITE, Instruction
from decode.operands import PortOperand, RegisterOperand
from decode.redirect import NotMovable, redirect_to_stack
from decode.registers import GENERAL, VECTOR

_WIDTHS: Final = (1, 2, 4, 8)  # bytes: of values that fit a row of a trace
_MOVES: Final = frozenset({"mov", "movbe", "movd", "movq", "movss", "movsd", "vmovd", "vmovq", "vmovss", "vmovsd"})
_LOADS: Final = _MOVES | frozenset(
    {"movzx", "movsx", "movsxd", "cmp", "test", "add", "sub", "adc", "sbb", "and", "or", "xor", "imul", "popcnt"}
)
_STORES: Final = _MOVES | frozenset({"movnti"})
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
        code: the instruction with the operand at the top of the stack.
        width: of the operand, in bytes.
        stores: whether it is written; else it is read.
        port: the operand is an IO port; the instruction on a copy is a MOV.
    """

    code: bytes
    width: int
    stores: bool
    port: bool = False


def plain(instruction: Instruction) -> Plain | None:
    """Return how a plain load or store is executed on a copy of its operand; None for other instructions."""
    if len(instruction.accesses) != 1 or instruction.lock or instruction.string:
        return None
    (access,) = instruction.accesses
    loads, conditional = access.direction == READ, instruction.mnemonic.startswith(_CONDITIONAL)
    known = _LOADS if loads else _STORES
    if access.direction not in (READ, WRITE) or access.width not in _WIDTHS:
        return None
    if isinstance(access.operand, PortOperand):
        return Plain(bytes.fromhex(_PORT_MOVES[access.width][not loads]), access.width, not loads, port=True)
    if not (instruction.mnemonic in known or conditional):
        return None
    registers = (each.register for each in instruction.operands if isinstance(each, RegisterOperand))
    if any(register.file not in (GENERAL, VECTOR) for register in registers):  # segments, MMX
        return None
    try:
        return Plain(redirect_to_stack(instruction), access.width, not loads)
    except NotMovable:
        return None
