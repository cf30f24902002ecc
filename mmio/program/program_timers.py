"""Timers of a program on a virtual clock: alarm(2), setitimer(2), timer_create(2), timerfd_create(2).

A timer descriptor is an event descriptor, which is read and polled alike: it has the count of expirations.
"""

import ctypes
import os
import re
import select
import signal
import struct
from contextlib import suppress
from ctypes import addressof, c_long, create_string_buffer
from typing import Any, Final

from mmio.device.clock import Clock, Timer
from mmio.linux.descriptors import descriptor_path, duplicate_descriptor
from mmio.linux.proc_files import list_names, read_text
from mmio.linux.syscall_table import NUMBERS

EVENT_FILE: Final = "anon_inode:[eventfd]"
_syscall: Any = ctypes.CDLL(None, use_errno=True).syscall
_INFO: Final = struct.Struct("<3i4xiiQ")  # siginfo_t of a timer: signo, errno, code, timer, overrun, value
_INFO_SIZE: Final = 128
_SI_TIMER: Final = -2
_ID: Final = re.compile(r"^eventfd-id:\s*(\w+)", re.MULTILINE)


def event_id(pid: int, descriptor: int) -> int | None:
    """Return the number of the event file that a descriptor of a process is open on; None when it is on no such one."""
    if descriptor_path(pid, descriptor) != EVENT_FILE:
        return None
    with suppress(OSError):
        found = _ID.search(read_text(pid, f"fdinfo/{descriptor}"))
        return None if found is None else int(found[1])
    return None


class Countdown:
    """A time to come, once or again and again.

    Args:
        clock: the clock.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._timer: Timer | None = None
        self._interval = 0

    @property
    def left(self) -> tuple[int, int]:
        """The ns until the next expiration, 0 for none, and the interval."""
        if self._timer is None or self._timer.due is None:
            return 0, self._interval if self._timer is not None else 0
        return max(self._timer.due - self._clock.now, 1), self._interval

    def set(self, value: int, interval: int) -> None:
        """Expire some ns from now, and then at an interval; not at all with 0."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._interval = None, interval if value else 0
        if value:
            self._timer = self._clock.after(value, self._expired)

    def _expired(self) -> None:
        if self._interval and self.expire():
            self._timer = self._clock.after(self._interval, self._expired)
        elif not self._interval:
            self.expire()

    def expire(self) -> bool:
        """Say that the time has come; return whether anything can still hear it."""
        raise NotImplementedError


class _Alarm(Countdown):
    """ITIMER_REAL of a process."""

    def __init__(self, clock: Clock, pid: int) -> None:
        super().__init__(clock)
        self._pid = pid

    def expire(self) -> bool:
        """Send SIGALRM."""
        try:
            os.kill(self._pid, signal.SIGALRM)
        except ProcessLookupError:
            return False
        return True


class SignalTimer(Countdown):
    """A timer of timer_create(2), which sends a signal with a value, to the process or to one thread.

    Attributes:
        begin: what its clock said when the virtual one said 0, in ns.
    """

    def __init__(self, clock: Clock, pid: int, begin: int, number: int, value: int, tid: int | None) -> None:
        super().__init__(clock)
        self.begin = begin
        self._pid, self._number, self._value, self._tid = pid, number, value, tid

    def expire(self) -> bool:
        """Send the signal, as SI_TIMER of sigaction(2); none where the program wants none."""
        if not self._number:
            return True
        info = create_string_buffer(_INFO.pack(self._number, 0, _SI_TIMER, 0, 0, self._value), _INFO_SIZE)
        name, thread = ("rt_sigqueueinfo", ()) if self._tid is None else ("rt_tgsigqueueinfo", (self._tid,))
        call = NUMBERS[64][name], self._pid, *thread, self._number, addressof(info)
        return int(_syscall(*(c_long(word) for word in call))) == 0


class TimerDescriptor(Countdown):
    """A timer that is read by a descriptor.

    Attributes:
        begin: what its clock said when the virtual one said 0, in ns.
    """

    def __init__(self, clock: Clock, pid: int, number: int, begin: int) -> None:
        super().__init__(clock)
        self.begin = begin
        self._pid, self._number = pid, number

    def set(self, value: int, interval: int) -> None:
        """Set it; what has expired and has not been read is forgotten."""
        descriptor = self._duplicate()
        if descriptor is not None:
            waiting = select.poll()
            waiting.register(descriptor, select.POLLIN)
            if waiting.poll(0):
                os.eventfd_read(descriptor)
            os.close(descriptor)
        super().set(value, interval)

    def expire(self) -> bool:
        """Count one expiration."""
        descriptor = self._duplicate()
        if descriptor is None:
            return False
        os.eventfd_write(descriptor, 1)
        os.close(descriptor)
        return True

    def _duplicate(self) -> int | None:
        """Return a descriptor of its file, None when the process has none any more."""
        with suppress(OSError):
            for name in list_names(self._pid, "fd"):
                if event_id(self._pid, int(name)) == self._number:
                    return duplicate_descriptor(self._pid, int(name))
        return None


class ProgramTimers:
    """The timers of all processes of a run.

    Args:
        clock: the clock.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._alarms: dict[int, _Alarm] = {}
        self._descriptors: dict[int, TimerDescriptor] = {}
        self._signals: dict[tuple[int, int], SignalTimer] = {}
        self._made = 0

    def create(self, pid: int, begin: int, number: int, value: int | None, tid: int | None) -> int:
        """Make a timer that sends a signal; return its number in the process.

        Args:
            pid: of the process.
            begin: what its clock said when the virtual one said 0, in ns.
            number: the signal; 0 for none.
            value: is sent along; the number of the timer when there is None.
            tid: the thread it is sent to; None for the process.
        """
        made, self._made = self._made, self._made + 1
        value = made if value is None else value
        self._signals[pid, made] = SignalTimer(self._clock, pid, begin, number, value, tid)
        return made

    def signal_timer(self, pid: int, made: int) -> SignalTimer | None:
        """Return a timer of a process by its number, None when there is none."""
        return self._signals.get((pid, made))

    def delete(self, pid: int, made: int) -> bool:
        """Delete a timer; return whether there was one."""
        timer = self._signals.pop((pid, made), None)
        if timer is not None:
            timer.set(0, 0)
        return timer is not None

    def alarm_left(self, pid: int) -> tuple[int, int]:
        """Return the ns until a process's alarm, 0 for none, and its interval."""
        return self._alarms[pid].left if pid in self._alarms else (0, 0)

    def set_alarm(self, pid: int, value: int, interval: int) -> tuple[int, int]:
        """Set a process's alarm; return what was left of the one before."""
        before = self.alarm_left(pid)
        self._alarms.setdefault(pid, _Alarm(self._clock, pid)).set(value, interval)
        return before

    def add_descriptor(self, pid: int, descriptor: int, begin: int) -> None:
        """Make an event descriptor that a process has just opened a timer's."""
        number = event_id(pid, descriptor)
        if number is not None:
            self._descriptors[number] = TimerDescriptor(self._clock, pid, number, begin)

    def descriptor(self, pid: int, descriptor: int) -> TimerDescriptor | None:
        """Return the timer of a descriptor, None when it is no timer."""
        number = event_id(pid, descriptor)
        timer = None if number is None else self._descriptors.get(number)
        if timer is not None:
            timer._pid = pid  # who uses it has it open
        return timer
