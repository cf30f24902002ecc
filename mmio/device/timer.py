"""Timers: the calls to come of a clock."""

from collections.abc import Callable
from typing import Protocol, TypeAlias

Call: TypeAlias = Callable[[], object]


class Keeper(Protocol):
    """Interface of a clock that has timers."""

    def _tidy(self) -> None:
        """Count a timer that was cancelled."""


class Timer:
    """A call to come, or one that comes again and again; made by `Clock.after` and `Clock.every`."""

    __slots__ = ("_call", "_clock", "_due", "_number", "_period")

    def __init__(self, clock: Keeper, number: int, due: int, period: int, call: Call) -> None:
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
