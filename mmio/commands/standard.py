"""Standard input, output and error of the command: closed, full, or read by a program that has ended."""

import io
import os
import sys
from contextlib import suppress
from typing import Any, Final, TextIO, cast

OUTPUT: Final = "standard output"
INPUT: Final = "standard input"


def open_closed() -> None:
    """Open the standard streams that are closed (`>&-`), in this process only: children find them closed.

    The first files that are opened would get their numbers otherwise, and messages would be written into a trace.
    Reading standard input and writing standard output fail with EBADF then, as they do in other programs; what is
    written to standard error is lost. glibc does the same for privileged programs (csu/check_fds.c).
    """
    for number, flags in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, flags)
            if opened != number:
                os.dup2(opened, number, inheritable=False)
                os.close(opened)
    sys.stdin = sys.stdin or _stream(0, "r")
    sys.stdout = sys.stdout or _stream(1, "w")
    sys.stderr = sys.stderr or _stream(2, "w", buffering=1, errors="backslashreplace")
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file's name may have what the terminal's encoding has not
        sys.stdout.reconfigure(errors="backslashreplace")


def _stream(number: int, mode: str, **settings: Any) -> TextIO:
    return cast(TextIO, open(number, mode, closefd=False, **settings))


def read_input() -> bytes:
    """Return all of standard input.

    Raises:
        OSError: it cannot be read; the error has its name.
    """
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise OSError(error.errno, error.strerror, INPUT) from None


def give_up(stream: TextIO) -> None:
    """Throw away what a standard stream holds back. Python would try to write it at exit, and complain again."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno(), inheritable=False)
    os.close(null)


def lossy(stream: TextIO) -> TextIO:
    """Return a stream for messages that do without a reader: what cannot be written is lost, and nothing fails."""
    return cast(TextIO, _Lossy(stream))


class _Lossy(io.TextIOBase):
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a plain attribute there
        return self._stream.encoding

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):  # ValueError: it is closed by now, at the end of the interpreter
            self._stream.flush()
