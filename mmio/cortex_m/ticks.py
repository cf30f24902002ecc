"""Counter of a frequency's ticks, computed from the time; nothing is executed at a tick.

Counters at a core's frequency are computed from it when they are looked at, so that time passes in steps as large as
the program's. All is in whole numbers: tick n is at the first ns that is not before n periods, for any frequency.
"""

from collections.abc import Callable
from typing import Final

from mmio.arguments import integer
from mmio.device.clock import Clock

_SECOND: Final = 1_000_000_000


class Ticks:
    """The ticks of a frequency since the clock's time when it was made.

    Args:
        clock: the time.
        frequency: in Hz, from 1.
    """

    def __init__(self, clock: Clock, frequency: int) -> None:
        self.clock = clock
        self._frequency = integer("frequency", frequency, least=1)
        self._since = clock.now  # the time of tick _before
        self._before = 0
        self._listeners: list[Callable[[], object]] = []

    @property
    def frequency(self) -> int:
        """The frequency in Hz. May be changed at any time: the ticks so far stay, the one under way starts anew."""
        return self._frequency

    @frequency.setter
    def frequency(self, frequency: int) -> None:
        frequency = integer("frequency", frequency, least=1)
        self._before, self._since = self.count, self.clock.now
        self._frequency = frequency
        for listener in self._listeners:
            listener()

    @property
    def count(self) -> int:
        """The number of ticks until now, that of this very ns included."""
        return self._before + (self.clock.now - self._since) * self._frequency // _SECOND

    def delay(self, count: int) -> int:
        """Return the ns from now until a tick.

        Args:
            count: number of the tick, as `count` has it. Of one that has passed the delay is 0.
        """
        at = self._since - -(count - self._before) * _SECOND // self._frequency
        return max(0, at - self.clock.now)

    def subscribe(self, listener: Callable[[], object]) -> None:
        """Call a function after each change of the frequency.

        Args:
            listener: is called without arguments.
        """
        self._listeners.append(listener)
