"""The first law: whatever the emulator executes ends in the state that the real CPU ends in.

For every mnemonic the emulator knows, in every form this CPU has, hypothesis makes up operands, registers, flags and
memory; the CPU runs it and the emulator runs it, and every register, defined flag, memory byte and fault is equal.

PAGETRAP_EXAMPLES sets the examples a mnemonic gets in 64-bit code (20), half as many in 32- and 16-bit code. Up to 20
they are the same on every run, above that others on each.
"""

from __future__ import annotations

import functools
import os

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from iced_x86 import Code_, Decoder

from decode import decode
from emulate.recipes import RECIPES
from mmio.live.vendor import cpu_vendor
from tests.cases.forms import all_codes, codes_by_operation, operation
from tests.emulate.regressions import REGRESSIONS
from tests.oracle.case import CannotRun, Case
from tests.oracle.host import PRIVILEGED, host_has, need_silicon, silicon
from tests.oracle.judge import differences
from tests.oracle.pagetrap import PagetrapEngine
from tests.strategies import instruction_cases

pytestmark = pytest.mark.slow

_USUAL = 20
EXAMPLES = int(os.environ.get("PAGETRAP_EXAMPLES", _USUAL))
ENGINES = PagetrapEngine(), PagetrapEngine(bulk=True)

# What must be covered, whatever else is.
FAMILIES = {
    "moves": "mov movzx movsx movsxd xchg",
    "arithmetic": "add or adc sbb and sub xor cmp test inc dec not neg",
    "strings": "movs stos lods cmps scas",
    "mmx and sse moves": """
        movd movq movdqa movdqu movaps movapd movups movupd movss movsd movlps movlpd movhps movhpd movlhps movhlps
        movntdq movntdqa movntps movntpd movntq lddqu movq2dq movdq2q""",
    "avx moves": """
        vmovd vmovq vmovdqa vmovdqu vmovaps vmovapd vmovups vmovupd vmovss vmovsd vmovlps vmovlpd vmovhps vmovhpd
        vmovlhps vmovhlps vmovntdq vmovntdqa vmovntps vmovntpd vlddqu""",
    "avx-512 moves": "vmovdqa32 vmovdqa64 vmovdqu8 vmovdqu16 vmovdqu32 vmovdqu64 kmovb kmovw kmovd kmovq",
}


def forms(name: str, bits: int) -> list[Code_]:
    """The codes of an operation that this CPU has in a mode; all of them where it cannot be asked."""
    codes = codes_by_operation(bits, cpu_vendor()).get(name, [])
    try:
        return [code for code in codes if host_has(code, bits)]
    except CannotRun:
        return codes


LAWS = [(name, bits) for bits in (64, 32, 16) for name in sorted(RECIPES.keys() - PRIVILEGED) if forms(name, bits)]


@functools.cache
def emulated(bits: int) -> list[Code_]:
    """Every form of a mode that the emulator does and this CPU has."""
    codes = all_codes(bits, cpu_vendor())
    return [code for code in codes if operation(code) in RECIPES.keys() - PRIVILEGED and host_has(code, bits)]


def check(case: Case) -> None:
    """Fail with the case, to paste into `regressions`, unless both ways through the emulator end as silicon does."""
    try:
        truth = silicon().run(case)
    except CannotRun:
        reject()
    for engine in ENGINES[: 2 if decode(case.code, case.bits, cpu_vendor()).rep else 1]:
        lines = differences(case, truth, engine.run(case))
        if lines:
            text = decode(case.code, case.bits, cpu_vendor()).format(case.ip)
            pytest.fail("\n    ".join([f"{text}\n    {case!r}", *lines]), pytrace=False)


@pytest.mark.parametrize("family", FAMILIES)
def test_families_are_covered(family: str) -> None:
    """The emulator knows every mnemonic of the plain families, so that the law below is about them."""
    assert [name for name in FAMILIES[family].split() if name not in RECIPES] == []


@pytest.mark.parametrize("name", REGRESSIONS)
def test_same_result_as_silicon_where_it_once_was_not(name: str) -> None:
    """Every case that the law has once failed on is tested in each run."""
    need_silicon()
    case = REGRESSIONS[name]
    if host_has(Decoder(case.bits, case.code).decode().code, case.bits):
        check(case)


@pytest.mark.parametrize(("name", "bits"), LAWS)
def test_same_result_as_silicon(name: str, bits: int) -> None:
    """The emulator and the real CPU end in the same state."""
    need_silicon()

    @settings(
        max_examples=EXAMPLES if bits == 64 else max(1, EXAMPLES // 2),
        derandomize=EXAMPLES <= _USUAL,
        database=None,
        suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
    )
    @given(instruction_cases(forms(name, bits), bits))
    def law(case: Case) -> None:
        check(case)

    law()


@pytest.mark.parametrize("bits", [64, 32, 16])
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(st.data())
def test_same_result_as_silicon_whatever_the_form(bits: int, data: st.DataObject) -> None:
    """The same, choosing the form too: for a fuzzer, which wants one law and much time (docs/correctness.md)."""
    need_silicon()
    check(data.draw(instruction_cases(emulated(bits), bits)))
