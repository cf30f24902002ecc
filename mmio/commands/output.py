"""The file a trace is written to while a program runs."""

from collections.abc import Callable

from mmio.commands.messages import complain
from mmio.formats import writer
from mmio.records.events import Record
from mmio.records.spot import Spot


class Output:
    """A sink that writes a trace file, and outlives what goes wrong with the file.

    When the disk is full the program is not to blame: it runs on, with an error said once. What was written stays.

    `failed`: something has gone wrong.

    Raises:
        OSError: the file cannot be opened.
        ValueError: nothing says of which format it should be.
        ImportError: the format needs an extra that is not installed.
    """

    def __init__(self, path: str, format: str | None) -> None:
        self._writer = writer(path, format=format)
        self._path = path
        self._records = 0
        self.failed = False

    def write(self, record: Record) -> None:
        """Write a record, unless that has failed before."""
        self._try(self._writer.write, record)

    def take(self, spot: Spot, sequence: int, time: int, value: int, old: int | None) -> None:
        """Write an access without building an `Access`."""
        self._try(self._writer.take, spot, sequence, time, value, old)

    def close(self) -> None:
        """Finish the file."""
        try:
            self._writer.close()
        except (OSError, ValueError) as error:
            if not self.failed:
                self._fail(error)

    def _try(self, write: Callable[..., None], *what: object) -> None:
        if not self.failed:
            try:
                write(*what)
                self._records += 1
            except (OSError, ValueError) as error:
                self._fail(error)

    def _fail(self, error: OSError | ValueError) -> None:
        self.failed = True
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        kept = f"it ends after {self._records:,} records; the program runs on"
        complain(f"{self._path}: {reason}: {kept}")
