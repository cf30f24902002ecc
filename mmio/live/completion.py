"""Conditions for executing an instruction out of line, on any engine.

The copy has its one memory operand elsewhere; so there must be exactly one, which the instruction names, and nothing
else may touch memory or decide where the program continues.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from decode import Instruction, MemoryAccess, MemoryOperand
from decode.redirect import NotMovable, redirect
from mmio.space.initiator import Initiator

LARGEST: Final = 512
"""Widest operand in bytes, that of FXSAVE."""

_CONTROL: Final = ("call", "jmp")


def operand_of(instruction: Instruction) -> MemoryOperand:
    """Return the only memory operand. Raises NotMovable when there is more, or a memory access without operand."""
    accesses = instruction.accesses
    if len(accesses) != 1 or not isinstance(accesses[0], MemoryAccess) or accesses[0].repeats:
        raise NotMovable(f"'{instruction}' has no single memory operand")
    return accesses[0].operand


def can_complete(instruction: Instruction) -> bool:
    """Return whether a copy of an instruction can do its work."""
    try:
        redirect(instruction, 0, 4096)
        operand = operand_of(instruction)
    except NotMovable:
        return False
    return 0 < operand.width <= LARGEST and instruction.mnemonic not in _CONTROL


@contextmanager
def marked(bus: Initiator, flag: int) -> Iterator[None]:
    """Record accesses with a flag more."""
    before = bus.flags
    bus.flags |= flag
    try:
        yield
    finally:
        bus.flags = before
