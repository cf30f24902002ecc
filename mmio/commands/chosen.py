"""Read the selected part of a trace file record by record, in memory that does not grow with the file."""

import argparse
import sys
from collections.abc import Iterator

from mmio.commands import choosing, progress
from mmio.commands.messages import complain
from mmio.formats import open_trace
from mmio.formats.reader import Reader
from mmio.records.access import Access
from mmio.records.events import Cut, Located, Record
from mmio.records.symbols import Location, named
from mmio.traces.view import TraceView


class Chosen:
    """Iterates over all events of a trace file and over the accesses that were asked for.

    A progress bar is shown on a terminal. That the trace was cut is said on standard error, when its end is reached.

    Args:
        path: of the file.
        options: of the command line, with those of `choosing.add` and `arguments.add_skip`.

    Raises:
        FileNotFoundError: there is no such file; the message says how to record one.
        ValueError: at the end, when there are accesses and none was asked for.
    """

    def __init__(self, path: str, options: argparse.Namespace) -> None:
        self._path = path
        self._reader = opened(path, skip=options.skip)
        self._selection = choosing.selection(options)
        self._known: dict[int, Location] = {}

    def __iter__(self) -> Iterator[Record]:
        self._known.clear()
        located = self._selection.located(self._known.get)
        regions: set[str] = set()
        chosen = 0
        for record in progress.shown(self._reader, sys.stderr):
            if isinstance(record, Access):
                regions.add(record.region or "nowhere")
                # Of a trace that does not say where code is, a selection by names of code is an error.
                if not (located if self._known else self._selection).matches(record):
                    continue
                chosen += 1
            elif isinstance(record, Located):
                self._known[record.ip] = record.location
            elif isinstance(record, Cut):
                complain(f"{self._path}: {record}")
            yield record
        if regions and not chosen:
            there = ", ".join(sorted(regions))
            raise ValueError(f"{self._path}: no access matches the selection; the trace has accesses to {there}")

    def accesses(self) -> Iterator[Access]:
        """Iterate over the accesses alone."""
        return (record for record in self if isinstance(record, Access))

    def load(self) -> TraceView:
        """Return all of it, to look at several times."""
        return TraceView.of(self)

    def name(self, ip: int) -> str:
        """Return what an instruction is called, as far as the trace has said by now."""
        return named(ip, self._known.get(ip))


def opened(path: str, *, skip: bool) -> Reader:
    """Return the reader of a trace file.

    Args:
        path: of the file.
        skip: skip malformed lines, and report each of them.

    Raises:
        FileNotFoundError: there is no such file; the message says how to record one.
    """
    try:
        return open_trace(path, on_error=complain if skip else "raise")
    except FileNotFoundError as error:
        if path == "-":
            hint = f"{error.strerror}; for standard input write /dev/stdin"
        else:
            hint = f"{error.strerror}; record a trace with: pagetrap trace -o {path or 'FILE'} --map GLOB -- PROGRAM"
        raise FileNotFoundError(error.errno, hint, path) from None
