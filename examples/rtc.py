"""The real-time clock of a PC: an MC146818 behind an index port and a data port.

    pagetrap run --device examples/rtc.py:Cmos@ports:0x70+2 -- hwclock --directisa --utc -r -v
    pagetrap run --device examples/rtc.py:Millennium@ports:0x70+2 -- hwclock --directisa --utc -r

After the MC146818 data sheet (Motorola, 1984). The century is where PCs keep it, in a byte of the RAM. There is no
periodic interrupt and no square wave, and the divider cannot be stopped.
"""

import calendar
import time
from collections.abc import Callable
from datetime import UTC, datetime
from math import floor
from typing import Final

from mmio import Device, array, bit, field, indexed, line, register

UPDATE: Final = 0.000244 + 0.001984  # s from the update flag's rise to its fall, when the new time can be read
NO_MATTER: Final = 0xC0  # an alarm byte with both bits set fits every time
DAY: Final = 24 * 60 * 60
DATA: Final = 0x01  # the port behind the index


class Chip(Device):
    """The chip: its time, an alarm, and RAM.

    `now` says how late it is, in seconds since 1970; the chip keeps its distance from it when it is set. Between two
    accesses the chip does nothing: before each, and while code waits for `irq`, `update` is called, and `interrupt`
    after each.
    """

    seconds = register(0x00, width=1)
    seconds_alarm = register(0x01, width=1)
    minutes = register(0x02, width=1)
    minutes_alarm = register(0x03, width=1)
    hours = register(0x04, width=1)
    hours_alarm = register(0x05, width=1)
    weekday = register(0x06, width=1)
    day = register(0x07, width=1)
    month = register(0x08, width=1)
    year = register(0x09, width=1)
    a = register(
        0x0A, width=1, reset=0x26, fields=[bit("UIP", 7, access="r"), field("DIVIDER", 6, 4), field("RATE", 3, 0)]
    )
    b = register(
        0x0B,
        width=1,
        reset=0x02,
        fields=[
            bit("SET", 7),
            bit("PIE", 6),
            bit("AIE", 5),
            bit("UIE", 4),
            bit("SQWE", 3),
            bit("BINARY", 2),
            bit("HOURS24", 1),
            bit("DSE", 0),
        ],
    )
    c = register(
        0x0C, width=1, access="r", on_read="rclr", fields=[bit("IRQF", 7), bit("PF", 6), bit("AF", 5), bit("UF", 4)]
    )
    d = register(0x0D, width=1, reset=0x80, access="r", fields=[bit("VALID", 7)])
    low_ram = array(0x0E, count=0x24, width=1)
    century = register(0x32, width=1)
    high_ram = array(0x33, count=0x4D, width=1)
    irq = line()

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.start(now)

    def start(self, now: Callable[[], float]) -> None:
        """Go by this time from now on, and show it."""
        self._now = now
        self._present = now()
        self._ahead: int | None = 0  # seconds; None while the registers hold no time, and the clock stands still
        self._second = floor(self._present)
        self._show(self._second)

    def update(self) -> None:
        """Bring the registers up to the present."""
        self._present = self._now()
        if self.b.SET or self._ahead is None:
            self.a.UIP = 0
            return
        moment = self._present + self._ahead
        self.a.UIP = moment % 1 >= 1 - UPDATE
        for second in range(max(self._second + 1, floor(moment) - DAY), floor(moment) + 1):
            self.c.UF = 1
            if self._alarm_fits(second):
                self.c.AF = 1
        if floor(moment) != self._second:
            self._second = floor(moment)
            self._show(self._second)
        self.interrupt()

    @seconds.written
    @minutes.written
    @hours.written
    @day.written
    @month.written
    @year.written
    @century.written
    def _set(self, old: int, new: int) -> None:
        if not self.b.SET:
            self._take()

    @b.written
    def _controlled(self, old: int, new: int) -> None:
        if self.b.SET:
            self.b.UIE = 0
        elif old & 0x80:
            self._take()

    def _take(self) -> None:
        """Continue from the time the registers hold."""
        try:
            self._second = self._told()
        except ValueError:
            self._ahead = None
        else:
            self._ahead = self._second - floor(self._present)

    def _show(self, second: int) -> None:
        date = datetime.fromtimestamp(second, UTC)
        self.century.value, self.year.value = self._coded(date.year // 100), self._coded(date.year % 100)
        self.month.value, self.day.value = self._coded(date.month), self._coded(date.day)
        self.weekday.value = self._coded(date.isoweekday() % 7 + 1)  # Sunday is 1
        self.hours.value, self.minutes.value, self.seconds.value = self._time(second)

    def _told(self) -> int:
        """Return the time the registers hold, in seconds since 1970. Raises ValueError when there is no such time."""
        hours = self.hours.value
        hour = self._plain(hours) if self.b.HOURS24 else self._plain(hours & 0x7F) % 12 + 12 * (hours >> 7)
        year = self._plain(self.century.value) * 100 + self._plain(self.year.value)
        month, day, minute, second = (
            self._plain(part.value) for part in (self.month, self.day, self.minutes, self.seconds)
        )
        return calendar.timegm(datetime(year, month, day, hour, minute, second).timetuple())

    def _time(self, second: int) -> tuple[int, int, int]:
        """Hour, minute and second as the registers have them."""
        hour, minute = second // 3600 % 24, second // 60 % 60
        hours = self._coded(hour) if self.b.HOURS24 else self._coded((hour - 1) % 12 + 1) | 0x80 * (hour >= 12)
        return hours, self._coded(minute), self._coded(second % 60)

    def _alarm_fits(self, second: int) -> bool:
        alarm = (self.hours_alarm.value, self.minutes_alarm.value, self.seconds_alarm.value)
        return all(
            set_for & NO_MATTER == NO_MATTER or set_for == at
            for set_for, at in zip(alarm, self._time(second), strict=True)
        )

    def interrupt(self) -> None:
        """Let the line follow the flags; a read of C takes it back."""
        self.c.IRQF = bool(self.c.value & self.b.value & 0x70)
        self.irq.set(bool(self.c.IRQF))

    def _coded(self, number: int) -> int:
        return number if self.b.BINARY else number // 10 << 4 | number % 10

    def _plain(self, value: int) -> int:
        if not self.b.BINARY and (value & 0xF) > 9:
            raise ValueError(f"{value:#x} is no decimal number")
        return value if self.b.BINARY else (value >> 4) * 10 + (value & 0xF)


class Clock(Chip):
    """The chip by itself, its registers side by side."""

    def read(self, offset: int, width: int) -> int:
        """Answer with the present."""
        self.update()
        answer = super().read(offset, width)
        self.interrupt()
        return answer

    def write(self, offset: int, width: int, value: int) -> None:
        """Take a byte; a new time is the time from now on."""
        self.update()
        super().write(offset, width, value)
        self.interrupt()


class Cmos(Device):
    """The chip behind the two ports of a PC. It shows the host's time (UTC)."""

    index = register(0x00, width=1, fields=[bit("NMI_OFF", 7), field("REGISTER", 6, 0)])
    clock_chip = indexed(DATA, Chip, by=index, field="REGISTER", name="rtc")

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.clock_chip.start(now)

    def read(self, offset: int, width: int) -> int:
        """Answer; of the chip with the present."""
        if offset + width > DATA:
            self.clock_chip.update()
        answer = super().read(offset, width)
        self.clock_chip.interrupt()
        return answer

    def write(self, offset: int, width: int, value: int) -> None:
        """Take an index, or a byte for the chip."""
        if offset + width > DATA:
            self.clock_chip.update()
        super().write(offset, width, value)
        self.clock_chip.interrupt()


class Millennium(Cmos):
    """A clock for tests: it is 23:59:58 on 31 December 1999, and half a millisecond passes with each byte.

    A program that waits for the update flag sees the same on every machine, however slow.
    """

    def __init__(self) -> None:
        self._half_milliseconds = 2 * 1000 * calendar.timegm((1999, 12, 31, 23, 59, 58))
        super().__init__(self._tick)

    def _tick(self) -> float:
        self._half_milliseconds += 1
        return self._half_milliseconds / 2000
