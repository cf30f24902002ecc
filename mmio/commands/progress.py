"""Progress bar on the terminal while a big trace file is read."""

import os
from collections.abc import Iterator
from typing import Final, TextIO

from mmio.formats.reader import Reader
from mmio.records.events import Record

BIG: Final = 4 << 20
"""Bytes from which on a file takes long enough to wonder."""

_STEP: Final = 1000  # records between two looks


def shown(reader: Reader, stream: TextIO) -> Iterator[Record]:
    """Return what a reader reads; a bar on `stream` shows how far it is, if that is a terminal and rich is there."""
    size = os.path.getsize(reader.path)
    if size < BIG or not stream.isatty():
        return reader.records()
    try:
        return _shown(reader, size, stream)
    except ImportError:
        return reader.records()


def _shown(reader: Reader, size: int, stream: TextIO) -> Iterator[Record]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    name = TextColumn(os.path.basename(reader.path), markup=False)
    bar = Progress(name, BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=Console(file=stream))

    def records() -> Iterator[Record]:
        with bar:
            task = bar.add_task("reading", total=size)
            for number, record in enumerate(reader.records()):
                if not number % _STEP:
                    bar.update(task, completed=reader.consumed)
                yield record
            bar.update(task, completed=size)

    return records()
