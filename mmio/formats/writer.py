"""Write a trace while it is recorded, in bounded memory, so that a crash loses little.

A writer gathers records and hands them on in batches: when a batch is full, or some seconds after its first record,
whether or not more come. Everything here is the same for lines of text and for columns of a table; what is not is said
by the class for one or the other.
"""

import atexit
import errno
import os
from abc import abstractmethod
from contextlib import ExitStack
from fcntl import LOCK_EX, LOCK_NB, flock
from os import PathLike, fspath
from signal import SIGXFSZ, sigtimedwait
from threading import Event as Signal
from threading import Thread
from typing import Final
from weakref import WeakSet

from mmio.closing import Closing
from mmio.formats.errors import TraceFileError
from mmio.linux.fork_locks import fork_lock
from mmio.records.access import Access
from mmio.records.events import LAST_NUMBER, Ended, Event, Record
from mmio.records.spot import Spot, Spots

_EXIT_TIMEOUT: Final = 1.0  # seconds


class Writer(Closing):
    """Base of all writers; a sink and a context manager.

    `every`: pass on after so many records; `seconds`: or after so long. With `every=1` a record has left this process
    when `write` returns. A writer that is still open when the script ends passes on what is pending, and from then on
    each record at once.

    Raises:
        TraceFileError: the file is being written by another writer, or the disk is full. Once a write has failed,
            every later one raises again.
        OSError: the file cannot be opened.
        ValueError: `every` or `seconds` is out of range, or the writer is closed.
    """

    def __init__(self, path: str | PathLike[str], *, every: int, seconds: float) -> None:
        if every < 1 or seconds <= 0:
            raise ValueError(f"every is a number of records from 1, and seconds more than 0; got {every} and {seconds}")
        self.path = fspath(path)
        self.every = every
        self.seconds = seconds
        self._lock = fork_lock()
        self._spots = Spots()
        self._count = 0  # of what is pending
        self._last = -1, 0  # number and time of the last access
        self._refusal: TraceFileError | ValueError | None = None  # why nothing more is taken
        self._closed = Signal()

    def _opened(self) -> None:
        """Begin to keep time; the last thing a writer does when it is made."""
        _left_open.add(self)
        if self.every > 1:
            Thread(target=self._keep_time, name=f"flushes {self.path}", daemon=True).start()

    @abstractmethod
    def _put_access(self, spot: Spot, sequence: int, time: int, value: int, old: int | None) -> None:
        """Make an access pending."""

    @abstractmethod
    def _put_event(self, event: Event) -> None:
        """Make an event pending."""

    @abstractmethod
    def _hand_on(self) -> None:
        """Write what is pending; `_refuse` if that fails."""

    @abstractmethod
    def _finish(self) -> None:
        """Write what a file ends with."""

    @abstractmethod
    def _release(self) -> None:
        """Close the file and release the lock on it."""

    def write(self, record: Record) -> None:
        """Write one access or event."""
        if isinstance(record, Access):
            self.take(self._spots.of(record), record.sequence, record.time, record.value, record.old)
            return
        with self._lock:
            if self._refusal is not None:
                raise self._refusal
            self._put_event(record)
            self._count += 1
            if self._count >= self.every:
                self.flush()

    def take(self, spot: Spot, sequence: int, time: int, value: int, old: int | None) -> None:
        """Write an access without building an `Access`."""
        with self._lock:
            if self._refusal is not None:
                raise self._refusal
            self._put_access(spot, sequence, time, value, old)
            self._last = sequence, time
            self._count += 1
            if self._count >= self.every:
                self.flush()

    def flush(self) -> None:
        """Pass on what is pending."""
        with self._lock:
            if self._count:
                self._count = 0
                self._hand_on()

    def close(self) -> None:
        """Finish and close the file; again, it does nothing. Raises TraceFileError if the rest does not fit."""
        with self._lock:
            if self._closed.is_set():
                return
            self._closed.set()
            _left_open.discard(self)
            try:
                if self._refusal is None:
                    self.flush()
                    self._finish()
            finally:
                self._refusal = ValueError(f"{self.path}: the writer is closed")
                self._release()

    def _at_exit(self) -> None:
        """Pass on what is pending, and from now on each record at once: native threads may still record.

        If another thread holds the lock for a second, because it writes to a pipe that is not read, do nothing.
        """
        if self._lock.acquire(timeout=_EXIT_TIMEOUT):
            try:
                self.every = 1
                if self._refusal is None:
                    self.flush()
            finally:
                self._lock.release()

    @property
    def _ended(self) -> Ended:
        """The event that says that the file is finished."""
        sequence, time = self._last
        return Ended(min(sequence + 1, LAST_NUMBER), time)

    def _refuse(self, error: OSError) -> TraceFileError:
        """Take nothing more; return what to raise."""
        if error.errno == errno.EFBIG:
            # Beyond RLIMIT_FSIZE comes a signal besides (setrlimit(2)), which Python ignores, and a program that is
            # hosted in this process may not. It is still pending here, where an engine has blocked all signals.
            sigtimedwait({SIGXFSZ}, 0)
        reason = f"cannot write the trace any further: {error.strerror or error}"
        self._refusal = TraceFileError(error.errno or errno.EIO, reason, self.path)
        return self._refusal

    def _keep_time(self) -> None:
        while not self._closed.wait(self.seconds):
            with self._lock:
                if self._refusal is None:
                    try:
                        self.flush()
                    except TraceFileError:
                        return  # the next write raises it again, where the caller sees it


_left_open: Final[WeakSet[Writer]] = WeakSet()
"""Writers of this process that have not been closed."""

# A forked child has copies of the records that are pending in its parent, which writes them.
os.register_at_fork(after_in_child=_left_open.clear)


@atexit.register
def hand_on_all() -> None:
    """Pass on what is pending in writers that are still open. Raises TraceFileError after all have been tried."""
    with ExitStack() as each:
        for writer in list(_left_open):
            each.callback(writer._at_exit)


def lock(file: int, path: str) -> None:
    """Lock a file until it is closed. Raises TraceFileError if another writer is at it."""
    try:
        flock(file, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        raise TraceFileError(errno.EWOULDBLOCK, "another writer is writing this trace file", path) from None
