"""JMP CALL RET, near and far, Jcc, JCXZ, LOOP.

A target is cut to the operand size and checked before anything is pushed (SDM vol. 2A, CALL; Intel's CPUs push first).
Intel's 64-bit code has 64-bit near branches only; decode knows. Far branches load CS, which a plain `Cpu` does in real
mode only.
"""

from collections.abc import Callable
from typing import Final

from decode.operands import BranchOperand, FarPointerOperand, ImmediateOperand, MemoryOperand, Operand
from decode.registers import REGISTERS
from emulate.builder import Builder
from emulate.families.conditions import CONDITIONS, condition
from emulate.families.segments import load_segment
from emulate.families.stack import Stack, operand_size
from emulate.flags import ZF
from emulate.recipes import recipe

_FAR_FORMS: Final = ("PTR1616", "PTR1632", "M1616", "M1632", "M1664")


def _cut(expression: str, width: int) -> str:
    """Return the expression of the low bytes of an instruction pointer."""
    return f"({expression}) & {(1 << 8 * width) - 1:#x}"


def _target(b: Builder, operand: Operand) -> str:
    """Return the expression of a near branch target."""
    if isinstance(operand, BranchOperand):
        return _cut(f"({b.next_ip}) + {b.constant(operand.displacement, 'disp')}", operand.width)
    return b.read(operand)


def _is_far(b: Builder) -> bool:
    """Return whether a JMP or CALL is a far one, which iced-x86's name of it tells."""
    return b.instruction.form.endswith(_FAR_FORMS)


def _far_target(b: Builder) -> tuple[str, str, int]:
    """Return the expressions of selector and offset of a far JMP or CALL, and the operand size."""
    (operand,) = b.instruction.operands
    width = operand.width - 2
    if isinstance(operand, FarPointerOperand):
        return b.constant(operand.selector, "imm"), b.constant(operand.offset, "imm"), width
    assert isinstance(operand, MemoryOperand)
    b.address(operand, part=width)  # as load_far_pointer of `segments` has it
    pointer = b.read(operand)
    return f"{pointer} >> {8 * width}", _cut(pointer, width), width


def _go_far(b: Builder, selector: str, offset: str) -> None:
    """Commit CS and the instruction pointer. A CPU object that loads CS in 64-bit code says that it stays such."""
    load_segment(b, REGISTERS["cs"], selector)
    b.set_rip(offset)


@recipe("jmp")
def jmp(b: Builder) -> None:
    """Jump."""
    if _is_far(b):
        selector, offset, _ = _far_target(b)
        _go_far(b, selector, offset)
    else:
        b.set_rip(_target(b, b.instruction.operands[0]))


@recipe("call")
def call(b: Builder) -> None:
    """Push the next instruction's address, CS before it when far, and jump; memory is read before the stack."""
    stack = Stack(b)
    if _is_far(b):
        selector, offset, width = _far_target(b)
        _go_far(b, selector, offset)
        stack.push(b.register(REGISTERS["cs"]), width)
    else:
        operand = b.instruction.operands[0]
        width = operand.width
        b.set_rip(_target(b, operand))
    stack.push(_cut(b.next_ip, width), width)
    stack.settle()


@recipe("ret", "retf")
def ret(b: Builder) -> None:
    """Pop the address to continue at, CS after it when far, and release as many bytes as the operand says."""
    stack, width = Stack(b), operand_size(b)
    if b.instruction.mnemonic == "retf":
        _go_far(b, *_far_return(b, stack, width))
    else:
        b.set_rip(stack.pop(width))
    for released in b.instruction.operands:
        assert isinstance(released, ImmediateOperand)
        stack.skip(released.value)
    stack.settle()


def _far_return(b: Builder, stack: Stack, width: int) -> tuple[str, str]:
    """Read a selector, of which AMD's CPUs read the whole slot, then the offset below it; return both."""
    selector = b.read(stack.at(width, width if b.amd else 2))
    offset = stack.pop(width)
    stack.skip(width)
    return selector, offset


def _branch_if(b: Builder, holds: str) -> None:
    """Build a conditional near branch; the pointer is cut to the operand size only when it is taken."""
    b.set_rip(f"{_target(b, b.instruction.operands[0])} if {holds} else {b.next_ip}")


@recipe(*(f"j{name}" for name in CONDITIONS))
def jcc(b: Builder) -> None:
    """Branch if the condition holds."""
    _branch_if(b, condition(b, b.instruction.mnemonic[1:]))


@recipe("jcxz", "jecxz", "jrcxz")
def jump_if_zero(b: Builder) -> None:
    """Branch if the count register is zero."""
    _branch_if(b, f"not {b.register(REGISTERS[b.instruction.mnemonic[1:-1]])}")


_LOOPS: Final[dict[str, Callable[[str], str]]] = {
    "loop": lambda flags: "",
    "loope": lambda flags: f" and {flags} & {ZF:#x}",
    "loopne": lambda flags: f" and not {flags} & {ZF:#x}",
}
"""What must hold besides a count that is not zero."""


@recipe(*_LOOPS)
def loop(b: Builder) -> None:
    """Count down at the address size, changing no flag, and branch until zero."""
    counter = REGISTERS[b.instruction.form.split("_")[-1].lower()]
    count = b.local(f"{b.register(counter)} - 1 & {counter.mask:#x}")
    _branch_if(b, f"{count}{_LOOPS[b.instruction.mnemonic](b.flags)}")
    b.set_register(counter, count)
