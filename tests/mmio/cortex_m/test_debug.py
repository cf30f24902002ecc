"""DEMCR, the cycle counter, ITM."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.cortex_m.core import Core
from mmio.cortex_m.debug import Itm
from mmio.cortex_m.priorities import DEBUG_MONITOR

CTRL, CYCCNT, LAR = 0x0, 0x4, 0xFB0
DEMCR = 0xC
TRCENA = 1 << 24


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("run"), st.integers(0, 10**6)),
            st.tuples(st.just("ctrl"), st.integers(0, 1)),
            st.tuples(st.just("trace"), st.integers(0, 1)),
            st.tuples(st.just("count"), st.integers(0, 0xFFFF_FFFF)),
            st.tuples(st.just("low"), st.integers(0, 0xFFFF)),
            st.tuples(st.just("frequency"), st.integers(1, 10**9)),
            st.tuples(st.just("restore"), st.just(0)),
        ),
        max_size=20,
    )
)
def test_cycles_are_ticks_while_both_enables_are_set(steps: list[tuple[str, int]]) -> None:
    """CYCCNT counts the core's ticks modulo 2**32, from what is written to it, and stands still otherwise."""
    core = Core(frequency=168_000_000)
    dwt = core.dwt
    on = tracing = count = 0
    last = core._ticks.count
    for what, value in steps:
        if what == "run":
            core.clock.run_for(value)
            now = core._ticks.count
            if on and tracing:
                count = count + now - last & 0xFFFF_FFFF
            last = now
        elif what == "ctrl":
            on = value
            dwt.write(CTRL, 4, value)
        elif what == "trace":
            tracing = value
            core.debug.write(DEMCR, 4, value << 24)
        elif what == "count":
            count = value
            dwt.write(CYCCNT, 4, value)
        elif what == "low":
            count = count & 0xFFFF_0000 | value
            dwt.write(CYCCNT, 2, value)
        elif what == "frequency":
            core.frequency = value
        else:
            core.restore(core.snapshot())
        assert dwt.read(CYCCNT, 4) == count


def test_the_cycle_counter_as_firmware_turns_it_on() -> None:
    """TRCENA, the M7's lock, CYCCNT, CYCCNTENA; NUMCOMP and a CYCCNT that exists are seen. A reset stops it."""
    core = Core(frequency=100_000_000)
    core.debug.write(DEMCR, 4, TRCENA)
    core.dwt.write(LAR, 4, 0xC5AC_CE55)
    core.dwt.write(CYCCNT, 4, 0)
    core.dwt.write(CTRL, 4, core.dwt.read(CTRL, 4) | 1)
    assert core.dwt.read(CTRL, 4) == 0x4000_0001
    core.clock.run_for(1_000)
    assert core.dwt.read(CYCCNT, 4) == 100
    core.reset()
    core.clock.run_for(1_000)
    assert (core.dwt.read(CYCCNT, 4), core.dwt.read(CTRL, 4)) == (0, 0x4000_0000)


def test_the_debug_monitor_is_enabled_by_demcr() -> None:
    """MON_EN enables exception 12, MON_PEND makes it pending; DHCSR says that no debugger is there."""
    core = Core()
    core.debug.write(DEMCR, 4, 1 << 17 | 1 << 16)
    assert core.due() == DEBUG_MONITOR
    core.debug.write(DEMCR, 4, 1 << 17)
    assert core.due() is None
    core.debug.write(DEMCR, 4, 0)
    assert core.pending == 0
    assert core.debug.read(0, 4) & 1 == 0


def test_printing_by_way_of_itm() -> None:
    """What ITM_SendChar does: both enables are set, the port is ready, and the bytes are kept as wide as they came."""
    itm = Itm()
    heard: list[tuple[int, bytes]] = []
    itm.on_write = lambda port, data: heard.append((port, data))
    for character in b"hello":
        assert itm.read(0xE80, 4) & 1
        assert itm.read(0xE00, 4) & 1
        assert itm.read(0, 4)
        itm.write(0, 1, character)
    itm.write(4, 2, 0x4241)
    itm.write(4, 4, 0x4645_4443)
    assert itm.output() == b"hello"
    assert itm.output(1) == b"ABCDEF"
    assert heard[-2:] == [(1, b"AB"), (1, b"CDEF")]
    itm.clear()
    assert itm.output() == b""


@pytest.mark.parametrize(("register", "value"), [(0xE00, 0xFFFF_FFFE), (0xE80, 0)])
def test_a_port_that_is_off(register: int, value: int) -> None:
    """It is not ready, and what is written there is gone."""
    itm = Itm()
    itm.write(register, 4, value)
    itm.write(0, 1, 0x41)
    assert (itm.read(0, 4), itm.output(0)) == (0, b"")


def test_there_are_32_ports() -> None:
    """Others are refused."""
    with pytest.raises(ValueError, match=r"^port is an int, 0\.\.0x1f, not 32$"):
        Itm().output(32)
