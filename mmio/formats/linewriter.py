"""Write lines of text so that the file can be read after a crash.

Whole lines go to the kernel, each batch in one write, and what the kernel has survives the process: SIGKILL
leaves a file that ends after a line. By default a batch is one record. The records a crash would take with it
are the last ones, the very ones that tell why, and the write costs no more than making the line. A write of many pages
can itself be cut by SIGKILL (generic_perform_write in mm/filemap.c looks for it between two of them), so the last line
of a file written in large batches may be unfinished.
"""

import os
import stat
from abc import abstractmethod
from os import PathLike

from mmio.formats.writer import Writer, lock
from mmio.linux.own_descriptors import kept
from mmio.records.access import Access
from mmio.records.events import Event, Record
from mmio.records.spot import Spot


class LineWriter(Writer):
    """Base of the writers of line formats.

    A format says what its `header`, the lines of an `access` and of an `event`, and its `footer` are, all with their
    newlines. An existing file is overwritten, unless another writer is at it. When the disk is full the file ends with
    the last line that fitted whole.
    """

    def __init__(self, path: str | PathLike[str], *, every: int = 1, seconds: float = 1.0) -> None:
        self._pending: list[str] = []
        self._written = 0
        super().__init__(path, every=every, seconds=seconds)
        self._file = self._open()
        try:
            self._put(self.header())
        except OSError:
            self.close()
            raise
        self._opened()

    @abstractmethod
    def header(self) -> str:
        """Return what the file begins with."""

    @abstractmethod
    def access(self, spot: Spot, sequence: int, time: int, value: int, old: int | None) -> str:
        """Return the lines for an access. What depends on the spot alone is worth keeping."""

    @abstractmethod
    def event(self, event: Event) -> str:
        """Return the lines for an event, "" for one that the format has no words for."""

    def footer(self) -> str:
        """Return what the file ends with when it is closed."""
        return ""

    def lines(self, record: Record) -> str:
        """Return the lines for a record."""
        if isinstance(record, Access):
            return self.access(self._spots.of(record), record.sequence, record.time, record.value, record.old)
        return self.event(record)

    def _put_access(self, spot: Spot, sequence: int, time: int, value: int, old: int | None) -> None:
        self._pending.append(self.access(spot, sequence, time, value, old))

    def _put_event(self, event: Event) -> None:
        self._pending.append(self.event(event))

    def _hand_on(self) -> None:
        text = "".join(self._pending)
        self._pending.clear()
        self._put(text)

    def _finish(self) -> None:
        self._put(self.footer())

    def _release(self) -> None:
        os.close(self._file)

    def _open(self) -> int:
        file = kept(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666))
        try:
            self._regular = stat.S_ISREG(os.fstat(file).st_mode)
            if self._regular:
                # Emptied only once it is locked: the file of another writer must not lose a byte.
                lock(file, self.path)
                os.ftruncate(file, 0)
        except OSError:
            os.close(file)
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
            raise self._refuse(error) from None
        self._written += done
