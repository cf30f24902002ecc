"""The MC146818, by itself and as hwclock of Debian sees it."""

import calendar
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmio import open_trace
from tests.examples.command import EXAMPLES, need_program, run_on

SECONDS, MINUTES, HOURS, WEEKDAY, DAY, MONTH, YEAR, A, B, C, D, CENTURY = 0, 2, 4, 6, 7, 8, 9, 10, 11, 12, 13, 0x32
SET, AIE, UIE, BINARY, HOURS24 = 0x80, 0x20, 0x10, 0x04, 0x02
IRQF, AF, UF = 0x80, 0x20, 0x10
UIP = 0x80
START = calendar.timegm((2003, 11, 15, 13, 59, 58))  # a Saturday


class Now:
    """A time that stands still unless told."""

    def __init__(self) -> None:
        self.seconds = float(START)

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def rtc(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of the model."""
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module("rtc")


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def clock(rtc: Any, now: Now) -> Any:
    return rtc.Clock(now)


def told(clock: Any) -> list[int]:
    """Read century, year, month, day, weekday, hours, minutes and seconds as they stand."""
    return [clock.read(at, 1) for at in (CENTURY, YEAR, MONTH, DAY, WEEKDAY, HOURS, MINUTES, SECONDS)]


def test_time_is_decimal(clock: Any, now: Now) -> None:
    """At first in BCD and by 24 hours; Sunday is day 1."""
    assert told(clock) == [0x20, 0x03, 0x11, 0x15, 7, 0x13, 0x59, 0x58]
    now.seconds += 10 * 3600 + 2
    assert told(clock) == [0x20, 0x03, 0x11, 0x16, 1, 0x00, 0x00, 0x00]


@pytest.mark.parametrize(
    ("mode", "hours"),
    [
        (HOURS24, [0x00, 0x01, 0x11, 0x12, 0x13, 0x23]),
        (HOURS24 | BINARY, [0, 1, 11, 12, 13, 23]),
        (0, [0x12, 0x01, 0x11, 0x92, 0x81, 0x91]),
        (BINARY, [12, 1, 11, 0x8C, 0x81, 0x8B]),
    ],
)
def test_hours_in_four_formats(clock: Any, now: Now, mode: int, hours: list[int]) -> None:
    """BCD or binary, 24 hours or 12 with the afternoon in bit 7; noon and midnight are 12. What is told can be set."""
    clock.write(B, 1, mode)
    midnight = START // 86400 * 86400
    shown = []
    for hour in (0, 1, 11, 12, 13, 23):
        now.seconds = midnight + 86400 + hour * 3600
        shown.append(clock.read(HOURS, 1))
        clock.write(HOURS, 1, shown[-1])
        now.seconds += 1
        assert clock.read(HOURS, 1) == shown[-1]
    assert shown == hours


def test_update_flag_rises_and_falls(clock: Any, now: Now) -> None:
    """UIP is up for the last 2.2 ms of each second; when it falls the new time is there."""
    seen = []
    for microseconds in (0, 500_000, 997_700, 997_800, 999_999, 1_000_000):
        now.seconds = START + microseconds / 1e6
        seen.append((clock.read(A, 1) & UIP, clock.read(SECONDS, 1)))
    assert seen == [(0, 0x58), (0, 0x58), (0, 0x58), (UIP, 0x58), (UIP, 0x58), (0, 0x59)]


def test_update_flag_cannot_be_written(clock: Any) -> None:
    """The other bits of A keep what is written."""
    clock.write(A, 1, 0xFF)
    assert clock.read(A, 1) == 0x7F


def test_set_holds_the_registers_until_it_falls(clock: Any, now: Now) -> None:
    """While SET is 1 the registers wait, UIP stays low, and the bytes written are the time from its fall on."""
    clock.write(B, 1, SET | HOURS24)
    for at, value in ((CENTURY, 0x19), (YEAR, 0x96), (MONTH, 0x02), (DAY, 0x28), (HOURS, 0x23), (MINUTES, 0x59)):
        clock.write(at, 1, value)
    clock.write(SECONDS, 1, 0x59)
    now.seconds += 100.999
    assert (clock.read(A, 1) & UIP, clock.read(SECONDS, 1)) == (0, 0x59)
    clock.write(B, 1, HOURS24)
    assert told(clock)[:4] == [0x19, 0x96, 0x02, 0x28]
    now.seconds += 1
    assert told(clock) == [0x19, 0x96, 0x02, 0x29, 5, 0x00, 0x00, 0x00]  # a leap year, a Thursday


@pytest.mark.parametrize(("at", "value"), [(MONTH, 0x13), (DAY, 0x00), (SECONDS, 0x5A), (HOURS, 0x24)])
def test_no_such_time(clock: Any, now: Now, at: int, value: int) -> None:
    """A time that does not exist stands in the registers, still, until one that does is written."""
    before = clock.read(at, 1)
    clock.write(at, 1, value)
    now.seconds += 2
    assert clock.read(at, 1) == value
    clock.write(at, 1, before)
    now.seconds += 2
    assert clock.read(MINUTES, 1) == 0x00


@pytest.mark.parametrize(
    ("alarm", "after"),
    [
        ((0x14, 0x00, 0x05), [7]),
        ((0xFF, 0x00, 0x00), [2, 3602]),
        ((0xC0, 0xC0, 0x30), [32, 92]),
        ((0xFF, 0xFF, 0xFF), [1, 2, 3]),
    ],
)
def test_the_alarm_flag_is_set_at_every_time_that_fits(
    clock: Any, now: Now, alarm: tuple[int, ...], after: list[int]
) -> None:
    """The flag is set at every time that fits, which a byte from 0xC0 up always does; reading C clears it."""
    for at, value in zip((5, 3, 1), alarm, strict=True):
        clock.write(at, 1, value)
    rang = []
    for second in range(1, after[-1] + 1):
        now.seconds = START + second
        if clock.read(C, 1) & AF:
            rang.append(second)
    assert rang == after


def test_an_alarm_passed_between_two_accesses_is_not_lost(clock: Any, now: Now) -> None:
    """Every second since the last access is compared with the alarm."""
    for at, value in ((5, 0x14), (3, 0x30), (1, 0x00)):
        clock.write(at, 1, value)
    now.seconds += 7200
    assert clock.read(C, 1) & AF


def test_the_line_follows_enabled_flags_until_c_is_read(clock: Any, now: Now) -> None:
    """IRQF and the line follow the flags that are enabled, and fall when C is read."""
    levels: list[bool] = []
    clock.irq.subscribe(levels.append)
    now.seconds += 1
    assert clock.read(C, 1) == UF
    clock.write(B, 1, HOURS24 | UIE)
    assert levels == []
    now.seconds += 1
    clock.update()
    assert levels == [True]
    assert clock.read(C, 1) == IRQF | UF
    assert levels == [True, False]
    assert clock.read(C, 1) == 0


def test_ram_keeps_what_is_written(rtc: Any, now: Now) -> None:
    """Through the two ports: the index register is 7 bits, the eighth is the NMI's; C and D cannot be written."""
    cmos = rtc.Cmos(now)
    for index in range(0x0E, 0x80):
        cmos.write(0, 1, 0x80 | index)
        cmos.write(1, 1, index ^ 0x55)
    assert (cmos.index.REGISTER, cmos.index.NMI_OFF) == (0x7F, 1)
    for index in set(range(0x0E, 0x80)) - {CENTURY}:
        cmos.write(0, 1, index)
        assert cmos.read(1, 1) == index ^ 0x55
    cmos.write(0, 2, D)  # both ports in one word: C and D keep their own mind
    assert cmos.read(1, 1) == 0x80


@pytest.mark.parametrize("verbose", [[], ["-v"]])
def test_hwclock_prints_the_time_of_the_model(tmp_path: Path, verbose: list[str]) -> None:
    """It waits for the update flag to rise and to fall, through immediate ports, and then reads the registers."""
    need_program("hwclock", "util-linux-extra")
    hwclock = ["hwclock", "--directisa", "--utc", "--noadjfile", "-r", *verbose]
    shown = run_on("rtc.py:Millennium@ports:0x70+2", tmp_path, *hwclock).stdout
    assert shown.splitlines()[-1].startswith("1999-12-31 23:59:5")
    assert ("Time read from Hardware Clock: 1999/12/31 23:59:59" in shown) == bool(verbose)
    assert ("...got clock tick" in shown) == bool(verbose)
    trace = open_trace(tmp_path / "run.jsonl").load()
    assert {str(a.instruction) for a in trace} == {"out 70h,al", "in al,71h"}
    flags = [a.value & UIP for a, index in zip(trace[1::2], trace[::2], strict=True) if index.value == A]
    assert [flag for flag, before in zip(flags, [None, *flags], strict=False) if flag != before] == [0, UIP, 0]


def test_hwclock_sets_the_model(tmp_path: Path) -> None:
    """One process sets the time, the next one reads it back a second later."""
    need_program("hwclock", "util-linux-extra")
    options = "--directisa --utc --noadjfile"
    script = f"hwclock {options} --set --date '2024-02-28 23:59:58' && hwclock {options} -r -v"
    shown = run_on("rtc.py:Millennium@ports:0x70+2", tmp_path, "sh", "-c", script).stdout
    assert "Time read from Hardware Clock: 2024/02/2" in shown


def test_hwclock_prints_the_time_of_the_host(tmp_path: Path, rtc: Any) -> None:
    """The clock without a time of its own shows the host's, to within what the program takes."""
    need_program("hwclock", "util-linux-extra")
    read: Callable[[], float] = rtc.time.time
    before = int(read())
    hwclock = ["hwclock", "--directisa", "--utc", "--noadjfile", "-r", "-v"]
    shown = run_on("rtc.py:Cmos@ports:0x70+2", tmp_path, *hwclock).stdout
    (line,) = (line for line in shown.splitlines() if line.startswith("Hw clock time"))
    assert before <= int(line.split(" = ")[1].split()[0]) <= int(read()) + 1
