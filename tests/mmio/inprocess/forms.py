"""Instruction forms that this CPU can execute with any register contents, on one memory operand, at RSI + 0x10."""

import signal
from functools import cache
from typing import Final

from decode import Instruction, MemoryAccess, decode
from decode.forms import Form, forms
from tests.needs import need
from tests.oracle.case import CannotRun, Case, Window
from tests.oracle.host import features, need_silicon

PLACE: Final = 0x80 - 0x10  # the examples of `forms` name [rsi+0x10]; this aligns it
_UNSUITABLE = frozenset(
    (
        *("call", "jmp", "ret", "retf", "iret", "iretd", "iretq"),  # they go somewhere
        *("lss", "lfs", "lgs", "ldmxcsr", "vldmxcsr", "fldcw", "xrstor", "ldtilecfg"),  # not with any bytes
        *("sgdt", "sidt", "smsw", "sldt", "str"),  # done by the kernel where user code may not
        *("rstorssp", "clrssbsy", "wrssd", "wrssq", "umonitor", "bound", "lea"),
    )
)
_BLOCKS = ("xsave", "xrstor", "fxsave", "fxrstor", "fldenv", "frstor", "fnstenv", "fnsave")


def needed_features() -> frozenset[str]:
    """Return this CPU's features, to a test that needs to know them."""
    try:
        return features()
    except CannotRun as error:
        need(False, f"permission to ptrace a child process ({error})")
        raise


def _operand_place(instruction: Instruction) -> bool:
    """Whether the instruction makes one access to the operand at [rsi+0x10], and none elsewhere."""
    match instruction.accesses:
        case (MemoryAccess(operand=operand),):
            explicit = operand in instruction.operands and operand.index is None
            return explicit and operand.base is not None and operand.base.name == "rsi" and operand.displacement == 0x10
    return False


@cache
def suitable() -> list[Form]:
    """Return all forms this CPU can execute with any register contents on one memory operand.

    An emulated CPU has not all that its CPUID says: what it does not execute, a test that does would die of.
    """
    return [
        form
        for form in forms()
        if 64 in form.examples
        and not form.privileged
        and form.mnemonic not in _UNSUITABLE
        and not form.mnemonic.startswith(_BLOCKS)
        and "SREG" not in form.name
        and set(form.features) <= needed_features()
        and _operand_place(decode(form.examples[64]))
        and _is_executed(form.examples[64])
    ]


def _is_executed(code: bytes) -> bool:
    case = Case(code, ip=0x10100, regs={"rsi": Window().base + PLACE})  # else it may fault before it is refused
    fault = need_silicon().run(case).fault
    return fault is None or fault.number != signal.SIGILL


def registers(form: Form) -> dict[str, int]:
    """Return register values without which an instruction would fault or leave the page."""
    if "div" in form.mnemonic:
        return {"rax": 7, "rdx": 0}
    return {"rdx": 77} if form.mnemonic in ("bt", "bts", "btr", "btc") else {"rcx": 5}
