"""Timers: the calls to come of a clock, and its state."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

if TYPE_CHECKING:
    from mmio.device.clock import Clock

Call: TypeAlias = Callable[[], object]


class Timer:
    """A call to come, or one that comes again and again; made by `Clock.after` and `Clock.every`."""

    __slots__ = ("_call", "_clock", "_due", "_number", "_period")

    def __init__(self, clock: "Clock", number: int, due: int, period: int, call: Call) -> None:
        self._clock = clock
        self._number = number
        self._due: int | None = due
        self._period = period
        self._call = call

    @property
    def due(self) -> int | None:
        """The time of the next call in ns; None when there is none: it was made, or cancelled."""
        return self._due

    def cancel(self) -> None:
        """Make no call any more. Cancelling twice, or after the call, is allowed and does nothing."""
        if self._due is not None:
            self._due = None
            self._clock._tidy()

    def __repr__(self) -> str:
        if self._due is None:
            return "<Timer: not due>"
        return f"<Timer: due at {self._due} ns{f', every {self._period} ns' if self._period else ''}>"


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
