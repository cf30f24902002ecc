"""Instructions that fault on an inaccessible page and access nothing there, as this CPU says."""

from functools import cache
from typing import Final

from decode import MemoryTouch, accesses, decode
from decode.forms import Form, forms
from emulate import Cpu
from tests.mmio.inprocess.forms import needed_features
from tests.oracle.case import CannotRun, Case, VectorState, Window
from tests.oracle.host import silicon

_ABSENT: Final = 0x700000  # outside the oracle's window
_ZERO: Final = VectorState(vector=(0,) * 32, k=(0,) * 8)  # no mask chooses anything


@cache
def silent_forms(bits: int) -> list[Form]:
    """Return the forms that raise a page fault at rsi or rdi, with all masks empty, where `accesses` lists nothing."""
    return [form for form in forms() if bits in form.examples and _is_silent(form, bits)]


def _is_silent(form: Form, bits: int) -> bool:
    if form.privileged or not set(form.features) <= needed_features():
        return False
    code = form.examples[bits]
    registers = {"rsi": _ABSENT, "rdi": _ABSENT, "rcx": 0, "rdx": 0}
    try:
        fault = silicon().run(Case(code, bits, registers, vectors=_ZERO)).fault
    except CannotRun:
        return False
    if fault is None or not _ABSENT <= fault.address < _ABSENT + 0x1000:
        return False
    cpu = Cpu(bits)
    for name, value in {**registers, "rsp": Window().base + 0x1800}.items():
        setattr(cpu, name, value)
    touches = (touch for touch in accesses(decode(code, bits), cpu) if isinstance(touch, MemoryTouch))
    return not any(touch.address <= fault.address < touch.address + touch.width for touch in touches)


def in_c(bits: int) -> str:
    """Return C statements that execute each silent form with its pointers at `p`, and count them in `done`."""
    return "".join(
        'asm volatile("pxor %%xmm1,%%xmm1; pxor %%xmm2,%%xmm2; pxor %%mm1,%%mm1; pxor %%mm2,%%mm2; '
        f'.byte {",".join(map(hex, form.examples[bits]))}; emms" '
        f':: "S"(p), "D"(p), "a"(0), "c"(0), "d"(0) : "memory"); done++; /* {form.name} */\n'
        for form in silent_forms(bits)
    )
