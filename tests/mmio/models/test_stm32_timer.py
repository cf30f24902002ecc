"""The STM32F4's general-purpose timers, against a counter that is stepped clock by clock."""

import json
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmio
from mmio.models.limits import NotModelled
from mmio.models.stm32_timer import ARPE, CEN, OPM, UDIS, URS, Stm32Timer

CR1, CR2, SMCR, DIER, SR, EGR, CCMR1, CCMR2, CCER, CNT, PSC, ARR = range(0, 0x30, 4)
CCR = (0x34, 0x38, 0x3C, 0x40)
GHZ = 1_000_000_000  # a clock of the input each ns


class Reference:
    """A timer of 16 bits as the manual draws it: one clock of its input after the other."""

    def __init__(self) -> None:
        self.registers = dict.fromkeys((CR1, DIER, SR, CCMR1, CCMR2, PSC, *CCR), 0) | {ARR: 0xFFFF}
        self.top, self.prescaler, self.compare = 0xFFFF, 0, [0, 0, 0, 0]
        self.count = self.divided = 0

    def buffered(self, index: int) -> bool:
        return bool(self.registers[(CCMR1, CCMR2)[index // 2]] >> 8 * (index % 2) & 0x08)

    def output(self, index: int) -> bool:
        return not self.registers[(CCMR1, CCMR2)[index // 2]] >> 8 * (index % 2) & 3

    def write(self, offset: int, value: int) -> None:
        if offset == SR:
            self.registers[SR] &= value
        elif offset == CNT:
            self.count = value
        elif offset == EGR:
            self.registers[SR] |= sum(2 << i for i in range(4) if value & 2 << i and self.output(i))
            if value & 1:
                self.count = self.divided = 0
                self.update(overflow=False)
        else:
            self.registers[offset] = value
        if not self.registers[CR1] & ARPE:
            self.top = self.registers[ARR]
        for i in range(4):
            if not self.buffered(i):
                self.compare[i] = self.registers[CCR[i]]

    def update(self, *, overflow: bool) -> None:
        control = self.registers[CR1]
        if control & UDIS:
            return
        self.top, self.prescaler = self.registers[ARR], self.registers[PSC]
        self.compare = [self.registers[offset] for offset in CCR]
        if overflow or not control & URS:
            self.registers[SR] |= 1
        if control & OPM:
            self.registers[CR1] &= ~CEN

    def clock(self) -> None:
        if not self.registers[CR1] & CEN or not self.top:
            return
        self.divided += 1
        if self.divided <= self.prescaler:
            return
        self.divided = 0
        if self.count in (self.top, 0xFFFF):
            for i in range(4):
                if self.output(i) and self.compare[i] > self.top:
                    self.registers[SR] |= 2 << i
            self.count = 0
            self.update(overflow=True)
        else:
            self.count += 1
        for i in range(4):
            if self.output(i) and self.compare[i] == self.count:
                self.registers[SR] |= 2 << i


SMALL = st.integers(0, 12)
STEPS = st.one_of(
    st.tuples(st.just(CR1), st.integers(0, 0xF).map(lambda v: v & 0xE | CEN | (v & 1) * ARPE)),
    st.tuples(st.just(CR1), st.sampled_from([0, CEN, CEN | OPM, CEN | URS])),
    st.tuples(st.just(DIER), st.integers(0, 0x1F)),
    st.tuples(st.just(SR), st.integers(0, 0x1F)),
    st.tuples(st.just(EGR), st.integers(0, 0x1F)),
    st.tuples(st.sampled_from([CCMR1, CCMR2]), st.sampled_from([0, 0x0808, 0x0008, 0x0100])),
    st.tuples(st.just(PSC), st.integers(0, 3)),
    st.tuples(st.sampled_from([ARR, CNT, *CCR]), SMALL),
    st.tuples(st.just(CNT), st.just(0xFFFE)),
)
WAITS = st.one_of(st.integers(0, 40), st.integers(0, 300))
RUNNING = st.tuples(
    st.tuples(st.just(ARR), st.integers(1, 12)),
    st.tuples(st.just(PSC), st.integers(0, 3)),
    *(st.tuples(st.just(offset), st.integers(0, 14)) for offset in CCR),
    st.just((EGR, 1)),
    st.tuples(st.just(CNT), st.integers(0, 12)),
    st.tuples(st.just(DIER), st.integers(0, 0x1F)),
    st.just((SR, 0)),
    st.sampled_from([(CR1, CEN), (CR1, CEN | ARPE), (CR1, 0)]),
)


@settings(max_examples=300)
@given(RUNNING, st.lists(st.tuples(STEPS, WAITS), min_size=2, max_size=12), st.booleans())
def test_it_counts_as_clock_by_clock(
    start: tuple[tuple[int, int], ...], more: list[tuple[tuple[int, int], int]], looks: bool
) -> None:
    """CNT, SR, CEN and the interrupt's level are those of a counter that is stepped, however often it is looked at."""
    timer, reference = Stm32Timer(GHZ, bits=16), Reference()
    changes: list[tuple[int, bool]] = []
    expected: list[tuple[int, bool]] = []
    timer.irq.subscribe(lambda level: changes.append((timer.clock.now, level)))

    def note(now: int) -> None:
        level = bool(reference.registers[SR] & reference.registers[DIER])
        if level != (bool(expected) and expected[-1][1]):
            expected.append((now, level))

    now = 0
    for (offset, value), wait in [*((write, 0) for write in start), *more]:
        timer.write(offset, 4, value)
        reference.write(offset, value)
        note(now)
        timer.clock.run_for(wait)
        for _ in range(wait):
            now += 1
            reference.clock()
            note(now)
        if looks:
            assert timer.read(CNT, 4) == reference.count
            assert timer.read(SR, 4) == reference.registers[SR]
    assert timer.read(CNT, 4) == reference.count
    assert timer.read(SR, 4) == reference.registers[SR]
    assert timer.read(CR1, 4) == reference.registers[CR1]
    assert changes == expected


@given(st.integers(1, 10**9), st.lists(st.integers(0, 10**7), max_size=10), st.integers(0, 99), st.integers(1, 5000))
def test_no_rounding_adds_up(hz: int, waits: list[int], prescaler: int, top: int) -> None:
    """However the time is cut into pieces, the counter is where the whole time puts it."""
    timer = Stm32Timer(hz)
    for offset, value in ((PSC, prescaler), (ARR, top), (EGR, 1), (CR1, CEN)):
        timer.write(offset, 4, value)
    for wait in waits:
        timer.clock.run_for(wait)
        timer.read(CNT, 4)
    assert timer.read(CNT, 4) == sum(waits) * hz // 10**9 // (prescaler + 1) % (top + 1)


def started(*writes: tuple[int, int], hz: int = 16_000_000, bits: Literal[16, 32] = 32) -> Stm32Timer:
    """Return a timer after some writes."""
    timer = Stm32Timer(hz, bits=bits)
    for offset, value in writes:
        timer.write(offset, 4, value)
    return timer


def test_a_millisecond_of_interrupts() -> None:
    """16 MHz / 16 / 1000: an update each millisecond, to the nanosecond."""
    timer = started((PSC, 15), (ARR, 999), (EGR, 1), (SR, 0), (DIER, 1), (CR1, CEN))
    times: list[int] = []

    def handler() -> None:
        times.append(timer.clock.now)
        timer.write(SR, 4, 0)

    mmio.Interrupt(timer.irq, handler)
    timer.clock.run_for(5_000_000)
    assert times == [1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000]
    assert timer.rate == 1000


def test_the_prescaler_waits_for_an_update() -> None:
    """PSC is always buffered: without UG the first period runs with the old one (18.4.11)."""
    timer = started((ARR, 9), (PSC, 3), (CR1, CEN), hz=GHZ)
    timer.clock.run_for(10)
    assert timer.read(CNT, 4) == 0
    timer.clock.run_for(39)
    assert timer.read(CNT, 4) == 9


def test_a_long_wait_meets_every_value() -> None:
    """Each compare value has been met in a whole period, whatever is left over."""
    timer = started((ARR, 9), *((offset, value) for offset, value in zip(CCR, (5, 7, 9, 12), strict=True)), hz=GHZ)
    timer.write(CNT, 4, 8)
    timer.write(CR1, 4, CEN)
    timer.clock.run_for(12)
    assert timer.read(SR, 4) == 0x1F


@pytest.mark.parametrize(("control", "flag"), [(0, 1), (URS, 0), (UDIS, 0)])
def test_what_software_generates(control: int, flag: int) -> None:
    """UG sets UIF unless URS or UDIS; CCxG sets the flag of a channel that compares, and of no other."""
    timer = started((CR1, control), (CCMR1, 0x0001), (CNT, 5), (EGR, 0x07))
    assert (timer.read(SR, 4), timer.read(CNT, 4)) == (0x4 | flag, 0)


def test_one_pulse() -> None:
    """With OPM the counter stops at the update, and CEN says so."""
    timer = started((ARR, 99), (CR1, CEN | OPM), hz=GHZ)
    timer.clock.run_for(99)
    assert timer.read(CR1, 4) & CEN
    timer.clock.run_for(1000)
    assert (timer.read(CR1, 4) & CEN, timer.read(CNT, 4), timer.read(SR, 4) & 1) == (0, 0, 1)


def test_it_costs_nothing_while_nothing_waits() -> None:
    """A fast timer whose flags enable no interrupt has nothing due on the clock."""
    timer = started((ARR, 1), (CR1, CEN), hz=GHZ)
    assert timer.clock.next_due is None
    timer.write(DIER, 4, 1)
    assert timer.clock.next_due == 2
    timer.clock.run_for(2)
    assert timer.irq.level
    assert timer.clock.next_due is None  # the flag is set, and its line high, until the firmware clears it


@pytest.mark.parametrize("bits", [16, 32])
def test_the_counter_has_its_bits(bits: Literal[16, 32]) -> None:
    """ARR and CNT keep as many bits as the counter has."""
    timer = started((ARR, 0xFFFF_FFFF), (CNT, 0xFFFF_FFFF), bits=bits)
    assert timer.read(ARR, 4) == timer.read(CNT, 4) == (1 << bits) - 1


def test_pwm() -> None:
    """The duty of an output is what CCR, ARR, mode and polarity make of it."""
    timer = started((ARR, 99), (CCR[1], 25), (CCMR1, 0x6000), (CCER, 0x10))
    assert timer.duty(1) is None
    assert timer.duty(2) == 0.25
    timer.write(CCMR1, 4, 0x7000)
    assert timer.duty(2) == 0.75
    timer.write(CCER, 4, 0x30)
    assert timer.duty(2) == 0.25
    with pytest.raises(ValueError, match=r"channel is an int, 1..0x4, not 5"):
        timer.duty(5)


@pytest.mark.parametrize(("offset", "value", "what"), [(CR1, 0x11, "DIR=1"), (CR1, 0x61, "CMS=3"), (SMCR, 7, "SMS=7")])
def test_what_is_not_modelled_is_an_error(offset: int, value: int, what: str) -> None:
    """A mode that would count otherwise is refused, and nothing changes."""
    timer = Stm32Timer()
    with pytest.raises(NotModelled, match=what):
        timer.write(offset, 4, value)
    assert timer.read(offset, 4) == 0


def test_wrong_arguments() -> None:
    """A frequency of zero, and a counter of 24 bits, are none."""
    with pytest.raises(ValueError, match="clock_hz is an int, from 1 up, not 0"):
        Stm32Timer(0)
    with pytest.raises(ValueError, match="16 or 32 bits, not 24"):
        Stm32Timer(bits=24)  # type: ignore[arg-type]


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_a_snapshot_goes_on(before: int, after: int) -> None:
    """A restored timer counts and interrupts as the first one does."""
    timer = started((ARR, 700), (PSC, 2), (CCR[0], 300), (DIER, 3), (CR1, CEN), hz=700_000_000)
    timer.clock.run_for(before)
    other = Stm32Timer(700_000_000)
    other.clock.run_for(12345)
    other.restore(json.loads(json.dumps(timer.snapshot())))
    for model in (timer, other):
        model.clock.run_for(after)
    assert [timer.read(offset, 4) for offset in (CNT, SR)] == [other.read(offset, 4) for offset in (CNT, SR)]
    assert timer.irq.level == other.irq.level


def test_reset_stops_it() -> None:
    """After reset nothing counts, and nothing is due."""
    timer = started((ARR, 9), (DIER, 1), (CR1, CEN), hz=GHZ)
    timer.clock.run_for(5)
    timer.reset()
    timer.clock.run_for(50)
    assert (timer.read(CNT, 4), timer.read(SR, 4), timer.read(ARR, 4)) == (0, 0, 0xFFFF_FFFF)
