"""Writing a trace to a file as it happens, so that the file can be read whatever becomes of the process.

Whole lines go to the kernel, each batch in one write, and what the kernel has survives the process: SIGKILL
leaves a file that ends after a line. By default a batch is one record. The records a crash would take with it
are the last ones, the very ones that tell why, and the write costs less than making the line.
"""

import errno
import os
import stat
from abc import ABC, abstractmethod
from fcntl import LOCK_EX, LOCK_NB, flock
from os import PathLike, fspath
from threading import RLock
from time import monotonic
from types import TracebackType
from typing import Self

from mmio.formats.errors import TraceFileError
from mmio.records.events import Record


class LineWriter(ABC):
    """Base of the writers of line formats; a sink and a context manager.

    A format says what its `header`, `lines` and `footer` are, all with their newlines. An existing file is
    overwritten, unless another writer is at it.

    `every`: write to the file after so many records; `seconds`: or with the first record after so long.

    Raises:
        TraceFileError: the file is being written by another writer, or the disk is full. Once a write has
            failed, every later one raises again, and the file ends with the last line that fitted whole.
        OSError: the file cannot be opened.
    """

    def __init__(self, path: str | PathLike[str], *, every: int = 1, seconds: float = 1.0) -> None:
        self.path = fspath(path)
        self.every = every
        self.seconds = seconds
        self._lock = RLock()
        self._pending: list[str] = []
        self._written = 0
        self._failure: TraceFileError | None = None
        self._flushed_at = monotonic()
        self._file = self._open()
        try:
            self._put(self.header())
        except TraceFileError:
            self.close()
            raise

    @abstractmethod
    def header(self) -> str:
        """Return what the file begins with."""

    @abstractmethod
    def lines(self, record: Record) -> str:
        """Return the lines for one record, "" for one that the format has no words for."""

    def footer(self) -> str:
        """Return what the file ends with when it is closed."""
        return ""

    def write(self, record: Record) -> None:
        """Write one access or event."""
        with self._lock:
            if self._file < 0:
                raise ValueError(f"{self.path}: the writer is closed")
            if self._failure is not None:
                raise self._failure
            self._pending.append(self.lines(record))
            if len(self._pending) >= self.every or monotonic() - self._flushed_at >= self.seconds:
                self.flush()

    def flush(self) -> None:
        """Hand what is pending to the kernel."""
        with self._lock:
            pending, self._pending = self._pending, []
            self._put("".join(pending))
            self._flushed_at = monotonic()

    def close(self) -> None:
        """Finish and close the file; again, it does nothing. Raises TraceFileError if the rest does not fit."""
        with self._lock:
            if self._file < 0:
                return
            try:
                if self._failure is None:
                    self.flush()
                    self._put(self.footer())
            finally:
                file, self._file = self._file, -1
                os.close(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> int:
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            self._regular = stat.S_ISREG(os.fstat(file).st_mode)
            if self._regular:
                # Emptied only once it is ours: the file of another writer must not lose a byte.
                flock(file, LOCK_EX | LOCK_NB)
                os.ftruncate(file, 0)
        except OSError as error:
            os.close(file)
            if error.errno == errno.EWOULDBLOCK:
                reason = "another writer is writing this trace file"
                raise TraceFileError(errno.EWOULDBLOCK, reason, self.path) from None
            raise
        return file

    def _put(self, text: str) -> None:
        """Write whole lines, or cut off what was written of them and fail."""
        data = text.encode()
        done = 0
        try:
            while done < len(data):
                done += os.write(self._file, data[done:])
        except OSError as error:
            if self._regular and done:
                os.ftruncate(self._file, self._written)
            reason = f"cannot write the trace any further: {os.strerror(error.errno or 0)}"
            self._failure = TraceFileError(error.errno, reason, self.path)
            raise self._failure from None
        self._written += done
