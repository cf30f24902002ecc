"""Apache Parquet: a trace as one table, for DuckDB, pandas, Polars, Dask and Spark.

Rows are gathered and written in groups, so memory stays bounded however long the trace. A Parquet file ends with the
directory of its groups and cannot be read without: a single file is good once it is closed. A folder of parts is for
long runs: each part is a finished file, made under another name and then renamed, so that what kills the process costs
the rows not yet in a part and no more. A folder with a file `_SUCCESS` is finished; so is a single file that can be
read at all.
"""

import os
from collections.abc import Callable
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Final

from mmio.formats.arrow import needed, schema, table
from mmio.formats.errors import TraceFileError
from mmio.formats.jsonlines import to_json
from mmio.formats.writer import Writer, lock
from mmio.linux.own_descriptors import kept
from mmio.records.events import Event
from mmio.records.spot import Spot
from mmio.traces.columns import Columns

ROWS: Final = 1 << 16
EVENTS: Final = "pagetrap.events"  # the key of a file's metadata

PART: Final = "part-{}.parquet"
_UNFINISHED: Final = ".part.unfinished"
FINISHED: Final = "_SUCCESS"  # as Spark has it, and as all readers pass over


class ParquetWriter(Writer):
    """Writes Parquet: one file, or a folder of files if the path ends with a slash or is a folder.

    Columns are the keys of JSON Lines. Values of more than 8 bytes are in `data` and `old_data`, little-endian. What
    is no access is a line of JSON in the file's metadata, under the key `pagetrap.events`.

    `every`: rows in a group, or in a part; `seconds`: or what there is after so long.

    Raises:
        ImportError: pyarrow is missing.
    """

    def __init__(self, path: str | PathLike[str], *, every: int = ROWS, seconds: float = 60.0) -> None:
        self._arrow = needed("writing Parquet")
        self._arrow.array([])  # loads pandas, if there is one, which cannot be loaded any more when the script ends
        self._schema = schema(self._arrow)
        self._columns, self._numbers = Columns(), dict[Spot, int]()
        self._events: list[str] = []
        self._parts = 0
        self._folder = fspath(path).endswith("/") or os.path.isdir(path)
        self._file: Any = None
        super().__init__(path, every=every, seconds=seconds)
        self._owned = self._own()
        if not self._folder:
            try:
                self._file = self._checked(lambda: self._open(self.path))
            except TraceFileError:
                self.close()
                raise
        self._opened()

    def _put_access(self, spot: Spot, sequence: int, time: int, value: int, old: int | None) -> None:
        self._columns.append(spot, self._numbers, sequence, time, value, old)

    def _put_event(self, event: Event) -> None:
        self._events.append(to_json(event))

    def _hand_on(self) -> None:
        """Write what is pending as a row group or a part."""
        columns, self._columns, self._numbers = self._columns, Columns(), {}
        rows = table(self._arrow, columns)
        self._checked(lambda: self._part(rows) if self._folder else self._file.write_table(rows))

    def _finish(self) -> None:
        if self._file is not None:
            self._checked(lambda: self._close(self._file))
            return
        if not self._parts:  # a folder without a part would be no table
            self._checked(lambda: self._part(self._schema.empty_table()))
        self._checked(Path(self.path, FINISHED).touch)

    def _release(self) -> None:
        os.close(self._owned)

    def _at_exit(self) -> None:
        """Close a single file, which cannot be read before."""
        if self._folder:
            super()._at_exit()
        else:
            self.close()

    def _own(self) -> int:
        """Lock the file or folder and empty it of what an earlier trace left; return a descriptor of it."""
        if self._folder:
            os.makedirs(self.path, exist_ok=True)
        flags = os.O_RDONLY | os.O_DIRECTORY if self._folder else os.O_WRONLY | os.O_CREAT
        owned = kept(os.open(self.path, flags | os.O_CLOEXEC, 0o666))
        try:
            lock(owned, self.path)
        except OSError:
            os.close(owned)
            raise
        if self._folder:
            left = [Path(self.path, name) for name in (_UNFINISHED, FINISHED)]
            for old in (*Path(self.path).glob("part-*.parquet"), *left):
                old.unlink(missing_ok=True)
        return owned

    def _open(self, path: str) -> Any:
        return self._arrow.parquet.ParquetWriter(path, self._schema)

    def _close(self, file: Any) -> None:
        """End a file, with the events in its metadata."""
        if self._events:
            events, self._events = self._events, []
            file.add_key_value_metadata({EVENTS: "\n".join(events)})
        file.close()

    def _part(self, rows: Any) -> None:
        """Write a part.

        Until it is whole its name has a dot in front, which Spark and pyarrow pass over, and another suffix, which
        DuckDB's `*.parquet` does.
        """
        name = PART.format(f"{self._parts:06d}")
        unfinished = os.path.join(self.path, _UNFINISHED)
        with self._open(unfinished) as file:
            file.write_table(rows)
            self._close(file)
        os.rename(unfinished, os.path.join(self.path, name))
        self._parts += 1

    def _checked(self, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except OSError as error:
            raise self._refuse(error) from None
