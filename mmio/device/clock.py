"""Virtual time: a clock that advances only on request, and calls the functions that become due.

A device model that counts, times out or transmits at a baud rate needs time, and a test needs the same time in every
run. So time is an int of nanoseconds that nothing moves but `advance` and its like, and what a policy names: accesses,
polls, or the host's clock. Calls are made in order of their time, and at one time in order of their making, so a run
can be repeated exactly, unless the policy is the host's clock.

A call may make and cancel timers. It may not advance the clock, because the calls between its own time and the new one
would then run inside it, out of order as seen from it. Such an attempt is an error.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from heapq import heapify, heappop, heappush
from time import monotonic_ns
from typing import Final

from attrs import frozen

from mmio.arguments import integer, shortened
from mmio.device.durations import ms as ms
from mmio.device.durations import seconds as seconds
from mmio.device.durations import us as us
from mmio.device.time_policy import HostTime, PerAccess, PerPoll, Still, TimePolicy, time_policy
from mmio.device.timer import Call as Call
from mmio.device.timer import Timer as Timer
from mmio.errors import MmioError

__tracebackhide__ = True  # pytest reports a failure of a model, not of the clock that called it

STORM: Final = 100_000  # calls at one time after which they are taken for ones that make each other for ever

_NEVER: Final = 1 << 127  # ns


class ClockError(MmioError, RuntimeError):
    """A clock cannot advance: it is advancing already, or the expected event does not happen."""


@frozen(eq=False)
class ClockState:
    """A clock's time and the calls that are due, as `Clock.snapshot` has found them.

    Attributes:
        clock: whose state it is.
        now: the time in ns.
        due: the timers, each with the time of its next call.
    """

    clock: "Clock"
    now: int
    due: tuple[tuple[int, Timer], ...]


class Clock:
    """Virtual time in nanoseconds, from 0, and the calls that are due.

        clock = Clock()
        clock.after(us(50), lambda: uart.sent())
        clock.run_for(ms(1))

    Args:
        per_access: ns that each access to a device takes; short for the policy `PerAccess`.
        policy: what else advances it: "still" (nothing, which it is when left out), "access:100ns", "poll:1us",
            "host", "host:10", or one of `mmio.device.time_policy`. It holds for devices that get the clock before
            they are mapped.

    Raises:
        TypeError: `per_access` is no int, or the policy none.
        ValueError: it is negative; there is no such policy, or both are given.
    """

    def __init__(self, per_access: int = 0, policy: TimePolicy | str | None = None) -> None:
        per_access = integer("per_access", per_access, least=0)
        if per_access and policy is not None:
            raise ValueError(f"give per_access or a policy, not both; got {per_access} and {shortened(policy)}")
        given = (PerAccess(per_access) if per_access else Still()) if policy is None else time_policy(policy)
        self._policy = given
        self._per_access = given.duration if isinstance(given, PerAccess) else 0
        self._per_poll = given.duration if isinstance(given, PerPoll) else 0
        self._factor = given.factor if isinstance(given, HostTime) else 0.0
        self._began = monotonic_ns() if self._factor else 0
        self._now = 0
        self._made = 0  # timers so far; numbers them
        self._heap: list[tuple[int, int, Timer]] = []  # due, number; stale where the timer is not due then any more
        self._stale = 0
        self._advancing = False
        self._calls_now = 0
        self._alarm = 0
        self._set_alarm()

    @property
    def now(self) -> int:
        """The time in ns; during a call, the time that the call was due."""
        return self._now

    @property
    def policy(self) -> TimePolicy:
        """The policy by which the clock advances, besides `advance` and `run_for`."""
        return self._policy

    @property
    def per_access(self) -> int:
        """The ns that an access takes."""
        return self._per_access

    @property
    def is_advancing(self) -> bool:
        """Return whether a call is being made."""
        return self._advancing

    @property
    def next_due(self) -> int | None:
        """The time of the next call in ns, or None when there is none."""
        heap = self._heap
        while heap and heap[0][2]._due != heap[0][0]:
            heappop(heap)
            self._stale -= 1
        return heap[0][0] if heap else None

    def after(self, delay: int, call: Call) -> Timer:
        """Make a call once, some time from now.

        Args:
            delay: ns from now. 0 is within the next advance, one to the present time too.
            call: is called without arguments; `now` is then the time it was due.

        Returns:
            The timer, to cancel it by.

        Raises:
            TypeError: the delay is no int, or the call cannot be called.
            ValueError: the delay is negative.
        """
        return self._timer(integer("delay", delay, least=0), 0, call)

    def every(self, period: int, call: Call) -> Timer:
        """Make a call periodically, first after one period.

        Args:
            period: ns between two calls, from 1.
            call: as in `after`. It may cancel its own timer.

        Returns:
            The timer, to cancel it by.

        Raises:
            TypeError: the period is no int, or the call cannot be called.
            ValueError: the period is less than 1.
        """
        period = integer("period", period, least=1)
        return self._timer(period, period, call)

    def advance(self, to: int) -> None:
        """Advance to a time and make the calls that are due until then, that time included.

        An exception out of a call comes out of here. The time is then that of the call, and whatever else is due
        stays due.

        Args:
            to: the time in ns, as `now` has it.

        Raises:
            TypeError: it is no int.
            ValueError: it has passed.
            ClockError: the clock is being advanced already, by what made this call; or calls at one time make each
                other for ever.
        """
        to = integer("to", to)
        if to < self._now:
            raise ValueError(f"to is a time from now on, {self._now} ns, not {to} ns: a clock does not go back")
        with self._moving():
            while self._step(to):
                pass
            self._now = to

    def run_for(self, duration: int) -> None:
        """Advance by some time.

        Args:
            duration: in ns, from 0.

        Raises:
            TypeError: it is no int.
            ValueError: it is negative.
            ClockError: as of `advance`.
        """
        self.advance(self._now + integer("duration", duration, least=0))

    def run_until(self, condition: Callable[[], object], limit: int | None = None) -> int:
        """Advance from call to call until a condition holds. Nothing happens when it holds at once.

        Args:
            condition: is asked before the first call and after each.
            limit: the longest time to continue for, in ns from now; no limit when left out.

        Returns:
            The time in ns.

        Raises:
            TypeError: the condition cannot be called, or the limit is no int.
            ValueError: the limit is negative.
            ClockError: nothing is due any more, or not within the limit, and the condition does not hold; or as of
                `advance`.
        """
        if not callable(condition):
            raise TypeError(f"condition is a function without arguments, not {shortened(condition)}")
        start = self._now
        end = None if limit is None else start + integer("limit", limit, least=0)
        with self._moving():
            while not condition():
                due = self.next_due
                if due is None:
                    raise ClockError(
                        f"nothing is due after {self._now} ns, and the condition does not hold: no timer is left that "
                        "could change anything"
                    )
                if end is not None and due > end:
                    self._now = end
                    raise ClockError(
                        f"the condition does not hold at {end} ns, {limit} ns (the limit) after the start at {start} "
                        f"ns; the next call is due at {due} ns"
                    )
                self._step(due)
        return self._now

    def advance_to_next(self) -> bool:
        """Advance to the time of the next call, and make every call of that time; as a CPU asleep in WFI does.

        Returns:
            False when nothing is due; the time is then as it was.

        Raises:
            ClockError: as of `advance`.
        """
        due = self.next_due
        self.advance(self._now if due is None else due)
        return due is not None

    def access(self) -> None:
        """Add the time that an access to a device takes; for the bus, once an access. See `spend`."""
        if self._per_access:
            self.spend(self._per_access)
        elif self._factor:
            self.catch_up()

    def spend(self, duration: int) -> None:
        """Advance by some time, or not at all while a call is being made: what takes time is then a model's own work.

        Args:
            duration: in ns, from 0; the bus has checked it.
        """
        if not self._advancing:
            to = self._now + duration
            if self._heap and self._heap[0][0] <= to:
                self.advance(to)
            else:
                self._now = to
                self._set_alarm()

    def poll(self) -> None:
        """Add the time that a poll takes; for the bus, once a poll. See `spend`."""
        if self._per_poll:
            self.spend(self._per_poll)

    def catch_up(self) -> None:
        """Advance to the host's time, where the clock follows that; nothing otherwise, or during an advance."""
        if self._factor and not self._advancing:
            self.advance(max(self._now, int((monotonic_ns() - self._began) * self._factor)))

    def snapshot(self) -> ClockState:
        """Return the time and the calls that are due, for `restore`.

        The state holds the calls themselves, so it belongs to this process; see `mmio.checkpoint` for a clock together
        with its devices.
        """
        due = [(when, timer) for when, _, timer in sorted(self._heap) if timer._due == when]
        return ClockState(self, self._now, tuple(due))

    def restore(self, state: ClockState) -> None:
        """Return to a snapshot: its time, and its calls, due as they were then.

        Timers made since are not due any more; those called or cancelled since are due again.

        Args:
            state: of this clock.

        Raises:
            TypeError: it is no state of a clock.
            ValueError: it is that of another clock.
            ClockError: the clock is being advanced.
        """
        if not isinstance(state, ClockState):
            raise TypeError(f"state is what Clock.snapshot() has returned, not {shortened(state)}")
        if state.clock is not self or any(timer._clock is not self for _, timer in state.due):
            raise ValueError(f"state is that of another clock, at {state.now} ns: restore it there")
        if self._advancing:
            raise ClockError(f"the clock is being advanced, and is at a call due at {self._now} ns: restore it later")
        for _, _, timer in self._heap:
            timer._due = None
        for due, timer in state.due:
            timer._due = due
        self._heap = [(due, timer._number, timer) for due, timer in state.due]
        heapify(self._heap)
        self._stale = 0
        self._now = state.now
        self._set_alarm()
        if self._factor:
            self._began = monotonic_ns() - int(self._now / self._factor)

    def _timer(self, delay: int, period: int, call: Call) -> Timer:
        if not callable(call):
            raise TypeError(f"call is a function without arguments, not {shortened(call)}")
        self._made += 1
        timer = Timer(self, self._made, self._now + delay, period, call)
        heappush(self._heap, (self._now + delay, self._made, timer))
        self._set_alarm()
        return timer

    @contextmanager
    def _moving(self) -> Iterator[None]:
        if self._advancing:
            raise ClockError(
                f"the clock is being advanced already, and is at a call due at {self._now} ns: a call may use after(), "
                "every() and cancel(), and must not advance the clock that calls it"
            )
        self._advancing = True
        self._set_alarm()
        self._calls_now = 0
        try:
            yield
        finally:
            self._advancing = False
            self._set_alarm()

    def _set_alarm(self) -> None:
        """Set the time from which on an access has to ask: the next call is due, or any time will do."""
        if self._advancing or self._factor:
            self._alarm = 0
        else:
            self._alarm = self._heap[0][0] if self._heap else _NEVER

    def _step(self, to: int) -> bool:
        """Make the next call if it is due by a time. The timer is in order before the call is made."""
        due = self.next_due
        if due is None or due > to:
            return False
        timer = heappop(self._heap)[2]
        self._calls_now = self._calls_now + 1 if due == self._now else 1
        self._now = due
        if self._calls_now > STORM:
            heappush(self._heap, (due, timer._number, timer))
            raise ClockError(
                f"{STORM} calls at {due} ns, and there are more: calls make each other, and no time passes"
            )
        if timer._period:
            timer._due = due + timer._period
            heappush(self._heap, (timer._due, timer._number, timer))
        else:
            timer._due = None
        timer._call()
        return True

    def _tidy(self) -> None:
        """Count a timer that was cancelled; drop all of those once they are most of the heap."""
        self._stale += 1
        if self._stale > 64 and 2 * self._stale > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2]._due == entry[0]]
            heapify(self._heap)
            self._stale = 0

    def _take_over(self, other: "Clock") -> None:
        """Make the calls of another clock from now on, each as long from now as it was there."""
        ahead = self._now - other._now
        for due, _, timer in sorted(other._heap):
            if timer._due == due:
                self._made += 1
                timer._clock, timer._number, timer._due = self, self._made, due + ahead
                heappush(self._heap, (due + ahead, self._made, timer))
        other._heap = []
        other._stale = 0
        self._set_alarm()
        other._set_alarm()

    def __repr__(self) -> str:
        due = self.next_due
        return f"<Clock: {self._now} ns, {'nothing is due' if due is None else f'next call at {due} ns'}>"
