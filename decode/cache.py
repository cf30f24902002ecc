"""Bounded caches: two generations of entries, look-ups without a lock, and no expensive step.

Clearing a full cache frees tens of thousands of objects in one call and makes everything in use again from nothing; an
LRU list writes at every hit. Here a hit is one look-up in a plain dict, `recent`. When that holds half of what the
cache may, its entries become the older generation; one that is looked up there returns to `recent`, and each new entry
evicts one that was not, those first that have been there for longest. So whatever the size, a new entry costs the
eviction of one other, and at the end of a generation a list of the keys.

A new entry is stored before an old one is freed: the objects freed make up for those made, the net number of
allocations that Python's garbage collector counts stays about 0, and a cache in use starts no collection.

Threads share a cache without locks. Every operation on a dict or list here is atomic, and what two threads can do to
each other costs entries, which are then made again; a fork or a signal handler in the middle does no other harm.
"""

from typing import Any, Final, Generic, TypeVar

SIZE: Final = 1 << 13
"""Entries a cache keeps unless it is told otherwise."""

_K = TypeVar("_K")
_V = TypeVar("_V")


class Cache(Generic[_K, _V]):
    """A map of at most `size` entries.

    Attributes:
        size: most entries; while threads add entries at the same moment there may be one more a thread.
        recent: the younger generation. Look here first; the object stays the same for the life of the cache.
    """

    __slots__ = ("_older", "_order", "recent", "size")

    def __init__(self, size: int = SIZE, recent: dict[_K, _V] | None = None) -> None:
        """Start with no entries.

        Args:
            size: most entries, at least 1.
            recent: an empty dict to use as `recent`, of any subclass.

        Raises:
            ValueError: `size` is less than 1.
            TypeError: `size` is no int.
        """
        self.size = checked_size(size)
        self.recent: dict[_K, _V] = {} if recent is None else recent
        self._older: dict[_K, _V] = {}
        self._order: list[_K] = []  # keys of `_older` to be evicted, the next one at the end

    def __len__(self) -> int:
        return len(self.recent) + len(self._older)

    def find(self, key: _K) -> _V | None:
        """Return the value of a key in either generation, None when it is in neither."""
        value = self.recent.get(key)
        if value is None:
            value = self._older.pop(key, None)
            if value is not None:
                self.recent[key] = value
        return value

    def keep(self, key: _K, value: _V) -> None:
        """Store a value, then evict what is too much."""
        self.recent[key] = value
        while len(self.recent) + len(self._older) > self.size:
            try:
                self._older.pop(self._order.pop(), None)  # None: it was looked up since, and is in `recent`
            except IndexError:
                self._end_generation()
        if 2 * len(self.recent) > self.size:
            self._end_generation()

    def clear(self) -> None:
        """Drop every entry."""
        self._order.clear()
        self._older.clear()
        self.recent.clear()

    def _end_generation(self) -> None:
        """Move `recent` to the older generation."""
        self._older.update(self.recent)
        order = list(self._older)
        order.reverse()
        self._order = order
        self.recent.clear()


def checked_size(size: Any) -> int:
    """Return a cache size that makes sense.

    Raises:
        ValueError: it is less than 1.
        TypeError: it is no int.
    """
    if not isinstance(size, int):
        raise TypeError(f"the size of a cache is an int, not {type(size).__name__}")
    if size < 1:
        raise ValueError(f"a cache has room for at least 1 entry, not {size}")
    return size
