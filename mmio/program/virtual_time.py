"""Virtual time of a program: its clocks and its waits follow the clock of the device models.

Where a call reads the time, it is answered. Where it waits for a time, the engine makes it wait for ever in the kernel,
or asks the kernel again and again whether it is over (`Waiter`). When all threads of the program sleep, in whatever
call, nothing can happen before the next timer: the clock advances to it, the models' calls that are due are made, and
the waits whose time has come end. So ten seconds of timeout take as long as it takes to find all threads asleep.
"""

import time
from collections.abc import Callable
from typing import Final, Protocol

from attrs import define

from mmio.device.clock import Clock
from mmio.device.time_policy import HostTime
from mmio.program.kernel_access import KernelAccess
from mmio.program.thread import Call, StoppedThread

READING: Final = 1_000
"""The ns that a call takes which asks for the time: a program that does nothing else until a time comes gets there."""

BEGIN: Final = 1_000 * 1_000_000_000
"""What CLOCK_MONOTONIC says when the clock says 0: no program takes 0 for a time."""

EPOCH: Final = 946_684_800 * 1_000_000_000
"""What CLOCK_REALTIME says then: 2000-01-01, the same in every run."""

_REAL: Final = (0, 5, 8, 11)  # CLOCK_REALTIME, _COARSE, _ALARM, CLOCK_TAI
_MONOTONIC: Final = (1, 4, 6, 7, 9)  # CLOCK_MONOTONIC, _RAW, _COARSE, CLOCK_BOOTTIME, _ALARM
_NAP: Final = 0.001  # seconds at a time to wait for the host's clock


@define(eq=False)
class Wait:
    """A wait of a thread, in a call that ends by itself at a time.

    Attributes:
        deadline: in ns of the clock; None for never.
        timed_out: the result of the call when the time comes.
        endless: the number of a call and its arguments that waits as this one does, and for ever.
        probe: the arguments with which this call does not wait, by index; None as the value is a time of 0 in memory,
            and None in place of them all means that there is nothing to wait for but the time.
        not_ready: the result of that call when there is nothing yet.
        mask: the address of the signal mask while it waits; 0 for the thread's own.
        finish: called with the result when the wait is over.
        expired: its time has come.
    """

    deadline: int | None
    timed_out: int
    endless: tuple[int, dict[int, int]]
    probe: dict[int, int | None] | None
    not_ready: int = 0
    mask: int = 0
    finish: Callable[[int], None] = lambda result: None
    expired: bool = False


class Waiter(Protocol):
    """An engine's way to make a call wait."""

    def wait(self, thread: StoppedThread, name: str, call: Call, access: KernelAccess, wait: Wait) -> None:
        """Make a call wait until its virtual deadline. The thread is stopped before it."""

    def wait_for_input(self, thread: StoppedThread, descriptor: int) -> int:
        """Wait until a descriptor can be read, if this engine must before the call; return 0, or minus an errno."""


class VirtualTime:
    """The time of one run.

    Args:
        clock: that of the device models.
        follows: the program's calls follow it; without, it continues where the program sleeps, and only there.

    Attributes:
        waits: the waits there are, by TID.
        waiter: the engine's.
    """

    def __init__(self, clock: Clock, *, follows: bool) -> None:
        self.clock, self.follows = clock, follows
        self.waits: dict[int, Wait] = {}
        self.waiter: Waiter | None = None

    def read(self, clock_id: int) -> int | None:
        """Return what a clock of the program says, in ns; None for one that does not follow (CPU time)."""
        begin = self.begin(clock_id)
        if begin is None:
            return None
        self.clock.catch_up()
        self.clock.spend(READING)
        return begin + self.clock.now

    @staticmethod
    def begin(clock_id: int) -> int | None:
        """Return what a clock of the program said at the beginning, in ns; None for one that does not follow."""
        return EPOCH if clock_id in _REAL else BEGIN if clock_id in _MONOTONIC else None

    @property
    def next_due(self) -> int | None:
        """The next time at which something happens, in ns of the clock; None when nothing will by itself."""
        times = [wait.deadline for wait in list(self.waits.values()) if wait.deadline is not None]
        due = self.clock.next_due
        return min([*times, *([] if due is None else [due])], default=None)

    def step(self, until: int | None = None) -> list[int]:
        """Advance to the next time at which something happens: the models' calls are made there.

        Args:
            until: a time to continue to at most, in ns of the clock.

        Returns:
            The TIDs of the threads whose time has come with it.
        """
        due = self.next_due
        if due is None or (until is not None and until < due):
            due = until
        if due is None or self.clock.is_advancing:
            return []
        if isinstance(self.clock.policy, HostTime):
            self.clock.catch_up()
            if self.clock.now < due:
                time.sleep(_NAP)
                return []
        else:
            self.clock.advance(max(due, self.clock.now))
        over = []
        for tid, wait in sorted(self.waits.items()):
            if wait.deadline is not None and wait.deadline <= self.clock.now and not wait.expired:
                wait.expired = True
                over.append(tid)
        return over
