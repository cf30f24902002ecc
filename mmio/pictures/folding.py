"""Fold poll loops: runs of equal iterations, found while a trace is read.

Of all loops of up to `MAX_LOOP` accesses that begin at an access, the one is taken that saves the most rows. A loop
that continues is not held in memory: once two turns of the longest loop have passed, the shortest loop that still goes
on has the most to save of all that do (a longer one is a multiple of it, as two periods of one sequence have their
greatest common divisor as a period: Fine and Wilf, 1965), and later accesses only add to what it saves. So the choice
is the same as with the whole trace in memory, and a few thousand accesses are held whatever the length of the trace.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from attrs import frozen

from mmio.records.access import Access
from mmio.records.loops import MAX_LOOP, kind

MIN_REPEATS: Final = 3  # fewer say more when shown one by one
MOST_VALUES: Final = 1000  # that are distinguished; a counter that is polled has as many as there are polls
WINDOW: Final = 1000  # accesses read ahead at a time
_SURE: Final = MIN_REPEATS * MAX_LOOP
"""Accesses after which every loop that continues saves rows, and is a multiple of the shortest that does."""


@frozen(slots=True)
class Run:
    """The same accesses made `repeats` times over.

    `last`: the accesses of the last turn. `values`: for each of them, how many different values it had; one more than
    `MOST_VALUES` stands for any number above.
    """

    last: tuple[Access, ...]
    values: tuple[int, ...]
    repeats: int

    @property
    def count(self) -> int:
        """Return how many accesses this is in all."""
        return len(self.last) * self.repeats

    def times(self, values: int) -> str:
        """Return "" for a single access, else how often, with how many different values."""
        if self.repeats == 1:
            return ""
        several = f"over {MOST_VALUES:,}" if values > MOST_VALUES else f"{values:,}"
        return f"{self.repeats:,} times, {f'{several} values, ' if values > 1 else ''}last"

    def rows(self) -> Iterator[tuple[Access, str]]:
        """Iterate over the accesses of the last turn, each with how often it was made."""
        return zip(self.last, map(self.times, self.values), strict=True)


def alone(accesses: Iterable[Access]) -> Iterator[Run]:
    """Return a run for each access."""
    return (Run((access,), (1,), 1) for access in accesses)


def folded(accesses: Iterable[Access]) -> Iterator[Run]:
    """Cut a trace into runs: poll loops of up to `MAX_LOOP` accesses a turn, and single accesses between them."""
    source = iter(accesses)
    held: list[Access] = []
    keys: list[Hashable] = []
    at, more = 0, True
    while more or at < len(held):
        near = keys[at + 1 : at + 1 + MAX_LOOP]
        if len(near) == MAX_LOOP and keys[at] not in near:  # nearly every access of a driver that does not poll
            yield Run((held[at],), (1,), 1)
            at += 1
            continue
        ends = [_end(keys, at, length) for length in range(1, MAX_LOOP + 1)]
        length = max(range(1, MAX_LOOP + 1), key=lambda n: _saved(n, (ends[n - 1] - at) // n))
        if more and max(ends) == len(keys):  # a loop continues beyond what has been read
            if ends[length - 1] == len(keys) and len(keys) - at >= _SURE:
                loop = _Loop(keys[at : at + length])
                loop.follow(held[at:])
                more = loop.follow(source)
                yield loop.run()
                held, at = loop.begun, 0
                keys = list(map(kind, held))
            else:
                del held[:at], keys[:at]
                at = 0
                read = list(islice(source, WINDOW))
                more = bool(read)
                held += read
                keys += map(kind, read)
            continue
        loop = _Loop(keys[at : at + length])
        if (ends[length - 1] - at) // length < MIN_REPEATS:
            yield from alone(held[at : at + 1])
            at += 1
            continue
        end = at + (ends[length - 1] - at) // length * length
        loop.follow(held[at:end])
        yield loop.run()
        at = end


class _Loop:
    """A poll loop that is followed turn by turn.

    Args:
        keys: what the accesses of a turn have in common with those of the next.

    Attributes:
        begun: the accesses of a turn that is not finished, or that the last one taken does not belong to.
    """

    def __init__(self, keys: Sequence[Hashable]) -> None:
        self._keys = keys
        self.begun: list[Access] = []
        self._last: tuple[Access, ...] = ()
        self._values: list[set[int]] = [set() for _ in keys]
        self._repeats = 0

    def follow(self, accesses: Iterable[Access]) -> bool:
        """Take accesses up to the first that is not of the loop; return whether there was one."""
        for access in accesses:
            begun = self.begun
            begun.append(access)
            if kind(access) != self._keys[len(begun) - 1]:
                return True
            if len(begun) == len(self._keys):
                for values, made in zip(self._values, begun, strict=True):
                    if len(values) <= MOST_VALUES:
                        values.add(made.value)
                self._last, self.begun = tuple(begun), []
                self._repeats += 1
        return False

    def run(self) -> Run:
        """Return the turns that were finished."""
        return Run(self._last, tuple(map(len, self._values)), self._repeats)


def _end(keys: Sequence[Hashable], at: int, length: int) -> int:
    """Return where the `length` keys from `at` no longer follow each other."""
    end = at + length
    while end < len(keys) and keys[end] == keys[end - length]:
        end += 1
    return min(end, len(keys))


def _saved(length: int, repeats: int) -> int:
    """Return how many rows folding a loop of this length and number of turns saves."""
    return length * (repeats - 1) if repeats >= MIN_REPEATS else 0
