"""A trace on the terminal, line by line as it happens, with the line of C that makes each access; in colour if it can.

A sink: the trace calls `write` with each access, and with the marks between them, which become headings. A loop is
printed twice; then it is only counted, and told of when it ends.
"""

import shutil
import sys
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TypeAlias

from mmio import Access, Symbols
from mmio.records.events import Mark, Record
from mmio.records.loops import Loop

Piece: TypeAlias = tuple[str, str]  # text, and its style where there is colour

STYLES = {"R": "green", "W": "red", "RW": "magenta"}
LONGEST = 8  # accesses in a turn of a loop
WIDTH = 110  # where there is no terminal


class Screen:
    """Prints accesses and headings to standard output.

    Args:
        symbols: say where an instruction is.
        source: of the driver, for its lines.
    """

    def __init__(self, symbols: Symbols, source: Path) -> None:
        self._symbols = symbols
        self._source = source.name
        self._lines = [line.strip() for line in source.read_text().splitlines()]
        self._print = _printer()
        self._width = shutil.get_terminal_size((WIDTH, 0)).columns if sys.stdout.isatty() else WIDTH
        self._begin()

    def _begin(self) -> None:
        self._loop: Loop[Hashable] = Loop(LONGEST)
        self._held: list[Access] = []  # accesses of a loop that were not printed
        self._turn = 1  # accesses in one turn of it

    def write(self, record: Record) -> None:
        """Print one record of a trace."""
        if isinstance(record, Mark):
            self.heading(record.text)
        elif isinstance(record, Access):
            if self._loop.follows((record.letter, record.offset, record.width, record.ip)):
                self._held.append(record)
                self._turn = self._loop.length
            else:
                self._tell()
                self._access(record)

    def _access(self, access: Access) -> None:
        place, line = self.place(access.ip), self._line(access.ip)
        value = f"{access.shown} {access.fields or access.notes}".rstrip()
        room = max(self._width - 1 - len(f"  R 4  {'':<10} {'':<34} {'':<10}"), 0)
        self._print(
            (f"  {access.letter} {access.width}  ", STYLES[access.letter]),
            (f"{access.register:<10} ", "bold"),
            (f"{value:<34} ", STYLES[access.letter]),
            (f"{place:<10} ", "cyan"),
            (_cut(line, room), "") if line else (_cut(access.text, room), "dim"),
        )

    def _tell(self) -> None:
        """Tell of the turns of a loop that were not printed."""
        turns = len(self._held) // self._turn
        whole = turns * self._turn if turns > 1 else 0
        if whole:
            last = self._held[whole - 1]
            value = f"{last.shown} {last.fields}".rstrip()
            self._print((f"       ... {turns} times more, last: {last.register} {value}", "dim"))
        for access in self._held[whole:]:
            self._access(access)
        self._held = []

    def place(self, ip: int) -> str:
        """Name an instruction pointer by its source line, or else by its function or library."""
        location = self._symbols.locate(ip)
        if location is None:
            return f"{ip:#x}"
        return location.line or location.symbol or location.module

    def _line(self, ip: int) -> str:
        """Return the line of the driver's source that an instruction is of, "" when it is of no line."""
        file, _, number = self.place(ip).partition(":")
        return self._lines[int(number) - 1] if file == self._source and number.isdecimal() else ""

    def heading(self, text: str) -> None:
        """Print a heading."""
        self._tell()
        self._begin()
        self._print(("\n" + text, "bold yellow"))

    def text(self, text: str, style: str = "") -> None:
        """Print plain text."""
        self._print((text, style))


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: max(room - 3, 0)]}..."


def _printer() -> Callable[..., None]:
    """Return what prints pieces as one line: rich on a terminal if it is installed, else plain text."""
    if sys.stdout.isatty():
        try:
            from rich.console import Console
            from rich.text import Text
        except ImportError:
            pass
        else:
            console = Console(highlight=False)
            return lambda *pieces: console.print(Text.assemble(*pieces), soft_wrap=True)
    return lambda *pieces: print("".join(text for text, _ in pieces).rstrip(), flush=True)
