"""The x87 register stack and status word, which the MMX instructions share.

`cpu.x87` holds the eight registers in physical order; ST(i) is the one TOP + i points to. Everything here changes the
CPU directly, so recipes call it last, when nothing can fail any more. The exceptions themselves are bits of the status
word where MXCSR has them, too: `emulate.softfloat` names them.
"""

from typing import Final

from decode.operands import RegisterOperand
from decode.registers import MMX
from emulate.builder import Builder
from emulate.cpu import RegisterFile
from emulate.faults import MathFault

SF: Final = 1 << 6  # with IE: stack overflow (C1 set) or underflow (C1 clear)
C1: Final = 1 << 9
TOP: Final = 7 << 11
EXCEPTIONS: Final = 0x3F
PENDING: Final = 0x8080  # ES and B: an exception that is not masked waits to be raised


def wait(b: Builder) -> None:
    """Build what every waiting instruction begins with: a pending exception is raised."""
    b.plan(b.call(check_pending, "cpu"))


def check_pending(cpu: RegisterFile) -> None:
    """Raise #MF when an earlier instruction left an exception that is not masked."""
    unmasked = cpu.fsw & ~cpu.fcw & EXCEPTIONS
    if unmasked:
        raise MathFault(f"an x87 exception is pending (status {cpu.fsw:#x}, control {cpu.fcw:#x})")


def set_status(cpu: RegisterFile, status: int) -> None:
    """Set the status word; ES and B follow from exceptions and masks."""
    pending = PENDING if status & ~cpu.fcw & EXCEPTIONS else 0
    cpu.fsw = status & ~PENDING | pending


def enter_mmx(b: Builder) -> None:
    """Build what every MMX instruction does to the x87 state: TOP is zero, all registers valid (SDM vol. 1, 9.5.1)."""
    if any(isinstance(o, RegisterOperand) and o.register.file == MMX for o in b.instruction.operands):
        leave_stack(b, "0xff")


def leave_stack(b: Builder, tags: str) -> None:
    """Build the state in which there is no stack: TOP is zero, and the tags are given."""
    wait(b)
    b.commit("cpu.fsw", f"cpu.fsw & {0xFFFF ^ TOP ^ PENDING:#x}")
    b.commit("cpu.ftw", tags)
