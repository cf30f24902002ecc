"""The test kit on a guest's card, as on any device: a fault, the clock, coverage of registers, a golden trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import mmio
from mmio import Clock, DeviceCoverage, seconds
from mmio.faults import wrap
from mmio.guests import Guest
from tests.mmio.guests.guests import MODULES, example, need_guest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("guest"), pytest.mark.timeout(300)]

CARD_RESET = 0x20  # WDIOF_CARDRESET of <linux/watchdog.h>


class Watched:
    """A guest with a watchdog that counts time, and whose TIMEOUT is set when the driver looks at it first."""

    def __init__(self) -> None:
        models: Any = example("i6300esb")

        class Esb(models.Esb):  # type: ignore[misc]  # the name is in records
            """The watchdog, with a clock."""

            def __init__(self) -> None:
                super().__init__()
                self.expired = 0
                self.timer: Any = None

            def write(self, offset: int, width: int, value: int) -> None:
                fed = self.pings
                super().write(offset, width, value)
                if self.pings != fed:
                    if self.timer is not None:
                        self.timer.cancel()
                    self.timer = self.clock.after(seconds(60), self.expire)

            def expire(self) -> None:
                self.expired += 1
                self.reload.TIMEOUT = 1

        self.esb = Esb()
        self.clock = self.esb.clock = Clock(policy="access:1us")
        self.faulty = wrap(self.esb, "RELOAD stuck TIMEOUT=1 for 1 read")
        card = models.Watchdog(self.faulty)
        self.guest: Guest = mmio.guest([card], modules=MODULES, cpus=2, seconds=240, snapshot=True)
        self.probing = self.guest.trace[:]


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    need_guest()
    watched = Watched()
    with watched.guest, watched.faulty:
        yield watched


def test_a_fault(watched: Watched) -> None:
    """A fault in front of the model is what the driver finds: the watchdog has reset the machine."""
    done = watched.guest.run("cat /sys/class/watchdog/watchdog0/bootstatus")
    assert int(done.text) == CARD_RESET
    assert watched.faulty.schedule


def test_a_golden_trace(watched: Watched, golden: Callable[..., None]) -> None:
    """What the driver does when it probes is what it has done when the file was written."""
    golden(watched.probing)


def test_coverage(watched: Watched) -> None:
    """The registers that the driver uses are covered; what it never touches is told."""
    coverage = DeviceCoverage.of(type(watched.esb), watched.guest.trace)
    assert "INTERRUPT" in coverage.never_written
    assert not {"TIMER1", "TIMER2", "RELOAD"} & set(coverage.never_written)


def test_the_clock(watched: Watched) -> None:
    """Time advances with accesses as the policy says, and by the test: a minute passes at once."""
    esb, clock = watched.esb, watched.clock
    before, count = clock.now, len(watched.guest.trace)
    assert watched.guest.run("echo V >/dev/watchdog").status == 0
    assert clock.now - before == 1000 * (len(watched.guest.trace) - count)
    clock.run_for(seconds(59))
    assert esb.expired == 0
    clock.run_for(seconds(1))
    assert esb.expired == 1
