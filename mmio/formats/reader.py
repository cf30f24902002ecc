"""Read trace files line by line, whatever they contain.

A trace file may come from a crashed machine, a full disk, another tool or an editor. So every line that does
not hold a record is an error with its number and a reason, and the caller says whether reading continues after
it. Nothing here trusts a line to be short, to be text, or to end.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from errno import EBADF
from os import PathLike, fspath
from typing import BinaryIO, Final, Literal, TypeAlias

from mmio.errors import MmioError
from mmio.formats.errors import TraceFormatError
from mmio.records.access import Access
from mmio.records.events import LAST_NUMBER, Cut, Ended, Record
from mmio.traces.view import TraceView

Parse: TypeAlias = "Callable[[int, str], Sequence[Record | Promise]]"
"""Returns the records of a line, given its number and text."""

OnError = Literal["raise", "skip"] | Callable[[TraceFormatError], None]

MAX_LINE: Final = 1 << 20


class Promise:
    """Return value of a parser at the head of a file whose writer ends it with `Ended`: without that, it was cut.

    Files of other programs, and those of pagetrap from before it did so, promise nothing.
    """


class Reader(ABC):
    """Base of all readers: iterating gives the accesses, each time from the start.

    Args:
        path: of the file.
        on_error: what becomes of a bad part: "raise", "skip", or a function that is called with the error and may raise
            it. After reading, `skipped` says how many were passed over.

    Raises:
        TraceFormatError: while iterating, at a bad part.
        OSError: the file cannot be opened or read, or is a pipe and has been read.
    """

    def __init__(self, path: str | PathLike[str], *, on_error: OnError = "raise") -> None:
        if on_error not in ("raise", "skip") and not callable(on_error):
            raise ValueError(f"on_error is 'raise', 'skip' or a function of the error, not {on_error!r}")
        self.path = fspath(path)
        self.on_error = on_error
        self.skipped = 0
        self.consumed = 0  # bytes read so far

    def __iter__(self) -> Iterator[Access]:
        return (record for record in self.records() if isinstance(record, Access))

    @abstractmethod
    def records(self) -> Iterator[Record]:
        """Iterate over accesses and events; the last one of a file that is not finished is `Cut`."""

    def load(self) -> TraceView:
        """Read everything, to filter, summarise and compare."""
        return TraceView.of(self.records())

    def _bad(self, error: TraceFormatError) -> None:
        if self.on_error == "raise":
            raise error from None
        self.skipped += 1
        if callable(self.on_error):
            self.on_error(error)


class LineReader(Reader):
    """Base of the readers of line formats.

    A format says what the `records` of one line are.

    Args:
        path: of the file.
        on_error: what becomes of a bad line, see `Reader`.
        opened: the file and what has been read of it, its first line at most, when it cannot be opened again: a pipe.
    """

    def __init__(
        self, path: str | PathLike[str], *, on_error: OnError = "raise", opened: tuple[BinaryIO, bytes] | None = None
    ) -> None:
        super().__init__(path, on_error=on_error)
        self._opened = opened

    @abstractmethod
    def parser(self) -> Parse:
        """Return a function from line number and line to records, for reading the file once.

        It raises `WrongVersion` at a line that makes the rest meaningless, ValueError with a reason at any
        other bad one.
        """

    def records(self) -> Iterator[Record]:
        """Iterate over accesses and events; the last one of a file that is not finished is `Cut`."""
        self.skipped = self.consumed = 0
        parse = self.parser()
        number = sequence = time = 0
        promised = ended = False
        file, start = self._opened or (open(self.path, "rb"), b"")  # noqa: SIM115 (it is entered below)
        if file.closed:
            raise OSError(EBADF, "a pipe can be read once; save it to a file to read it again", self.path)
        with file, named(self.path):
            for number, line in enumerate(_lines(file, start), 1):
                self.consumed += len(line)
                try:
                    for record in parse(number, _text(line)):
                        if ended:
                            raise ValueError("a record after the end of the trace")
                        if isinstance(record, Promise):
                            promised = True
                        elif isinstance(record, Ended):
                            ended = True
                        else:
                            sequence = min(record.sequence + isinstance(record, Access), LAST_NUMBER)
                            time = record.time
                            yield record
                except WrongVersion as error:
                    raise TraceFormatError(self.path, number, str(error)) from None
                except ValueError as error:
                    self._bad(TraceFormatError(self.path, number, str(error)))
        if not number:
            raise TraceFormatError(self.path, 1, "the file is empty")
        if promised and not ended:
            yield Cut(sequence, time)


class WrongVersion(MmioError, ValueError):
    """The file has a version of the format that this reader does not support."""


@contextmanager
def named(path: str | PathLike[str]) -> Iterator[None]:
    """Give an error of reading the name of the file: read(2) knows only a descriptor."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, fspath(path)) from None


def _lines(file: BinaryIO, start: bytes) -> Iterator[bytes]:
    """Iterate over lines with their newlines, the first one beginning with `start`; of a long line only the start."""
    line = start if start.endswith(b"\n") else start + file.readline(MAX_LINE + 1 - len(start))
    while line:
        yield line
        while len(line) > MAX_LINE and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE + 1)
        line = file.readline(MAX_LINE + 1)


def _text(line: bytes) -> str:
    """Return a line without its newline. Raises ValueError if it is none."""
    if len(line) > MAX_LINE:
        raise ValueError(f"the line is longer than {MAX_LINE} bytes")
    if not line.endswith(b"\n"):
        raise ValueError(
            "the file ends within this line, which its writer did not finish; skip bad lines to read the rest"
        )
    try:
        text = line[:-1].decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"not text: byte {line[error.start]:#04x} at column {error.start + 1}") from None
    if "\0" in text:
        raise ValueError(f"not text: byte 0x00 at column {text.index(chr(0)) + 1}")
    return text
