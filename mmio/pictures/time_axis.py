"""Places of times along a picture.

A driver makes fifty accesses in a millisecond and then waits for a second. On an even axis the fifty are one line and
nothing can be written beside them. So of a trace with few times a part of the width is shared among the accesses, each
as much, and the rest is time: what comes later stands further right, and a wait is still seen, but bursts are wide.
A trace with many has an even axis.
"""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

SHARED: Final = 0.7  # of the width, of a trace with few times
FEW: Final = 100
MANY: Final = 1000


class TimeAxis:
    """An axis from 0 to 1.

    Args:
        times: in ns, of all that is to be drawn; there is at least one.

    Attributes:
        start, end: the first and the last time.
        even: distances are times.
    """

    def __init__(self, times: Iterable[int]) -> None:
        self._times = sorted(set(times))
        self.start, self.end = self._times[0], self._times[-1]
        gaps = max(len(self._times) - 1, 1)
        shared = SHARED * min(max((MANY - gaps) / (MANY - FEW), 0), 1)
        self.even = shared == 0
        span = max(self.end - self.start, 1)
        self._places = [0.0]
        for one, other in pairwise(self._times):
            self._places.append(self._places[-1] + shared / gaps + (1 - shared) * (other - one) / span)

    def place(self, time: int) -> float:
        """Return the place of a time; one outside of the axis is at its end."""
        after = bisect_right(self._times, time)
        if after == 0:
            return 0.0
        if after == len(self._times):
            return self._places[-1]
        low, high = self._times[after - 1], self._times[after]
        part = (time - low) / (high - low)
        return self._places[after - 1] + part * (self._places[after] - self._places[after - 1])

    def time(self, place: float) -> float:
        """Return the time at a place of the axis, in ns since its start."""
        after = min(max(bisect_right(self._places, place), 1), len(self._places) - 1)
        if len(self._places) == 1:
            return 0.0
        low, high = self._places[after - 1], self._places[after]
        part = min(max((place - low) / (high - low), 0), 1) if high > low else 0
        return self._times[after - 1] + part * (self._times[after] - self._times[after - 1]) - self.start
