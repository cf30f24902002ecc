"""The general-purpose timers of STM32F4 microcontrollers, TIM2 to TIM5, counting up: RM0090, chapter 18.

The counter is worked out when it is looked at. The clock is only asked to call where an interrupt is enabled whose flag
is still to come, so a timer that nothing waits for costs nothing, however fast it counts.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

from mmio.arguments import integer
from mmio.device.device import Device
from mmio.device.field import bit, field
from mmio.device.line import line
from mmio.device.register import register
from mmio.models.alarm import Alarm
from mmio.models.limits import NotModelled
from mmio.models.upcounter import CHANNELS, Upcounter

CEN, UDIS, URS, OPM, ARPE = 0x01, 0x02, 0x04, 0x08, 0x80  # of CR1
UIF, TIF = 0x01, 0x40  # of SR
_INTERRUPTS: Final = 0x5F  # bits of DIER that enable an interrupt, each below its flag in SR
_SECOND: Final = 1_000_000_000  # ns
_PWM: Final = {6: False, 7: True}  # OCxM: whether the output is inverted
_CHANNEL: Final = ("CC{0}S", "OC{0}FE", "OC{0}PE", "OC{0}M", "OC{0}CE")


def _compare(first: int) -> list[Any]:
    """Return the fields of CCMR1 or CCMR2 as outputs have them."""
    fields = []
    for number, low in ((first, 0), (first + 1, 8)):
        select, fast, preload, mode, clear = (name.format(number) for name in _CHANNEL)
        fields += [field(select, low + 1, low), bit(fast, low + 2), bit(preload, low + 3)]
        fields += [field(mode, low + 6, low + 4), bit(clear, low + 7)]
    return fields


class Stm32Timer(Device):
    """A timer. Its time is `clock`; its interrupt line is `irq`.

    Args:
        clock_hz: of the timer's input; 16 MHz is the F4's after reset.
        bits: of the counter: TIM2 and TIM5 have 32, TIM3 and TIM4 have 16.

    Raises:
        TypeError: clock_hz is no int.
        ValueError: it is less than 1, or bits are neither 16 nor 32.
    """

    cr1 = register(
        0x00,
        fields=[
            bit("CEN", 0),
            bit("UDIS", 1),
            bit("URS", 2),
            bit("OPM", 3),
            bit("DIR", 4),
            field("CMS", 6, 5),
            bit("ARPE", 7),
            field("CKD", 9, 8),
        ],
    )
    cr2 = register(0x04, fields=[bit("CCDS", 3), field("MMS", 6, 4), bit("TI1S", 7)])
    smcr = register(0x08, fields=[field("SMS", 2, 0), field("TS", 6, 4), bit("MSM", 7), bit("ECE", 14)])
    dier = register(
        0x0C,
        fields=[
            bit("UIE", 0),
            *(bit(f"CC{n}IE", n) for n in CHANNELS),
            bit("TIE", 6),
            bit("UDE", 8),
            *(bit(f"CC{n}DE", n + 8) for n in CHANNELS),
            bit("TDE", 14),
        ],
    )
    sr = register(
        0x10,
        fields=[
            bit("UIF", 0),
            *(bit(f"CC{n}IF", n) for n in CHANNELS),
            bit("TIF", 6),
            *(bit(f"CC{n}OF", n + 8) for n in CHANNELS),
        ],
    )
    egr = register(0x14, access="w", fields=[bit("UG", 0), *(bit(f"CC{n}G", n) for n in CHANNELS), bit("TG", 6)])
    ccmr1 = register(0x18, fields=_compare(1))
    ccmr2 = register(0x1C, fields=_compare(3))
    ccer = register(
        0x20,
        fields=[bit(f"CC{n}{what}", 4 * n - 4 + i) for n in CHANNELS for i, what in ((0, "E"), (1, "P"), (3, "NP"))],
    )
    cnt = register(0x24)
    psc = register(0x28, fields=[field("PSC", 15, 0)])
    arr = register(0x2C, reset=0xFFFF_FFFF)
    ccr1 = register(0x34)
    ccr2 = register(0x38)
    ccr3 = register(0x3C)
    ccr4 = register(0x40)
    dcr = register(0x48, fields=[field("DBA", 4, 0), field("DBL", 12, 8)])
    dmar = register(0x4C)
    option = register(0x50, name="OR")
    irq = line()

    def __init__(self, clock_hz: int = 16_000_000, *, bits: Literal[16, 32] = 32) -> None:
        self.clock_hz = integer("clock_hz", clock_hz, least=1)
        if bits not in (16, 32):
            raise ValueError(f"the counter has 16 or 32 bits, not {bits!r}")
        self._mask = (1 << bits) - 1
        self._alarm = Alarm(self, self._due)
        self._power_on()

    def _power_on(self) -> None:
        self.arr.value = self._mask
        self._counter = Upcounter(self._mask)
        self._started = 0  # ns, when CEN was set
        self._counted = 0  # clocks of the input since then that the counter has seen

    # What tests ask.

    @property
    def rate(self) -> float:
        """Return how many updates there are in a second while the timer runs."""
        return self.clock_hz / self._counter.period

    def duty(self, channel: int) -> float | None:
        """Return the part of the time that a PWM output is high, 0.0 to 1.0; None where there is no PWM.

        Args:
            channel: 1 to 4.

        Raises:
            TypeError: the channel is no int.
            ValueError: there is no such channel.
        """
        index = integer("channel", channel, 1, 4) - 1
        mode = self._modes >> 8 * index & 0xFF
        enable = self.ccer.value >> 4 * index
        inverted = _PWM.get(mode >> 4 & 7)
        if inverted is None or mode & 3 or not enable & 1:
            return None
        counter = self._counter
        part = min(1.0, counter.compare[index] / (counter.top + 1))
        return 1 - part if inverted != bool(enable & 2) else part

    # Time.

    def _sync(self) -> None:
        """Count up to now."""
        counter = self._counter
        if counter.control & CEN:
            clocks = (self.clock.now - self._started) * self.clock_hz // _SECOND
            ran, self._counted = clocks - self._counted, clocks
            self.sr.value |= counter.run(ran)
            if not counter.control & CEN:
                self.cr1.CEN = 0

    def _arm(self) -> None:
        """Bring the interrupt line up to date, and have the clock call when it will change."""
        self._schedule()
        self.irq.set(bool(self.sr.value & self.dier.value & _INTERRUPTS))

    def _schedule(self) -> None:
        waited = self.dier.value & _INTERRUPTS & ~self.sr.value
        clocks = self._counter.until(waited) if waited else None
        if clocks is None:
            self._alarm.cancel()
            return
        due = self._started - -(self._counted + clocks) * _SECOND // self.clock_hz  # rounded up
        self._alarm.set(max(0, due - self.clock.now))

    def _due(self) -> None:
        self._sync()
        self._arm()

    # The registers.

    @cr1.reads
    def _look_at_control(self) -> int:
        self._sync()
        return self.cr1.value

    @cr1.written
    def _control(self, old: int, new: int) -> None:
        self.cr1.value = old
        if new & 0x70:
            what = f"centre-aligned counting (CR1.CMS={new >> 5 & 3})" if new & 0x60 else "counting down (CR1.DIR=1)"
            raise NotModelled(self, what)
        self._sync()
        self.cr1.value = new
        counter = self._counter
        if new & ~counter.control & CEN:
            self._started, self._counted = self.clock.now, 0
        counter.control = new
        counter.take_unbuffered(self._values())
        self._arm()

    @smcr.written
    def _follow(self, old: int, new: int) -> None:
        if new & 7:
            self.smcr.value = old
            raise NotModelled(self, f"being clocked or triggered by another timer or a pin (SMCR.SMS={new & 7})")

    @dier.written
    def _enable(self, old: int, new: int) -> None:
        self._sync()
        self._arm()

    @sr.reads
    def _look(self) -> int:
        self._sync()
        return self.sr.value

    @sr.written
    def _acknowledge(self, old: int, new: int) -> None:
        self.sr.value = old
        self._sync()  # a flag that was due before the write is cleared by it too
        self.sr.value &= new
        self._arm()

    @egr.written
    def _generate(self, old: int, new: int) -> None:
        self._sync()
        counter = self._counter
        self.sr.value |= new & counter.outputs | new & TIF
        if new & 1:
            flags = counter.restart()
            self.sr.value |= flags & ~UIF if counter.control & URS else flags
            self.cr1.CEN = counter.control & CEN
        self._arm()

    @ccmr1.written
    def _set_low_modes(self, old: int, new: int) -> None:
        self._set_modes()

    @ccmr2.written
    def _set_high_modes(self, old: int, new: int) -> None:
        self._set_modes()

    def _set_modes(self) -> None:
        self._sync()
        self._counter.modes = self._modes
        self._set_values()

    @property
    def _modes(self) -> int:
        return self.ccmr1.value & 0xFFFF | (self.ccmr2.value & 0xFFFF) << 16

    @cnt.reads
    def _count(self) -> int:
        self._sync()
        return self._counter.count

    @cnt.written
    def _set_count(self, old: int, new: int) -> None:
        self._sync()
        self._counter.count = new & self._mask
        self._arm()

    @psc.written
    def _set_prescaler(self, old: int, new: int) -> None:
        self._set_values()

    @arr.written
    def _set_top(self, old: int, new: int) -> None:
        self.arr.value = new & self._mask
        self._set_values()

    @ccr1.written
    def _set_compare_1(self, old: int, new: int) -> None:
        self._set_values()

    @ccr2.written
    def _set_compare_2(self, old: int, new: int) -> None:
        self._set_values()

    @ccr3.written
    def _set_compare_3(self, old: int, new: int) -> None:
        self._set_values()

    @ccr4.written
    def _set_compare_4(self, old: int, new: int) -> None:
        self._set_values()

    def _set_values(self) -> None:
        self._sync()
        self._counter.take_unbuffered(self._values())
        self._arm()

    def _values(self) -> tuple[int, int, list[int]]:
        """Return what the firmware has written: top, prescaler, values to compare with."""
        ccrs = [register.value & self._mask for register in (self.ccr1, self.ccr2, self.ccr3, self.ccr4)]
        return self.arr.value, self.psc.value & 0xFFFF, ccrs

    # State.

    def reset(self) -> None:
        """Reset the timer, which stops it."""
        super().reset()
        self._alarm.cancel()
        self._power_on()

    def snapshot(self) -> dict[str, Any]:
        """Add the counter."""
        self._sync()
        time = [self.clock.now - self._started, self._counted]
        return super().snapshot() | {"counter": self._counter.snapshot(), "time": time}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take it all back. The timer continues from the present time of its clock."""
        super().restore(state)
        self._counter.restore(state["counter"])
        elapsed, self._counted = state["time"]
        self._started = self.clock.now - elapsed
        self._schedule()
