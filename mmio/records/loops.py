"""Recognise polling while it happens: a short sequence of accesses that repeats.

A loop is known after its second turn, by keys that say what counts as the same. From then on every access costs one
comparison, however long the loop continues. Outside of loops, a key that is none of the last few costs a look at these.
"""

from collections import deque
from collections.abc import Hashable, Sequence
from typing import Final, Generic, TypeVar

from mmio.records.access import Access

MAX_LOOP: Final = 4  # accesses in one turn of a poll loop: select and read of an index/data pair, twice

Key = TypeVar("Key")


class Loop(Generic[Key]):
    """Follows a sequence of keys, and knows when it repeats itself.

    Attributes:
        length: how many keys make a turn; 0 while there is no loop.
        count: how many keys the loop has had so far.
    """

    def __init__(self, longest: int = MAX_LOOP) -> None:
        self.length = 0
        self.count = 0
        self._longest = longest
        self._recent: deque[Key] = deque(maxlen=2 * longest)  # as many as may make two turns, the latest first

    @property
    def turns(self) -> int:
        """Return how many times the loop has been gone through from start to end."""
        return self.count // self.length if self.length else 0

    @property
    def turn(self) -> Sequence[Key]:
        """The latest keys, as many as make a turn, in the order in which they came."""
        return list(self._recent)[: self.length][::-1]

    def follows(self, key: Key) -> bool:
        """Take the next key, and return whether it is the one that the loop continues with."""
        recent, length = self._recent, self.length
        if length and key == recent[length - 1]:
            recent.appendleft(key)
            self.count += 1
            return True
        self.length = self.count = 0
        # Most keys of a driver that does not poll are none of the recent ones, and end no second turn.
        back = recent.index(key) + 1 if key in recent else 0
        recent.appendleft(key)
        if 0 < back <= self._longest:
            self._recognise(back)
        return False

    def _recognise(self, shortest: int) -> None:
        """See whether the latest keys are two turns of a loop; the latest one was there `shortest` keys ago."""
        recent = list(self._recent)
        for length in range(shortest, self._longest + 1):
            if recent[:length] == recent[length : 2 * length]:
                self.length, self.count = length, 2 * length
                break


def kind(access: Access) -> Hashable:
    """Return what two accesses have in common that are made at the same place of two turns of a poll loop.

    What is read may differ, that is what polling waits for.
    """
    written = access.value if access.writes else None
    return access.direction, access.space, access.address, access.width, access.ip, access.thread, written
