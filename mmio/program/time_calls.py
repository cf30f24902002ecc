"""Table of the system calls that follow virtual time.

`FOLLOWING` is the one list of them: the calls that stop the program with --virtual-time, what is done about each, and
the table in docs/time-and-interrupts.md are made from it.
"""

import errno
import signal
import struct
from collections.abc import Callable
from typing import Final, NamedTuple

from mmio.linux.seccomp import Equal, When
from mmio.linux.syscall_table import NUMBERS
from mmio.program.kernel_access import scatter
from mmio.program.program_timers import SignalTimer, TimerDescriptor
from mmio.program.time_formats import SECOND
from mmio.program.time_stop import Rule, Stop
from mmio.program.virtual_time import BEGIN, EPOCH, READING, Wait

_INT: Final = 0xFFFFFFFF
_REALTIME: Final = 0
_EVENTS: Final = {64: struct.Struct("<Qiii"), 32: struct.Struct("<Iiii")}
"""struct sigevent, as far as the kernel looks: value, signal, how to notify, thread."""
_SIGNAL, _NONE, _THREAD = 0, 1, 4  # SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD_ID
_ABSOLUTE: Final = 1  # TIMER_ABSTIME

# linux/futex.h
_OPERATION: Final = 0x7F
_FUTEX_REALTIME: Final = 256
_FUTEX_WAIT: Final = 0
_FUTEX_LOCK_PI: Final = 6
_FUTEX_ABSOLUTE: Final = (9, 11, 13)  # WAIT_BITSET, WAIT_REQUEUE_PI, LOCK_PI2


class Follows(NamedTuple):
    """A group of calls that follow virtual time: their names, what is said of them, and what is done."""

    names: tuple[str, ...]
    how: str
    rule: Rule


def _answer(stop: Stop, result: int = 0) -> bool:
    stop.thread.answer_call(result)
    return True


def _clock_gettime(stop: Stop) -> bool:
    now = stop.calls.time.read(stop.number(0))
    if now is None:
        return False
    scattered = stop.call.arguments[1]
    if not scattered:
        return _answer(stop, -errno.EFAULT)
    stop.store(1, now)
    return _answer(stop)


def _gettimeofday(stop: Stop) -> bool:
    now = stop.calls.time.read(_REALTIME)
    assert now is not None
    stop.store(0, now, kind="timeval")
    if stop.call.arguments[1]:
        scatter(stop.thread, stop.call.arguments[1], bytes(8), stop.call.bits)  # struct timezone
    return _answer(stop)


