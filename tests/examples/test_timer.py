"""The timer: the model, the driver under interrupts from outside and from within, the demo as a user runs it."""

import errno
import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mmio
from mmio import assert_accesses
from tests.needs import need

TIMER = Path(__file__).parents[2] / "examples" / "timer"
CTRL, COUNT, COMPARE, STATUS = 4, 8, 12, 16

# The driver is compiled once: in a parallel run (--dist loadgroup) these tests share a process.
pytestmark = pytest.mark.xdist_group("timer")


def example(name: str) -> Any:
    """Import a module of the example, as its own scripts do."""
    sys.path.insert(0, str(TIMER))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(TIMER))


def running(ctrl: int, compare: int) -> Any:
    """Return a timer that has been started."""
    timer = example("timer").Timer()
    timer.write(COMPARE, 4, compare)
    timer.write(CTRL, 4, ctrl)
    return timer


# The model.


def test_it_counts_divided_cycles() -> None:
    """One count for PSC + 1 cycles; a stopped timer keeps what it has."""
    timer = running(0x301, 1000)
    timer.tick(43)
    assert timer.count == 10
    timer.ctrl.EN = 0
    timer.tick(100)
    assert timer.count == 10


def test_at_compare_it_starts_again() -> None:
    """The status says match, and late when the last one has not been acknowledged."""
    timer = running(0x001, 10)
    timer.tick(12)
    assert (timer.count.value, timer.status.value) == (2, 1)
    timer.tick(10)
    assert timer.status == 3
    timer.write(STATUS, 4, 2)
    assert timer.status == 1


def test_a_oneshot_stops() -> None:
    """It is disabled afterwards, and can be started again."""
    timer = running(0x003, 10)
    timer.tick(100)
    assert (timer.ctrl.EN, timer.count.value, timer.status.value) == (0, 0, 1)


def test_the_line_follows_status_and_enable() -> None:
    """It is there while both are."""
    timer = running(0x001, 1)
    levels = [timer.irq.level]
    timer.irq.subscribe(levels.append)
    timer.tick(1)
    timer.write(CTRL, 4, 5)
    timer.write(STATUS, 4, 1)
    assert levels == [False, True, False]


@given(st.lists(st.integers(0, 300), max_size=8), st.integers(0, 5), st.integers(1, 50), st.booleans())
def test_time_is_the_same_in_any_steps(steps: list[int], psc: int, compare: int, oneshot: bool) -> None:
    """Many short ticks do what one long one does."""
    once, stepwise = (running(psc << 8 | oneshot << 1 | 1, compare) for _ in range(2))
    once.tick(sum(steps))
    for step in steps:
        stepwise.tick(step)
    assert once.snapshot() == stepwise.snapshot()


# The driver.


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Any:
    need(shutil.which(os.environ.get("CC", "cc")), "a C compiler (apt-get install gcc libc6-dev)")
    driver = example("timer_driver")
    return driver.load(driver.build(tmp_path_factory.mktemp("timer")))


@pytest.fixture
def timer() -> Any:
    return example("timer").Timer()


@pytest.fixture
def mapping(timer: Any) -> Iterator[mmio.Mapping]:
    with mmio.ioremap(timer, length=0x1000) as mapping:
        yield mapping


@pytest.fixture
def driver(library: Any, mapping: mmio.Mapping) -> Any:
    return example("timer_driver").Driver(library, mapping)


def test_starting_stores_the_period_before_the_rest(driver: Any, mapping: mmio.Mapping) -> None:
    """The period first, then everything else in one store."""
    before = len(mapping.trace)
    driver.start(1000)
    assert_accesses(mapping.trace[before:], ["W4 CTRL=0", "W4 STATUS=3", "W4 COMPARE=1000", "W4 CTRL=0xd"])


def test_a_long_alarm_uses_the_prescaler(library: Any, timer: Any, mapping: mmio.Mapping) -> None:
    """An hour at 10 MHz is more than 32 bits of cycles; the callback comes once, at the end of it."""
    driver = example("timer_driver").Driver(library, mapping, clock=10_000_000)
    mmio.Interrupt(timer.irq, driver.irq)
    at: list[int] = []
    driver.alarm(3_600_000_000, lambda: at.append(timer.cycles))
    timer.tick(100_000_000_000)
    assert timer.ctrl.PSC == 8
    assert at == [pytest.approx(36_000_000_000, abs=9)]


