"""A trace on the terminal, line by line as it happens; in colour where that is possible.

A sink: the trace calls `write` with each access, and with the marks between them, which become headings.
"""

import ctypes
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

from mmio import Access, Symbols
from mmio.records.events import Mark, Record

Piece: TypeAlias = tuple[str, str]  # text, and its style where there is colour

STYLES = {"R": "green", "W": "red", "RW": "magenta"}


class Screen:
    """Prints accesses and headings to standard output."""

    def __init__(self, *functions: Any) -> None:
        """Read the symbols of the libraries these ctypes functions are in now, since that takes its time."""
        self._symbols = Symbols()
        for function in functions:
            self.place(ctypes.cast(function, ctypes.c_void_p).value or 0)
        self._print = _printer()

    def write(self, record: Record) -> None:
        """Print one record of a trace."""
        if isinstance(record, Mark):
            self.heading(record.text)
        elif isinstance(record, Access):
            style = STYLES[record.letter]
            function, line = self.place(record.ip)
            self._print(
                (f"  {record.letter} {record.width}  ", style),
                (f"{record.offset:#06x} ", "dim"),
                (f"{record.register:<10} ", "bold"),
                (f"{record.shown:>18}  ", style),
                (f"{record.decoded or record.notes:<29}", ""),
                (f"{function:<10}{line:<11}", "cyan"),
                (record.text, "dim"),
            )

    def place(self, ip: int) -> tuple[str, str]:
        """Name an instruction pointer: function (or library) and source line (or offset)."""
        location = self._symbols.locate(ip)
        if location is None:
            return "", f"{ip:#x}"
        if location.symbol:
            return location.symbol, location.line or f"+{location.into:#x}"
        return location.module, f"+{location.offset:#x}"

    def line(self, ip: int) -> str:
        """Name an instruction pointer briefly, by its source line if it has one."""
        function, line = self.place(ip)
        return function + line if line.startswith("+") else line

    def heading(self, text: str) -> None:
        """Print a heading."""
        self._print(("\n" + text, "bold yellow"))

    def text(self, text: str, style: str = "") -> None:
        """Print plain text."""
        self._print((text, style))


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
