"""Reading Parquet: a file, or a folder of parts, of this pagetrap or an earlier one."""

import os
from collections.abc import Iterator
from os import PathLike, fspath
from pathlib import Path
from typing import Any, BinaryIO

from mmio.formats import arrow
from mmio.formats.errors import TraceFormatError
from mmio.formats.jsonlines import from_json
from mmio.formats.parquet import EVENTS, FINISHED, PART
from mmio.formats.reader import OnError, Reader
from mmio.records.access import Access
from mmio.records.events import LAST_NUMBER, Cut, Event, Record
from mmio.traces.view import TraceView


def recognises(start: bytes) -> bool:
    """Return whether a file that starts so is in this format."""
    return start.startswith(b"PAR1")


def parts(path: str | PathLike[str]) -> list[Path]:
    """Return the finished files of a folder, in order."""
    return sorted(Path(path).glob(PART.format("*")))


class ParquetReader(Reader):
    """Reads Parquet.

    Args:
        path: of a file, or of a folder of parts.
        on_error: what becomes of a file that is bad, see `Reader`; `line` of the error is the number of the file.
        opened: of a pipe, which cannot be read: a Parquet file is read from its end.

    Raises:
        ImportError: pyarrow is missing.
    """

    def __init__(
        self, path: str | PathLike[str], *, on_error: OnError = "raise", opened: tuple[BinaryIO, bytes] | None = None
    ) -> None:
        super().__init__(path, on_error=on_error)
        if opened is not None:
            opened[0].close()
            raise TraceFormatError(
                path, 1, "Parquet cannot be read from a pipe: it begins at its end; save it to a file"
            )
        self._arrow = arrow.needed("reading Parquet")

    def records(self) -> Iterator[Record]:
        """Iterate over accesses and events; the last one of a folder that is not finished is `Cut`."""
        self.skipped = self.consumed = 0
        folder = os.path.isdir(self.path)
        sequence = time = 0
        for number, path in enumerate(parts(self.path) if folder else [Path(self.path)], 1):
            try:
                for record in self._file(path):
                    sequence = min(record.sequence + isinstance(record, Access), LAST_NUMBER)
                    time = record.time
                    yield record
            except ValueError as error:  # pyarrow's are, too
                if isinstance(error, TraceFormatError):
                    raise
                self._bad(TraceFormatError(fspath(path), number, str(error)))
            self.consumed += path.stat().st_size
        if folder and not Path(self.path, FINISHED).exists():
            yield Cut(sequence, time)

    def _file(self, path: Path) -> Iterator[Record]:
        with self._arrow.parquet.ParquetFile(path) as file:
            lines = (file.metadata.metadata or {}).get(EVENTS.encode(), b"").decode().splitlines()
            events = iter([_event(line) for line in lines])
            event = next(events, None)
            for batch in file.iter_batches():
                for record in self._batch(self._arrow.Table.from_batches([batch])):
                    while event is not None and event.sequence <= record.sequence:
                        yield event
                        event = next(events, None)
                    yield record
            if event is not None:
                yield event
                yield from events

    def _batch(self, table: Any) -> Iterator[Record]:
        """Iterate over the records of some rows."""
        if "event" not in table.column_names:
            return arrow.accesses(table)
        # Until version 0.1 an event was a row without a direction, at its place.
        there = [_event(text) for text in table["event"].drop_null().to_pylist()]
        return TraceView.of([*there, *arrow.accesses(table)]).records()


def _event(text: str) -> Event:
    record = from_json(text)
    if isinstance(record, Access):
        raise ValueError(f"an event is expected in the file's metadata, got access {record.sequence}")
    return record
