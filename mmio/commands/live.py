"""Accesses on the terminal as they happen: coloured, and with polling folded."""

import os
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final, TextIO

from mmio.pictures.live import Live, Piece
from mmio.pictures.table import Resolver
from mmio.records.access import Access
from mmio.records.events import Record
from mmio.records.loops import Loop, kind

_STYLES: Final = {
    "time": "dim",
    "thread": "dim",
    "address": "dim",
    "register": "bold",
    "times": "magenta",
    "value": "cyan",
    "ip": "dim",
    "instruction": "dim",
}
_DIRECTIONS: Final = {"R": "green", "W": "yellow", "RW": "red"}


def live(stream: TextIO, resolve: Resolver, *, fold: bool = False) -> Live:
    """Return a sink that prints every access: in colours on a terminal, if rich is there and nothing forbids it.

    NO_COLOR forbids it (no-color.org), and so does a TERM that is dumb.
    """
    if stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
        try:
            from rich.console import Console
        except ImportError:
            return Live(stream, resolve, fold=fold)
        console = Console(file=stream, highlight=False, soft_wrap=True, markup=False, emoji=False)
        return ColouredLive(stream, resolve, console.print, fold=fold)
    return Live(stream, resolve, fold=fold)


class ColouredLive(Live):
    """Prints accesses in colours: directions differ, and what matters less is dim.

    `output` is called with a `rich.text.Text` a line.
    """

    def __init__(self, stream: TextIO, resolve: Resolver, output: Callable[[Any], None], *, fold: bool = False) -> None:
        super().__init__(stream, resolve, fold=fold)
        self._output = output

    def _print(self, pieces: Sequence[Piece]) -> None:
        from rich.text import Text

        text = Text()
        for title, piece in pieces:
            text.append(piece, _DIRECTIONS[piece] if title == "R/W" else _STYLES.get(title, ""))
        text.rstrip()
        self._output(text)


class Folded:
    """Prints what happens with poll loops as one row for each of their accesses.

    The first two turns of a loop are printed as they are, since a loop cannot be recognised yet. Then only its count is
    told ("998 more"), at ten, a hundred, a thousand turns and so on, and when it ends, each time with what came last.
    """

    def __init__(self, live: Live) -> None:
        self._live = live
        self._loops: dict[int, _Folding] = {}

    def write(self, record: Record) -> None:
        """Print an access, unless it continues with a loop."""
        if isinstance(record, Access):
            folding = self._loops.get(record.thread)
            if folding is None:
                folding = self._loops[record.thread] = _Folding(self._live)
            folding.see(record)

    def close(self) -> None:
        """Print what is still going on."""
        for folding in self._loops.values():
            folding.end()


class _Folding:
    """The folding of one thread's accesses: what has been held back of the loop it is in."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._loop: Loop[Hashable] = Loop()
        self._begin()

    def _begin(self) -> None:
        self._turn: list[Access] = []  # the accesses of the turn under way
        self._last: list[Access] = []  # those of the turn before
        self._repeats = self._told = 0  # turns that were held back, and how many of them have been told of
        self._next = 10

    def see(self, access: Access) -> None:
        """Print an access or hold it back."""
        if not self._loop.follows(kind(access)):
            self.end()
            self._live.show(access)
            return
        self._turn.append(access)
        if len(self._turn) == self._loop.length:
            self._last, self._turn = self._turn, []
            self._repeats += 1
            if self._repeats == self._next:
                self._next *= 10
                self._tell()

    def end(self) -> None:
        """Print what was held back, a whole turn as often as there were."""
        if self._repeats > self._told:
            self._tell()
        for access in self._turn:
            self._live.show(access)
        self._begin()

    def _tell(self) -> None:
        self._told = self._repeats
        times = f"{self._repeats:,} more" if self._repeats > 1 else ""
        for access in self._last:
            self._live.show(access, times)