def _time(stop: Stop) -> bool:
    now = stop.calls.time.read(_REALTIME)
    assert now is not None
    if stop.call.arguments[0]:
        scatter(stop.thread, stop.call.arguments[0], (now // SECOND).to_bytes(stop.call.bits // 8, "little"))
    return _answer(stop, now // SECOND)


def _refused(stop: Stop) -> bool:
    return _answer(stop, -errno.EPERM)


def _nanosleep(stop: Stop) -> bool:
    return _sleep(stop, stop.calls.deadline(max(stop.times(0)[0], READING)), remaining=1)


def _clock_nanosleep(stop: Stop) -> bool:
    begin = stop.calls.time.begin(stop.number(0))
    if begin is None:
        return False
    (time,) = stop.times(2)
    if stop.number(1) & _ABSOLUTE:
        return _sleep(stop, max(time - begin, stop.calls.time.clock.now), remaining=None)
    return _sleep(stop, stop.calls.deadline(max(time, READING)), remaining=3)


def _sleep(stop: Stop, deadline: int, remaining: int | None) -> bool:
    def finish(result: int) -> None:
        if result and remaining is not None:
            stop.store(remaining, stop.calls.left(deadline))

    pause = NUMBERS[stop.call.bits]["pause"], dict[int, int]()
    return stop.calls.wait(stop, Wait(deadline, 0, pause, None, finish=finish))


def _milliseconds(index: int, mask: int | None = None) -> Rule:
    """Return what is done about a call with a timeout in ms, which is for ever when negative."""

    def rule(stop: Stop) -> bool:
        duration = stop.signed(index)
        if not duration:
            return False
        deadline = None if duration < 0 else stop.calls.deadline(duration * 1_000_000)
        return _wait_for_files(stop, deadline, index, _INT, 0, mask)

    return rule


def _timespec(index: int, mask: int | None = None, kind: str = "timespec", *, updated: bool = False) -> Rule:
    """Return what is done about a call with a timeout in memory, which is for ever without one.

    Args:
        index: of the argument.
        mask: the index of the one with a signal mask.
        kind: of the time.
        updated: the kernel stores the time that is left there.
    """

    def rule(stop: Stop) -> bool:
        deadline = None
        if stop.call.arguments[index]:
            (duration,) = stop.times(index, kind)
            if not duration:
                return False
            deadline = stop.calls.deadline(duration)

        def finish(result: int) -> None:
            if updated and deadline is not None:
                stop.store(index, stop.calls.left(deadline), kind=kind)

        return _wait_for_files(stop, deadline, index, 0, None, mask, finish)

    return rule


def _wait_for_files(
    stop: Stop,
    deadline: int | None,
    index: int,
    forever: int,
    at_once: int | None,
    mask: int | None,
    finish: Callable[[int], None] = lambda result: None,
) -> bool:
    probe: dict[int, int | None] = {index: at_once}
    place = 0
    if mask is not None and stop.call.arguments[mask]:
        probe[mask] = 0
        place = stop.call.arguments[mask]
        if stop.name.startswith("pselect6"):  # which is given a pointer to the pointer
            place = int.from_bytes(stop.access.read(place, stop.call.bits // 8), "little")
    endless = stop.call.number, {index: forever}
    return stop.calls.wait(stop, Wait(deadline, 0, endless, probe, mask=place, finish=finish))


def _rt_sigtimedwait(stop: Stop) -> bool:
    if not stop.call.arguments[2]:
        return False
    deadline = stop.calls.deadline(stop.times(2)[0])
    endless = stop.call.number, {2: 0}
    return stop.calls.wait(stop, Wait(deadline, -errno.EAGAIN, endless, {2: None}, -errno.EAGAIN))


def _futex(stop: Stop) -> bool:
    """Deal with a lock with a timeout; one in a device's memory keeps the host's time (`locks.py`)."""
    operation = stop.number(1)
    kind = operation & _OPERATION
    if not stop.call.arguments[3] or kind not in (_FUTEX_WAIT, _FUTEX_LOCK_PI, *_FUTEX_ABSOLUTE):
        return False
    if stop.access.is_trapped(stop.call.arguments[0], 4):
        return False
    (time,) = stop.times(3)
    if kind == _FUTEX_WAIT:
        deadline = stop.calls.deadline(time)
    else:
        deadline = time - (EPOCH if kind == _FUTEX_LOCK_PI or operation & _FUTEX_REALTIME else BEGIN)
    return _wait_for_word(stop, deadline, 3)


def _futex_waitv(stop: Stop) -> bool:
    begin = stop.calls.time.begin(stop.number(4))
    if not stop.call.arguments[3] or begin is None:
        return False
    return _wait_for_word(stop, stop.times(3)[0] - begin, 3)


def _wait_for_word(stop: Stop, deadline: int, index: int) -> bool:
    endless = stop.call.number, {index: 0}
    deadline = max(deadline, stop.calls.time.clock.now)
    return stop.calls.wait(stop, Wait(deadline, -errno.ETIMEDOUT, endless, {index: None}, -errno.ETIMEDOUT))


def _pause(stop: Stop) -> bool:
    return stop.calls.wait(stop, Wait(None, 0, (stop.call.number, {}), None))


def _rt_sigsuspend(stop: Stop) -> bool:
    return stop.calls.wait(stop, Wait(None, 0, (stop.call.number, {}), None, mask=stop.call.arguments[0]))


def _alarm(stop: Stop) -> bool:
    before, _ = stop.calls.timers.set_alarm(stop.thread.group, stop.number(0) * SECOND, 0)
    return _answer(stop, -(-before // SECOND))


def _setitimer(stop: Stop) -> bool:
    if stop.number(0):  # ITIMER_VIRTUAL, ITIMER_PROF: CPU time
        return False
    interval, value = stop.times(1, "timeval", 2) if stop.call.arguments[1] else (0, 0)
    before, again = stop.calls.timers.set_alarm(stop.thread.group, value, interval)
    stop.store(2, again, before, kind="timeval")
    return _answer(stop)


def _getitimer(stop: Stop) -> bool:
    if stop.number(0):
        return False
    before, again = stop.calls.timers.alarm_left(stop.thread.group)
    stop.store(1, again, before, kind="timeval")
    return _answer(stop)


def _timer_create(stop: Stop) -> bool:
    begin = stop.calls.time.begin(stop.number(0))
    if begin is None:
        return False
    number, value, tid = int(signal.SIGALRM), None, None
    if stop.call.arguments[1]:
        event = _EVENTS[stop.call.bits]
        value, number, notify, thread = event.unpack(stop.access.read(stop.call.arguments[1], event.size))
        if notify not in (_SIGNAL, _NONE, _THREAD) or not (notify == _NONE or 0 < number < signal.NSIG):
            return _answer(stop, -errno.EINVAL)
        tid = thread if notify == _THREAD else None
        number = 0 if notify == _NONE else number
    made = stop.calls.timers.create(stop.thread.group, begin, number, value, tid)
    scatter(stop.thread, stop.call.arguments[2], made.to_bytes(4, "little"), stop.call.bits)
    return _answer(stop)


def _timer_settime(stop: Stop) -> bool:
    timer = stop.calls.timers.signal_timer(stop.thread.group, stop.number(0))
    return False if timer is None else _set_timer(stop, timer)


def _timer_gettime(stop: Stop) -> bool:
    timer = stop.calls.timers.signal_timer(stop.thread.group, stop.number(0))
    return False if timer is None else _tell_left(stop, timer)


def _timer_getoverrun(stop: Stop) -> bool:
    return stop.calls.timers.signal_timer(stop.thread.group, stop.number(0)) is not None and _answer(stop)


def _timer_delete(stop: Stop) -> bool:
    return stop.calls.timers.delete(stop.thread.group, stop.number(0)) and _answer(stop)


def _tell_left(stop: Stop, timer: SignalTimer | TimerDescriptor) -> bool:
    """Store what is left of a timer, and its interval."""
    left, again = timer.left
    stop.store(1, again, left)
    return _answer(stop)


def _set_timer(stop: Stop, timer: SignalTimer | TimerDescriptor) -> bool:
    """Set a timer as its struct itimerspec says, relative or absolute; store what was left."""
    interval, value = stop.times(2, count=2)
    left, again = timer.left
    now = stop.calls.time.clock.now
    if stop.number(1) & _ABSOLUTE and value:
        value = max(value - timer.begin - now, 1)
    stop.store(3, again, left)
    timer.set(value, interval)
    return _answer(stop)


def _timerfd_create(stop: Stop) -> bool:
    clock = stop.number(0)
    begin = stop.calls.time.begin(clock)
    flags = stop.number(1)
    if begin is None or flags & ~0x80800:  # O_CLOEXEC, O_NONBLOCK, which eventfd2 has as well
        return False
    thread = stop.thread
    thread.set_call(NUMBERS[stop.call.bits]["eventfd2"], {0: 0, 1: flags}, stop.call.bits)

    def created() -> None:
        descriptor = thread.call_result
        thread.restore_call()
        if descriptor >= 0:
            stop.calls.timers.add_descriptor(thread.group, descriptor, begin)

    thread.on_exit = created
    return True


def _timerfd_settime(stop: Stop) -> bool:
    timer = stop.calls.timers.descriptor(stop.thread.group, stop.number(0))
    return False if timer is None else _set_timer(stop, timer)


def _timerfd_gettime(stop: Stop) -> bool:
    timer = stop.calls.timers.descriptor(stop.thread.group, stop.number(0))
    return False if timer is None else _tell_left(stop, timer)


FOLLOWING: Final = (
    Follows(
        ("clock_gettime", "clock_gettime64"),
        "every clock but those of CPU time; each call takes 1 us",
        _clock_gettime,
    ),
    Follows(("gettimeofday",), "CLOCK_REALTIME; each call takes 1 us", _gettimeofday),
    Follows(("time",), "CLOCK_REALTIME; each call takes 1 us", _time),
    Follows(("clock_settime", "clock_settime64", "settimeofday", "stime"), "refused, with EPERM", _refused),
    Follows(("nanosleep",), "sleeps until the clock says so", _nanosleep),
    Follows(
        ("clock_nanosleep", "clock_nanosleep_time64"),
        "the same, relative and absolute, but by CPU time",
        _clock_nanosleep,
    ),
    Follows(("poll",), "the timeout", _milliseconds(2)),
    Follows(("ppoll", "ppoll_time64"), "the timeout", _timespec(2, 3, updated=True)),
    Follows(("_newselect",), "the timeout", _timespec(4, kind="timeval", updated=True)),
    Follows(
        ("select",),
        "the timeout; not the 32-bit call of this name, which no C library makes",
        lambda stop: stop.call.bits == 64 and _timespec(4, kind="timeval", updated=True)(stop),
    ),
    Follows(("pselect6", "pselect6_time64"), "the timeout", _timespec(4, 5, updated=True)),
    Follows(("epoll_wait",), "the timeout", _milliseconds(3)),
    Follows(("epoll_pwait",), "the timeout", _milliseconds(3, 4)),
    Follows(("epoll_pwait2",), "the timeout", _timespec(3, 4)),
    Follows(("rt_sigtimedwait", "rt_sigtimedwait_time64"), "the timeout", _rt_sigtimedwait),
    Follows(
        ("futex", "futex_time64"),
        "the timeout: of mutexes, conditions, semaphores, pthread_join; not of a lock in a device's memory",
        _futex,
    ),
    Follows(("futex_waitv",), "the timeout", _futex_waitv),
    Follows(("pause",), "ends by a signal, of a timer for instance", _pause),
    Follows(("rt_sigsuspend",), "ends by a signal, of a timer for instance", _rt_sigsuspend),
    Follows(("alarm",), "SIGALRM", _alarm),
    Follows(("setitimer",), "ITIMER_REAL", _setitimer),
    Follows(("getitimer",), "ITIMER_REAL", _getitimer),
    Follows(
        ("timer_create",),
        "every clock but those of CPU time; SIGEV_SIGNAL, _NONE, _THREAD_ID and a C library's _THREAD",
        _timer_create,
    ),
    Follows(("timer_settime", "timer_settime64"), "relative and absolute, with interval", _timer_settime),
    Follows(("timer_gettime", "timer_gettime64"), "as set", _timer_gettime),
    Follows(("timer_getoverrun",), "0", _timer_getoverrun),
    Follows(("timer_delete",), "as set", _timer_delete),
    Follows(("timerfd_create",), "every clock but those of CPU time; the descriptor is an eventfd", _timerfd_create),
    Follows(("timerfd_settime", "timerfd_settime64"), "relative and absolute, with interval", _timerfd_settime),
    Follows(("timerfd_gettime", "timerfd_gettime64"), "as set", _timerfd_gettime),
)
"""The calls that follow virtual time."""

RULES: Final[dict[str, Rule]] = {name: follows.rule for follows in FOLLOWING for name in follows.names}


POLLING: Final = ("poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait", "epoll_pwait2")
"""Calls that wait for files."""

_WITH_TIMEOUT: Final = ("futex", "futex_time64", "futex_waitv")
CONDITIONS: Final[dict[str, tuple[When | Equal, ...]]] = {
    name: (When(3, _INT),) if name in _WITH_TIMEOUT else () for name in RULES
}
"""When these calls stop a program: always, or with a pointer to a timeout."""


def table() -> str:
    """Return the table of calls in docs/time-and-interrupts.md."""
    rows = [f"| {', '.join(f'`{name}`' for name in group.names)} | {group.how} |" for group in FOLLOWING]
    return "\n".join(["| calls | what follows |", "|---|---|", *rows])