def test_interrupts_from_outside(driver: Any, timer: Any) -> None:
    """Time passes while no C code runs, and the handler is called for each period."""
    interrupt = mmio.Interrupt(timer.irq, driver.irq)
    driver.start(1000)
    timer.tick(5_500)
    assert (driver.ticks, driver.late, interrupt.calls) == (5, 0, 5)


def test_interrupts_from_within(driver: Any, timer: Any, mapping: mmio.Mapping) -> None:
    """The handler runs in the middle of the load that made time pass; the load then gets its answer."""
    mmio.Interrupt(timer.irq, driver.irq)
    driver.start(100_000)
    before = len(mapping.trace)
    driver.wait(1)
    assert_accesses(
        mapping.trace[before:],
        ["R4 COUNT=4", "R4 COUNT=8", "R4 STATUS=1", "W4 STATUS=1", "R4 COUNT=2"],
    )
    assert driver.ticks == 1


def test_an_interrupt_within_a_store(library: Any) -> None:
    """A timer that matches when it is started calls the handler before the store that started it has returned."""

    class Eager(example("timer").Timer):  # type: ignore[misc]
        def _control(self, old: int, new: int) -> None:
            self.status.MATCH = new & 1
            super()._control(old, new)

    timer = Eager()
    with mmio.ioremap(timer, length=0x1000) as mapping:
        driver = example("timer_driver").Driver(library, mapping)
        mmio.Interrupt(timer.irq, driver.irq)
        told: list[int] = []
        driver.start(1000, lambda: told.append(driver.ticks))
        assert told == [1]
        assert_accesses(mapping.trace[-3:], ["R4 STATUS=1", "W4 STATUS=1", "W4 CTRL=0xd"])


def test_the_callback_may_use_the_driver(driver: Any, timer: Any) -> None:
    """Code, interrupted by its handler, which calls the code: what the callback starts is what runs."""
    mmio.Interrupt(timer.irq, driver.irq)
    ends: list[int] = []
    driver.alarm(50, lambda: driver.alarm(30, lambda: ends.append(timer.cycles)))
    timer.tick(1000)
    assert ends == [80]


def test_what_was_missed_is_counted(driver: Any, timer: Any) -> None:
    """Five periods with interrupts disabled are one interrupt, and late."""
    interrupt = mmio.Interrupt(timer.irq, driver.irq)
    driver.start(1000)
    with interrupt.disabled():
        timer.tick(5000)
    assert (driver.ticks, driver.late, interrupt.calls) == (1, 1, 1)


def test_the_clock_never_goes_back(driver: Any, timer: Any) -> None:
    """However the reads fall between the ticks."""
    mmio.Interrupt(timer.irq, driver.irq)
    driver.start(1_000_000 // 7)  # a period of 7, read in steps of 4
    times = [driver.now() for _ in range(50)]
    assert times == sorted(times)
    assert driver.ticks > 20


def test_a_handler_without_acknowledgement_is_found_out(driver: Any, timer: Any) -> None:
    """The error comes out of the call that was interrupted."""
    mmio.Interrupt(timer.irq, lambda: None)
    driver.start(100_000)
    with pytest.raises(RuntimeError, match="irq is still asserted after 1000 calls"):
        driver.wait(1)


def test_an_interrupt_of_somebody_else(driver: Any) -> None:
    """The handler says it was not for it."""
    driver.start(1000)
    assert driver.irq() is False


def test_the_driver_refuses_another_device(library: Any, timer: Any, mapping: mmio.Mapping) -> None:
    """The driver refuses what is no such timer."""
    timer.id.value = 0xFFFFFFFF
    with pytest.raises(OSError, match="timer_open") as failure:
        example("timer_driver").Driver(library, mapping)
    assert failure.value.errno == errno.ENODEV


@pytest.mark.parametrize("hz", [0, 1_000_001])
def test_what_the_timer_cannot(driver: Any, hz: int) -> None:
    """Is refused by name."""
    with pytest.raises(OSError, match="timer_start") as failure:
        driver.start(hz)
    assert failure.value.errno == errno.ERANGE


def test_the_demo_shows_the_handler_inside_the_wait(tmp_path: Path) -> None:
    """The demo ends well, and shows the handler inside the wait."""
    command: list[str | Path] = [sys.executable, TIMER / "timer_demo.py", "--out", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "called at cycles [1000, 2000, 3000]" in done.stdout
    assert "6 ticks, 1 of them late" in done.stdout
    registers = re.findall(r"([RW]) +4 .*?timer\.(\w+)", done.stdout)
    assert registers[-4:] == [("R", "COUNT"), ("R", "STATUS"), ("W", "STATUS"), ("R", "COUNT")]
