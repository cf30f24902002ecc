"""The system control block, both architectures."""

from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.cortex_m.exceptions import Exceptions
from mmio.cortex_m.priorities import BUS_FAULT, MEM_MANAGE, NMI, PENDSV, SVCALL, SYSTICK, USAGE_FAULT
from mmio.cortex_m.scb import SystemControlBlock
from mmio.cortex_m.scb_v7 import SystemControlBlockV7

CPUID, ICSR, VTOR, AIRCR, SCR, CCR, SHPR, SHCSR, CFSR, HFSR, CPACR = (
    *(0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18, 0x24, 0x28, 0x2C),
    0x88,
)
ID: Final = 0x410F_C241


def blocks(fpu: bool = True, reset: Callable[[], object] = lambda: None) -> tuple[Exceptions, SystemControlBlockV7]:
    """Return an ARMv7-M block and the state behind it."""
    exceptions = Exceptions()
    return exceptions, SystemControlBlockV7(exceptions, ID, reset, fpu)


def small() -> tuple[Exceptions, SystemControlBlock]:
    """Return the same of ARMv6-M."""
    exceptions = Exceptions("v6-M", 32, 2)
    return exceptions, SystemControlBlock(exceptions, ID, lambda: None)


def test_cpuid_is_that_of_the_core() -> None:
    """It cannot be written, and a reset leaves it."""
    _, scb = blocks()
    scb.write(CPUID, 4, 0)
    scb.reset()
    assert scb.read(CPUID, 4) == ID


@pytest.mark.parametrize(
    ("number", "set_", "clear"), [(SYSTICK, 1 << 26, 1 << 25), (PENDSV, 1 << 28, 1 << 27), (NMI, 1 << 31, 0)]
)
def test_icsr_sets_and_clears(number: int, set_: int, clear: int) -> None:
    """Writing a one to the set bit pends, to the clear bit clears it; the set bit reads what is pending."""
    exceptions, scb = blocks()
    scb.write(ICSR, 4, set_)
    assert exceptions.pending == 1 << number
    assert scb.read(ICSR, 4) & ~(0x1FF << 12 | 1 << 11) == set_
    scb.write(ICSR, 4, 0)
    assert exceptions.pending == 1 << number
    if clear:
        scb.write(ICSR, 4, clear)
        assert exceptions.pending == 0
        assert scb.read(ICSR, 4) == 1 << 11


def test_icsr_names_what_is_active_and_pending() -> None:
    """VECTACTIVE, VECTPENDING, ISRPENDING, RETTOBASE, as exceptions nest."""
    exceptions, scb = blocks()
    exceptions.enable(-1)
    exceptions.set_priority(20, 0x80)
    exceptions.pend(20)
    assert scb.read(ICSR, 4) == 1 << 22 | 20 << 12 | 1 << 11
    exceptions.take()
    assert scb.read(ICSR, 4) == 1 << 11 | 20
    exceptions.pend(30)
    exceptions.take()
    assert scb.read(ICSR, 4) == 30


def test_vectpending_is_without_what_basepri_masks() -> None:
    """The field has the effect of BASEPRI and FAULTMASK, and not of PRIMASK (DDI 0403, B3.2.4)."""
    exceptions, scb = blocks()
    exceptions.set_priority(PENDSV, 0x80)
    exceptions.pend(PENDSV)
    exceptions.primask = 1
    assert scb.read(ICSR, 4) >> 12 & 0x1FF == PENDSV
    exceptions.basepri = 0x80
    assert scb.read(ICSR, 4) >> 12 & 0x1FF == 0
    exceptions.basepri, exceptions.faultmask = 0, 1
    assert scb.read(ICSR, 4) >> 12 & 0x1FF == 0


def test_aircr_needs_its_key() -> None:
    """Without VECTKEY a write does nothing; a read has another key."""
    exceptions, scb = blocks()
    scb.write(AIRCR, 4, 0x1234_0500)
    scb.write(AIRCR, 2, 0x0500)
    assert (scb.read(AIRCR, 4), exceptions.prigroup) == (0xFA05_0000, 0)
    scb.write(AIRCR, 4, 0x05FA_0500)
    assert (scb.read(AIRCR, 4), exceptions.prigroup) == (0xFA05_0500, 5)
    exceptions, scb6 = small()
    scb6.write(AIRCR, 4, 0x05FA_0500)
    assert scb6.read(AIRCR, 4) == 0xFA05_0000


def test_a_reset_is_requested() -> None:
    """SYSRESETREQ asserts the line and calls; the request does not stay in the register."""
    calls: list[int] = []
    _, scb = blocks(reset=lambda: calls.append(1))
    scb.write(AIRCR, 4, 0x05FA_0004)
    assert (calls, scb.sysresetreq.level, scb.read(AIRCR, 4)) == ([1], True, 0xFA05_0000)
    scb.reset()
    assert not scb.sysresetreq.level


