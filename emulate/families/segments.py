"""Loading segment registers: LDS LES LFS LGS LSS; ARPL, which only edits a selector.

What base a selector gives is the CPU object's business: real mode shifts it, protected mode has descriptor tables,
which a `RegisterFile` may look up in its `segment_base` and the plain `Cpu` does not have.
"""

from typing import Any

from decode import Instruction
from decode.operands import MemoryOperand, RegisterOperand
from decode.registers import REGISTERS, Register
from emulate.builder import Builder
from emulate.faults import UnsupportedInstruction
from emulate.flags import ZF
from emulate.recipes import binary, recipe


def load_segment(b: Builder, register: Register, selector: str) -> None:
    """Build the load of a segment register: its base is asked for now, both are committed at the end."""
    name = b.local(f"{selector} & 0xffff", "s")
    base = b.local(b.call(_base, "cpu", register.index, name, b.bind(b.instruction, "instruction")), "base")
    b.set_register(register, name)
    b.commit(f"cpu.bases[{register.index}]", base)


def _base(cpu: Any, index: int, selector: int, instruction: Instruction) -> int:
    """Ask the CPU object for the base of a selector."""
    try:
        base: int = cpu.segment_base(index, selector)
    except NotImplementedError as error:
        raise UnsupportedInstruction(instruction, f"cannot be done: {error}") from error
    return base


@recipe("lds", "les", "lfs", "lgs", "lss")
def load_far_pointer(b: Builder) -> None:
    """Load a far pointer: the offset comes first in memory, the selector after it; it is read in one piece."""
    destination, source = b.instruction.operands
    assert isinstance(destination, RegisterOperand)
    assert isinstance(source, MemoryOperand)
    b.address(source, part=destination.width)  # SDM vol. 3A, table 6-7: a 16:16 pointer by 2, a 16:32 pointer by 4
    pointer = b.read(source)
    load_segment(b, REGISTERS[b.instruction.mnemonic[1:]], f"{pointer} >> {8 * destination.width}")
    b.write(destination, f"{pointer} & {destination.register.mask:#x}")


@binary("arpl")
def arpl(a: int, b: int, flags: int, width: int) -> tuple[int, int]:
    """Return the selector a with at least the privilege level number of b; ZF tells whether it was raised."""
    if a & 3 < b & 3:
        return a & ~3 | b & 3, flags | ZF
    return a, flags & ~ZF
