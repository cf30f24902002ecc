"""The file a trace is written to while a program runs."""

import sys

from mmio.formats import writer
from mmio.records.events import Record


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
        if not self.failed:
            try:
                self._writer.write(record)
                self._records += 1
            except OSError as error:
                self._fail(error)

    def close(self) -> None:
        """Finish the file."""
        try:
            self._writer.close()
        except OSError as error:
            if not self.failed:
                self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.failed = True
        kept = f"it ends after {self._records:,} records; the program runs on"
        print(f"pagetrap: {self._path}: {error.strerror}: {kept}", file=sys.stderr, flush=True)
