"""A program stopped at a system call about time, and the common part of the rules for such calls."""

import errno
from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple

from mmio.program.kernel_access import KernelAccess
from mmio.program.program_timers import ProgramTimers
from mmio.program.thread import Call, StoppedThread
from mmio.program.time_formats import InvalidTime, read_times, write_times
from mmio.program.virtual_time import VirtualTime, Wait

_INT: Final = 0xFFFFFFFF
_NEGATIVE: Final = 1 << 31


class Stop(NamedTuple):
    """A call to be dealt with: everything that is known of it."""

    calls: "TimeCalls"
    thread: StoppedThread
    name: str
    call: Call
    access: KernelAccess

    def number(self, index: int) -> int:
        """Return an argument that is an int."""
        return self.call.arguments[index] & _INT

    def signed(self, index: int) -> int:
        """Return an argument that is a signed int."""
        number = self.number(index)
        return number - (1 << 32) if number & _NEGATIVE else number

    def times(self, index: int, kind: str = "timespec", count: int = 1) -> list[int]:
        """Return the times that an argument points to, in ns. Raises InvalidTime, Unreachable."""
        return read_times(self.thread, self.access, self.name, self.call, self.call.arguments[index], kind, count)

    def store(self, index: int, *times: int, kind: str = "timespec") -> None:
        """Store times where an argument points to, if anywhere. Raises Unreachable."""
        if self.call.arguments[index]:
            write_times(self.thread, self.name, self.call, self.call.arguments[index], kind, *times)


Rule = Callable[[Stop], bool]
"""Deals with a call; returns whether it has, else the call goes its way."""


class TimeCalls:
    """The calls of one run that follow virtual time.

    Args:
        time: the time.
        rules: what is done about each call, by its name.
        polling: those of them that wait for files.

    Attributes:
        timers: those of the programs.
        looks_on: the engine must also make those calls wait that use the host's time, so that a model's clock advances.
    """

    def __init__(self, time: VirtualTime, rules: Mapping[str, Rule], polling: Collection[str]) -> None:
        self.time = time
        self._rules, self._polling = rules, polling
        self.timers = ProgramTimers(time.clock)
        self.looks_on = False
        self._again: dict[int, tuple[Call, int | None]] = {}

    def entered(self, thread: StoppedThread, name: str, call: Call, access: KernelAccess) -> bool:
        """Deal with a call before it is made; return whether it has been. Raises Unreachable."""
        again = self._again.pop(thread.pid, None)
        rule = self._rules.get(name)
        if rule is None or not (self.time.follows or (self.looks_on and name in self._polling)):
            return False
        self._restarted = again[1] if again is not None and again[0] == call else None
        try:
            return rule(Stop(self, thread, name, call, access))
        except InvalidTime:
            thread.answer_call(-errno.EINVAL)
            return True

    def restarts(self, thread: StoppedThread, call: Call, deadline: int | None) -> None:
        """Note that a call will be made again by the kernel, unless a handler runs: its deadline stays."""
        self._again[thread.pid] = call, deadline

    def deadline(self, duration: int) -> int:
        """Return the time some ns from now; of a call made again, that which it had."""
        return self.time.clock.now + duration if self._restarted is None else self._restarted

    def left(self, deadline: int) -> int:
        """Return the ns that are left until a time."""
        return max(deadline - self.time.clock.now, 0)

    def wait(self, stop: Stop, wait: Wait) -> bool:
        """Make a call wait, by the engine's way."""
        assert self.time.waiter is not None
        self.time.waiter.wait(stop.thread, stop.name, stop.call, stop.access, wait)
        return True
