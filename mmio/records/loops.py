"""Recognising that a driver polls, while it does: the same few accesses again and again.

A loop is known after its second turn, by keys that say what counts as the same. From then on every access costs one
comparison, however long the loop goes on.
"""

from collections.abc import Hashable
from typing import Final

from mmio.records.access import Access

MAX_LOOP: Final = 4  # accesses in one turn of a poll loop: select and read of an index/data pair, twice


class Loop:
    """Follows a sequence of keys, and knows when it repeats itself.

    Attributes:
        length: how many keys make a turn; 0 while there is no loop.
        count: how many keys the loop has had so far.
    """

    def __init__(self, longest: int = MAX_LOOP) -> None:
        self.length = 0
        self.count = 0
        self._longest = longest
        self._recent: list[Hashable] = []  # as many as may make two turns
        self._turn: list[Hashable] = []

    @property
    def turns(self) -> int:
        """How many times the loop has been gone through from start to end."""
        return self.count // self.length if self.length else 0

    def follows(self, key: Hashable) -> bool:
        """Take the next key, and return whether it is the one that the loop goes on with."""
        if self.length:
            if key == self._turn[self.count % self.length]:
                self.count += 1
                return True
            # The loop may have been a part of a longer one, such as the equal ones of two reads and a write.
            since = max(2 * self.length, self.count - 2 * self._longest)
            self._recent += [self._turn[number % self.length] for number in range(since, self.count)]
            self.length = self.count = 0
        recent = self._recent
        recent.append(key)
        del recent[: -2 * self._longest]
        for length in range(1, len(recent) // 2 + 1):
            if recent[-length:] == recent[-2 * length : -length]:
                self._turn = recent[-length:]
                self.length, self.count = length, 2 * length
                break
        return False


def kind(access: Access) -> Hashable:
    """Return what two accesses have in common that are made at the same place of two turns of a poll loop.

    What is read may differ, that is what polling waits for.
    """
    written = access.value if access.writes else None
    return access.direction, access.space, access.address, access.width, access.ip, access.thread, written