def test_vtor_and_scr() -> None:
    """VTOR has bits 31:7; SEVONPEND reaches the core; reserved bits read as zero."""
    exceptions, scb = blocks()
    for offset, expected in ((VTOR, 0xFFFF_FF80), (SCR, 0x16), (CCR, 0x7031B)):
        scb.write(offset, 4, 0xFFFF_FFFF)
        assert scb.read(offset, 4) == expected
    assert exceptions.sev_on_pend


@given(st.integers(0, 2), st.sampled_from((1, 2, 4)), st.integers(0, 3), st.integers(0, 0xFFFF_FFFF))
def test_system_handler_priorities(word: int, width: int, at: int, value: int) -> None:
    """SHPR1 to 3 are bytes for exceptions 4 to 15, in words too; those without a handler read as zero."""
    exceptions, scb = blocks()
    at = 4 * word + at - at % width
    value &= (1 << 8 * width) - 1
    scb.write(SHPR + at, width, value)
    for index in range(12):
        written = value >> 8 * (index - at) & 0xF0 if at <= index < at + width else 0
        expected = written if 4 + index in (4, 5, 6, 11, 12, 14, 15) else 0
        assert scb.read(SHPR + index, 1) == expected
        if expected:
            assert exceptions.priority(4 + index) == expected


@given(st.integers(0, 0xFFFF_FFFF), st.integers(0, 0xFFFF_FFFF), st.sampled_from((1, 2, 4)), st.integers(0, 3))
def test_shcsr_is_a_view(first: int, value: int, width: int, at: int) -> None:
    """Enable and pending bits are the core's, by writes of any width; active bits are read only."""
    exceptions, scb = blocks()
    writable = 0x7F000
    scb.write(SHCSR, 4, first)
    assert scb.read(SHCSR, 4) == first & writable
    exceptions.disable(1 << MEM_MANAGE)  # what the register held last is not what it holds
    exceptions.clear_pending(1 << SVCALL)
    state = first & writable & ~(1 << 16 | 1 << 15)
    at -= at % width
    lanes = (1 << 8 * width) - 1 << 8 * at
    scb.write(SHCSR + at, width, value >> 8 * at & (1 << 8 * width) - 1)
    expected = state & ~lanes | value & lanes & writable
    assert scb.read(SHCSR, 4) == expected
    for place, number in ((16, MEM_MANAGE), (17, BUS_FAULT), (18, USAGE_FAULT)):
        assert exceptions.enabled >> number & 1 == expected >> place & 1
    for place, number in ((12, USAGE_FAULT), (13, MEM_MANAGE), (14, BUS_FAULT), (15, SVCALL)):
        assert exceptions.pending >> number & 1 == expected >> place & 1


def test_shcsr_shows_what_is_active() -> None:
    """SVCALLACT while the SVCall handler runs."""
    exceptions, scb = blocks()
    exceptions.pend(SVCALL)
    exceptions.take()
    assert scb.read(SHCSR, 4) == 1 << 7


def test_fault_status_is_cleared_by_ones() -> None:
    """By word, and in its three parts: MMFSR, BFSR, UFSR."""
    _, scb = blocks()
    scb.cfsr.value = 0x0301_8282
    scb.hfsr.FORCED = 1
    scb.write(CFSR, 1, 0x02)
    scb.write(CFSR + 2, 2, 0x0200)
    assert scb.read(CFSR, 4) == 0x0101_8280
    assert scb.read(CFSR + 1, 1) == 0x82
    scb.write(CFSR, 4, 0xFFFF_FFFF)
    scb.write(HFSR, 4, 1 << 30)
    assert (scb.read(CFSR, 4), scb.read(HFSR, 4)) == (0, 0)


def test_coprocessor_access() -> None:
    """CPACR has fields where there is an FPU, and reads as zero where there is none."""
    for fpu, expected in ((True, 0xF0_0000), (False, 0)):
        _, scb = blocks(fpu)
        scb.write(CPACR, 4, 0xFFFF_FFFF)
        assert scb.read(CPACR, 4) == expected


def test_armv6m() -> None:
    """CCR is fixed, SHCSR has SVCALLPENDED only, RETTOBASE is reserved, and there is no CFSR."""
    exceptions, scb = small()
    scb.write(CCR, 4, 0)
    assert scb.read(CCR, 4) == 0x208
    scb.write(SHCSR, 4, 0xFFFF_FFFF)
    assert (scb.read(SHCSR, 4), exceptions.pending) == (1 << 15, 1 << SVCALL)
    assert scb.read(ICSR, 4) == SVCALL << 12
    assert scb.name_at(CFSR, 4) is None
