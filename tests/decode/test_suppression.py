"""Masked accesses as silicon makes them: what is not touched may lie on a page that is not there.

For each EVEX form with an opmask that this CPU has, its operand is moved over both borders of the only pages there are.
It must run as long as every byte that `accesses` lists is inside, and fault when one more byte is outside.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from iced_x86 import Code, OpCodeInfo
from iced_x86 import Register as IcedRegister

from decode import Instruction, MemoryAccess, accesses, decode
from decode.forms import encode, example, forms
from emulate import Cpu
from tests.oracle.case import Case, VectorState, Window
from tests.oracle.host import need_silicon, silicon

pytestmark = [pytest.mark.slow, pytest.mark.silicon]

WINDOW = Window(pages=1)
# Aligned operands never lie on two pages. VEXTRACT faults for all of its operand, and writes what is selected.
EXCLUDED = ("vmovap", "vmovdqa", "vextract")
ONES = VectorState(vector=(int("3f800000" * 16, 16),) * 32)  # a number in every format, an index near zero


def masked_forms() -> Iterator[tuple[str, Instruction]]:
    """Each EVEX form with an opmask, with and without broadcast."""
    for form in forms():
        info = OpCodeInfo(getattr(Code, form.name))
        if form.encoding != "evex" or not info.can_use_op_mask_register or form.mnemonic.startswith(EXCLUDED):
            continue
        for broadcast in (False, True) if info.can_broadcast else (False,):
            instruction = example(form.name, 64)
            instruction.op_mask = IcedRegister.K1
            instruction.is_broadcast = broadcast
            instruction.memory_displacement = instruction.memory_displ_size = 0
            decoded = decode(encode(instruction, 64))
            access = next((a for a in decoded.accesses if isinstance(a, MemoryAccess)), None)
            if access is not None and access.selection != "gather":
                yield form.name + (" broadcast" if broadcast else ""), decoded


def faults(instruction: Instruction, address: int, mask: int) -> bool | None:
    """Whether the instruction faults on silicon with its operand there; None when this CPU does not have it."""
    case = Case(instruction.code, regs={"rsi": address}, vectors=ONES.replaced(k1=mask), window=WINDOW)
    fault = silicon().run(case).fault
    return None if fault is not None and fault.number == signal.SIGILL else fault is not None


@pytest.mark.cpu("AVX512F")
@pytest.mark.parametrize("mask", [0b1, 0b110, 1 << 15, 0])
def test_untouched_elements_may_be_absent(mask: int) -> None:
    """Silicon needs the bytes from the first to the last access, and no others."""
    need_silicon()
    checked, wrong = 0, []
    for name, instruction in masked_forms():
        touched = accesses(instruction, Cpu(rsi=0, k1=mask))
        if faults(instruction, WINDOW.base, mask) is None:
            continue
        checked += 1
        if not touched:
            needed = [faults(instruction, WINDOW.end, mask), True]
        else:
            (_, first, _), (_, start, width) = touched[0], touched[-1]
            last = start + width
            needed = [
                faults(instruction, WINDOW.base - first, mask) or faults(instruction, WINDOW.end - last, mask),
                faults(instruction, WINDOW.base - first - 1, mask) and faults(instruction, WINDOW.end - last + 1, mask),
            ]
        if needed != [False, True]:
            wrong.append(name)
    assert wrong == []
    assert checked > 200
