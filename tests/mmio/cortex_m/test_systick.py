"""SysTick against a counter that counts tick by tick."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.cortex_m.systick import SysTick
from mmio.cortex_m.ticks import Ticks
from mmio.device.clock import Clock

CSR, RVR, CVR, CALIB = 0x0, 0x4, 0x8, 0xC
ENABLE, TICKINT, CLKSOURCE, COUNTFLAG = 1, 2, 4, 1 << 16
TICK: Final = 10  # ns
SLOW: Final = 30  # ns, of the reference clock


class Counter:
    """SysTick as DDI 0403, B3.3.1 tells it: at each tick of its source, one step."""

    def __init__(self) -> None:
        self.now = 0
        self.control = 0
        self.reload = 0
        self.value = 0
        self.flag = 0
        self.exceptions: list[int] = []

    def run(self, duration: int) -> None:
        for _ in range(duration):
            self.now += 1
            period = TICK if self.control & CLKSOURCE else SLOW
            if self.control & ENABLE and self.now % period == 0:
                self._tick()

    def _tick(self) -> None:
        if self.value == 0:
            self.value = self.reload
            return
        self.value -= 1
        if self.value == 0:
            self.flag = COUNTFLAG
            if self.control & TICKINT:
                self.exceptions.append(self.now)

    def write(self, offset: int, value: int) -> None:
        if offset == CSR:
            self.control = value & 7
        elif offset == RVR:
            self.reload = value & 0xFF_FFFF
        elif offset == CVR:
            self.value = self.flag = 0

    def read(self, offset: int) -> int:
        if offset == CSR:
            flag, self.flag = self.flag, 0
            return self.control | flag
        return {RVR: self.reload, CVR: self.value}[offset]


steps = st.one_of(
    st.tuples(st.just("run"), st.just(0), st.integers(0, 400)),
    st.tuples(st.just("read"), st.sampled_from((CSR, RVR, CVR)), st.just(0)),
    st.tuples(st.just("write"), st.just(CSR), st.integers(0, 7)),
    st.tuples(st.just("write"), st.just(RVR), st.integers(0, 6)),
    st.tuples(st.just("write"), st.just(CVR), st.integers(0, 2)),
)


@given(st.integers(0, 6), st.integers(0, 7), st.lists(steps, max_size=40))
def test_it_counts_as_one_that_counts_tick_by_tick(reload: int, csr: int, steps: list[tuple[str, int, int]]) -> None:
    """Registers, COUNTFLAG and the times of exceptions are those of a counter stepped at each tick."""
    clock = Clock()
    exceptions: list[int] = []
    timer = SysTick(
        Ticks(clock, 10**9 // TICK), lambda: exceptions.append(clock.now), reference=Ticks(clock, 10**9 // SLOW + 1)
    )
    # 1/30 ns is not whole in Hz. The reference is a hair fast, so tick n is at the 30n-th ns all the same.
    model = Counter()
    for what, offset, value in [("write", RVR, reload), ("write", CSR, csr), *steps]:
        if what == "run":
            clock.run_for(value)
            model.run(value)
        elif what == "read":
            assert timer.read(offset, 4) == model.read(offset)
        else:
            timer.write(offset, 4, value)
            model.write(offset, value)
    assert exceptions == model.exceptions
    assert timer.read(CVR, 4) == model.value


def test_configured_as_cmsis_does() -> None:
    """SysTick_Config(n) makes an exception every n ticks, the first after n."""
    clock = Clock()
    times: list[int] = []
    timer = SysTick(Ticks(clock, 8_000_000), lambda: times.append(clock.now))
    timer.write(RVR, 4, 8000 - 1)
    timer.write(CVR, 4, 0)
    timer.write(CSR, 4, CLKSOURCE | TICKINT | ENABLE)
    clock.run_for(3_000_000)
    assert times == [1_000_000, 2_000_000, 3_000_000]


def test_a_write_of_the_counter_starts_a_period() -> None:
    """The exception that was to come is put off: it comes one period after the next tick (DDI 0403, B3.3.1)."""
    clock = Clock()
    times: list[int] = []
    timer = SysTick(Ticks(clock, 1_000_000_000), lambda: times.append(clock.now))
    timer.write(RVR, 4, 99)
    timer.write(CSR, 4, CLKSOURCE | TICKINT | ENABLE)
    clock.run_for(60)
    timer.write(CVR, 4, 1)
    clock.run_for(200)
    assert times == [160, 260]


def test_nothing_is_due_without_an_interrupt() -> None:
    """A timer that is polled costs no event, however long it runs."""
    clock = Clock()
    timer = SysTick(Ticks(clock, 1_000_000_000), lambda: None)
    timer.write(RVR, 4, 9)
    timer.write(CSR, 4, CLKSOURCE | ENABLE)
    assert clock.next_due is None
    clock.run_for(10**15 + 3)
    assert timer.read(CVR, 4) == 7
    assert timer.read(CSR, 4) & COUNTFLAG
    assert not timer.read(CSR, 4) & COUNTFLAG


def test_without_a_reference_clock() -> None:
    """CLKSOURCE reads as one and cannot be cleared, and NOREF says so."""
    timer = SysTick(Ticks(Clock(), 1000), lambda: None)
    timer.write(CSR, 4, 0)
    assert timer.read(CSR, 4) == CLKSOURCE
    assert timer.read(CALIB, 4) == 1 << 31
    assert SysTick(Ticks(Clock(), 1000), lambda: None, Ticks(Clock(), 125)).read(CALIB, 4) == 0


@pytest.mark.parametrize("offset", [CSR, RVR])
def test_reserved_bits(offset: int) -> None:
    """They read as zero."""
    timer = SysTick(Ticks(Clock(), 1000), lambda: None)
    timer.write(offset, 4, 0xFFFF_FFFE)
    assert timer.read(offset, 4) == (6 if offset == CSR else 0xFF_FFFE)


def test_a_change_of_the_core_clock() -> None:
    """The counter continues from where it is, at the new rate."""
    clock = Clock()
    times: list[int] = []
    ticks = Ticks(clock, 1_000_000)
    timer = SysTick(ticks, lambda: times.append(clock.now))
    timer.write(RVR, 4, 99)
    timer.write(CSR, 4, CLKSOURCE | TICKINT | ENABLE)
    clock.run_for(50_000)
    ticks.frequency = 10_000_000
    clock.run_for(50_000)
    assert times == [55_000, 65_000, 75_000, 85_000, 95_000]


def test_a_snapshot_counts_on() -> None:
    """A timer that is restored has the counter of the snapshot, and its next exception as far ahead; reset stops it."""
    clock = Clock()
    times: list[int] = []
    timer = SysTick(Ticks(clock, 1_000_000_000), lambda: times.append(clock.now))
    timer.write(RVR, 4, 99)
    timer.write(CSR, 4, CLKSOURCE | TICKINT | ENABLE)
    clock.run_for(30)
    state = timer.snapshot()
    assert state["registers"]["cvr"] == 70
    clock.run_for(1005)
    times.clear()
    timer.restore(state)
    assert timer.read(CVR, 4) == 70
    clock.run_for(70)
    assert times == [1105]
    timer.reset()
    assert clock.next_due is None
    assert (timer.read(CSR, 4), timer.read(RVR, 4), timer.read(CVR, 4)) == (CLKSOURCE, 0, 0)
