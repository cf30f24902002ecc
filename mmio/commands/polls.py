"""Report a program that polls a value which never changes, while it does so.

A device model that always answers the same is the usual mistake of a first model, and looks like a program that hangs.
"""

from collections.abc import Callable
from typing import Final, TextIO, TypeAlias

from attrs import evolve, frozen

from mmio.commands.messages import complain
from mmio.pictures.table import Resolver
from mmio.records.access import Access
from mmio.records.events import Record
from mmio.records.loops import Loop
from mmio.records.spot import Spot, Spots

FIRST: Final = 10_000
"""Turns of a loop after which it is told of: a fraction of a second, more than any polite driver needs."""

SHOWN: Final = 3  # polls told of at the end, the longest first


@frozen
class Poll:
    """A loop of accesses in which everything was always the same: `reads`, made so many `times` over."""

    reads: tuple[Access, ...]
    times: int

    def told(self, resolve: Resolver, *, still: bool) -> str:
        """Return what is read, what comes, how often, and where in the program."""
        places = " and ".join(access.place for access in self.reads)
        values = " and ".join(access.shown for access in self.reads)
        ips = " and ".join(dict.fromkeys(resolve(access.ip) for access in self.reads if access.ip))
        verb = ("is" if len(self.reads) == 1 else "are") if still else ("was" if len(self.reads) == 1 else "were")
        so_far = " so far" if still else ""
        return f"{places} {verb} polled: {values} each of {self.times:,} times{so_far}" + (f", at {ips}" if ips else "")


class Polls:
    """A sink that reports loops which read the same for ever: after `FIRST` turns, then each time at ten times as many.

    `stream`: where reports go. `resolve`: names instruction pointers.
    """

    def __init__(self, stream: TextIO, resolve: Resolver) -> None:
        self._stream = stream
        self._resolve = resolve
        self._spots = Spots()
        self._threads: dict[int, _Spinning] = {}
        self._longest: list[Poll] = []

    def write(self, record: Record) -> None:
        """See an access."""
        if isinstance(record, Access):
            self.take(self._spots.of(record), record.sequence, record.time, record.value, record.old)

    def take(self, spot: Spot, sequence: int, time: int, value: int, old: int | None) -> None:
        """Take an access without building an `Access`."""
        spinning = self._threads.get(spot.thread)
        if spinning is None:
            spinning = self._threads[spot.thread] = _Spinning(self._ended)
        poll = spinning.see((spot, value, old))
        if poll is not None:
            told = poll.told(self._resolve, still=True)
            complain(f"{told}; the program may wait for ever", self._stream)

    def close(self) -> None:
        """Report the longest polls there were, those too that had an end."""
        for spinning in self._threads.values():
            spinning.end()
        for poll in self._longest:
            complain(poll.told(self._resolve, still=False), self._stream)

    def _ended(self, poll: Poll) -> None:
        """Keep a poll if it is one of the longest; those that are as long came first."""
        self._longest = sorted([*self._longest, poll], key=lambda poll: -poll.times)[:SHOWN]


_Made: TypeAlias = tuple[Spot, int, int | None]  # an access without what differs each time: its number and its time


class _Spinning:
    """One thread's loop, in which every access is the same as in the turn before but for its number and time."""

    def __init__(self, ended: Callable[[Poll], None]) -> None:
        self._loop: Loop[_Made] = Loop()
        self._ended = ended
        self._told: Poll | None = None
        self._next = FIRST

    def see(self, made: _Made) -> Poll | None:
        """Return the poll there is to report."""
        loop = self._loop
        length, count = loop.length, loop.count
        if loop.follows(made):
            return self._reported() if loop.count >= self._next * length else None
        if self._next > FIRST:
            self._finish(count // length)
        return None

    def end(self) -> None:
        """No more accesses come."""
        self._finish(self._loop.turns)

    def _reported(self) -> Poll | None:
        self._next *= 10
        self._told = _poll(self._loop)
        return self._told

    def _finish(self, turns: int) -> None:
        if self._told is not None:
            self._ended(evolve(self._told, times=turns))
        self._told, self._next = None, FIRST


def _poll(loop: Loop[_Made]) -> Poll | None:
    """Return a loop as a poll; None when it only writes, which fills a device and waits for nothing."""
    turn = [spot.access(0, 0, value, old) for spot, value, old in loop.turn]
    reads = {(access.place, access.shown): access for access in turn if access.reads}
    return Poll(tuple(reads.values()), loop.turns) if reads else None
