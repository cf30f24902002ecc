"""A prescaled counter with auto-reload and compare values, computed for any number of clocks at once.

RM0090, 18.3. The counter goes from 0 to its top, and then to 0, which is an *update*. Registers that are buffered
(*preloaded*) have their value in two places: as written, and as the counter uses it, which it takes at an update.
"""

from typing import Any, Final

CHANNELS: Final = (1, 2, 3, 4)
_CEN, _UDIS, _OPM, _ARPE = 0x01, 0x02, 0x08, 0x80  # of CR1
_UPDATE: Final = 0x01  # in a mask of flags; channel n is 1 << n


class Upcounter:
    """Counter, prescaler, and what they are compared with. Flags are masks as SR and DIER have them.

    Args:
        most: the highest value of the counter.

    Attributes:
        control: CR1, as the counter knows it.
        modes: CCMR1, and CCMR2 above.
        count: the counter.
        top: ARR as it is used.
        prescaler: PSC as it is used.
        compare: the CCRs as they are used.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.control = self.modes = 0
        self.count = 0
        self.top = most
        self.prescaler = 0
        self.compare = [0, 0, 0, 0]
        self._fraction = 0  # clocks since the counter last moved
        self._written: tuple[int, int, list[int]] = (most, 0, [0, 0, 0, 0])

    @property
    def period(self) -> int:
        """Return the clocks from update to update."""
        return (self.top + 1) * (self.prescaler + 1)

    @property
    def outputs(self) -> int:
        """Return the flags of those channels that compare, which is CCxS=0."""
        return sum(1 << channel for channel in CHANNELS if not self.modes >> 8 * (channel - 1) & 3)

    def take_unbuffered(self, written: tuple[int, int, list[int]]) -> None:
        """Take note of what was written (ARR, PSC, CCRs), and use what is not buffered."""
        self._written = written
        top, _, compare = written
        if not self.control & _ARPE:
            self.top = top
        for index, value in enumerate(compare):
            if not self.modes >> 8 * index & 0x08:  # OCxPE
                self.compare[index] = value

    def restart(self) -> int:
        """Go to 0 with the prescaler, as UG does, and return the update's flag."""
        self.count = self._fraction = 0
        return self._update()

    def run(self, clocks: int) -> int:
        """Count, and return the flags of what has happened."""
        flags = 0
        while clocks and self.control & _CEN and self.top:  # a top of 0 blocks the counter
            step = self.prescaler + 1
            counts = (self._fraction + clocks) // step
            before, last = self.count, self._last
            if counts < last + 1 - before:
                self._fraction = (self._fraction + clocks) % step
                self.count += counts
                return flags | self._matches(before + 1, self.count)
            clocks -= (last + 1 - before) * step - self._fraction
            flags |= self._overflow(before, last)
            if clocks >= self.period and self.control & _CEN and self.top:
                clocks %= self.period  # a whole period meets everything, and ends as it began
                flags |= self.outputs | (0 if self.control & _UDIS else _UPDATE)
        return flags

    def until(self, flags: int) -> int | None:
        """Return the clocks to the next moment at which one of these flags may come; None when none does."""
        flags &= self.outputs | (0 if self.control & _UDIS else _UPDATE)
        if not (flags and self.control & _CEN and self.top):
            return None
        counts = self._last + 1 - self.count
        for index, value in enumerate(self.compare):
            if flags & 2 << index and self.count < value <= self._last:
                counts = min(counts, value - self.count)
        return counts * (self.prescaler + 1) - self._fraction

    @property
    def _last(self) -> int:
        """Return the value before 0. A counter that is above its top goes all the way."""
        return self.top if self.count <= self.top else self._most

    def _matches(self, first: int, last: int) -> int:
        """Return the flags of the channels that the counter meets on its way."""
        met = sum(2 << index for index, value in enumerate(self.compare) if first <= value <= last)
        return met & self.outputs

    def _overflow(self, before: int, last: int) -> int:
        """Advance to 0, and return the flags. What is compared with more than the top matches here (CC1IF, 18.4.5)."""
        flags = self._matches(before + 1, last) | self._matches(self.top + 1, self._most)
        self.count = self._fraction = 0
        flags |= self._update()
        return flags | self._matches(0, 0)

    def _update(self) -> int:
        if self.control & _UDIS:
            return 0
        self.top, self.prescaler, compare = self._written
        self.compare = list(compare)
        if self.control & _OPM:
            self.control &= ~_CEN
        return _UPDATE

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        top, prescaler, compare = self._written
        return {
            "control": [self.control, self.modes],
            "now": [self.count, self._fraction],
            "used": [self.top, self.prescaler, *self.compare],
            "written": [top, prescaler, *compare],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take it all back."""
        self.control, self.modes = state["control"]
        self.count, self._fraction = state["now"]
        self.top, self.prescaler, *self.compare = state["used"]
        top, prescaler, *compare = state["written"]
        self._written = top, prescaler, compare
