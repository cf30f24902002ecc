"""Apache Parquet: a trace as one table, for DuckDB, pandas, Polars and Spark. Only written.

Rows are gathered and written in groups, so memory stays bounded however long the trace. A Parquet file ends with the
directory of its groups and cannot be read without: a single file is good once it is closed. A folder of parts is for
long runs: each part is a finished file, made under another name and then renamed, so that what kills the process costs
the rows not yet in a part and no more.
"""

import errno
import os
from collections.abc import Callable
from fcntl import LOCK_EX, LOCK_NB, flock
from os import PathLike, fspath
from pathlib import Path
from threading import RLock
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self

from mmio.formats.errors import TraceFileError
from mmio.formats.jsonlines import to_json
from mmio.records.access import Access
from mmio.records.events import Record
from mmio.records.flags import flag_names

ROWS: Final = 1 << 16
MAX_NUMBER: Final = 8  # bytes; wider values are binary

_PART: Final = "part-{:06d}.parquet"


class ParquetWriter:
    """Writes Parquet: one file, or a folder of files if the path ends with a slash or is a folder.

    Columns are the keys of JSON Lines. Values of more than 8 bytes are in `data` and `old_data`, little-endian. What
    is no access has its JSON object in `event`, and is a row at its place.

    `every`: rows in a group, or in a part; `seconds`: or what there is with the first record after so long.

    Raises:
        ImportError: pyarrow is missing.
        TraceFileError: another writer is at the file or folder, or the disk is full; then every later write raises.
    """

    def __init__(self, path: str | PathLike[str], *, every: int = ROWS, seconds: float = 60.0) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            reason = "writing Parquet needs pyarrow: pip install 'pagetrap[parquet]'"
            raise ImportError(reason, name=error.name) from error
        self.path = fspath(path)
        self.every = every
        self.seconds = seconds
        self._arrow: Any = pyarrow
        self._schema = _schema(pyarrow)
        self._lock = RLock()
        self._rows: list[dict[str, Any]] = []
        self._parts = 0
        self._failure: TraceFileError | None = None
        self._flushed_at = monotonic()
        self._folder = self.path.endswith("/") or os.path.isdir(self.path)
        self._owned = self._own()
        try:
            self._file: Any = None if self._folder else self._checked(lambda: self._open(self.path))
        except TraceFileError:
            os.close(self._owned)
            raise

    def write(self, record: Record) -> None:
        """Write one access or event."""
        with self._lock:
            if self._owned < 0:
                raise ValueError(f"{self.path}: the writer is closed")
            if self._failure is not None:
                raise self._failure
            self._rows.append(_row(record))
            if len(self._rows) >= self.every or monotonic() - self._flushed_at >= self.seconds:
                self.flush()

    def flush(self) -> None:
        """Write what is pending as a row group or a part."""
        with self._lock:
            rows, self._rows = self._rows, []
            self._flushed_at = monotonic()
            if rows:
                table = self._arrow.Table.from_pylist(rows, schema=self._schema)
                self._checked(lambda: self._part(table) if self._folder else self._file.write_table(table))

    def close(self) -> None:
        """Finish and close; again, it does nothing. Raises TraceFileError if the rest does not fit."""
        with self._lock:
            if self._owned < 0:
                return
            try:
                if self._failure is None:
                    self._finish()
            finally:
                owned, self._owned = self._owned, -1
                os.close(owned)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _finish(self) -> None:
        self.flush()
        if self._file is not None:
            self._checked(self._file.close)
        elif not self._parts:  # a folder without a part would be no table
            self._checked(lambda: self._part(self._schema.empty_table()))

    def _own(self) -> int:
        """Lock the file or folder and empty it of what an earlier trace left; return a descriptor of it."""
        if self._folder:
            os.makedirs(self.path, exist_ok=True)
        flags = os.O_RDONLY | os.O_DIRECTORY if self._folder else os.O_WRONLY | os.O_CREAT
        owned = os.open(self.path, flags | os.O_CLOEXEC, 0o666)
        try:
            flock(owned, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            os.close(owned)
            reason = "another writer is writing this trace file"
            raise TraceFileError(errno.EWOULDBLOCK, reason, self.path) from None
        if self._folder:
            for old in Path(self.path).glob("part-*.parquet"):
                old.unlink()
        return owned

    def _open(self, path: str) -> Any:
        return self._arrow.parquet.ParquetWriter(path, self._schema)

    def _part(self, table: Any) -> None:
        """Write a part. A name with a dot in front is no part yet: readers of folders pass over it."""
        name = _PART.format(self._parts)
        unfinished = os.path.join(self.path, f".{name}")
        with self._open(unfinished) as file:
            file.write_table(table)
        os.rename(unfinished, os.path.join(self.path, name))
        self._parts += 1

    def _checked(self, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except OSError as error:
            reason = f"cannot write the trace any further: {error.strerror or error}"
            self._failure = TraceFileError(error.errno or errno.EIO, reason, self.path)
            raise self._failure from None


def _schema(pyarrow: Any) -> Any:
    """The table's columns: what JSON Lines says, in types."""
    word = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    number, data = pyarrow.uint64(), pyarrow.binary()
    columns = (
        (number, "sequence time thread"),
        (word, "direction space"),
        (number, "address"),
        (pyarrow.uint32(), "width"),
        (number, "value old"),
        (data, "data old_data"),
        (word, "region"),
        (number, "offset"),
        (word, "register fields"),
        (number, "ip"),
        (data, "code"),
        (pyarrow.uint8(), "bits"),
        (word, "text"),
        (pyarrow.list_(pyarrow.string()), "flags"),
        (pyarrow.string(), "event"),
    )
    return pyarrow.schema([(name, kind) for kind, names in columns for name in names.split()])


def _row(record: Record) -> dict[str, Any]:
    """Return the cells of a record that are not null."""
    row: dict[str, Any] = {"sequence": record.sequence, "time": record.time}
    if not isinstance(record, Access):
        return row | {"event": to_json(record)}
    row |= {
        "thread": record.thread,
        "direction": record.letter,
        "space": record.space,
        "address": record.address,
        "width": record.width,
        "region": record.region,
        "offset": record.offset,
        "register": record.register,
        "fields": record.decoded or None,
        "ip": record.ip or None,
        "flags": list(flag_names(record.flags)),
    }
    for name, data, value in (("value", "data", record.value), ("old", "old_data", record.old)):
        if value is not None and record.width <= MAX_NUMBER:
            row[name] = value
        elif value is not None:
            row[data] = value.to_bytes(record.width, "little")
    if record.instruction is not None:
        row |= {"code": record.code, "bits": record.instruction.bits, "text": record.text}
    return row
