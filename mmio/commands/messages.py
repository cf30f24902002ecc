"""Messages of the command line, on standard error."""

import sys
from contextlib import suppress
from typing import TextIO

from mmio.records.printable import brief, encodable, printable


def complain(message: object, stream: TextIO | None = None) -> None:
    """Print "pagetrap: MESSAGE", safe for a terminal, on standard error or another stream.

    A stream that cannot be written changes nothing: there is no other place to say so, and the exit status still tells.
    """
    stream = sys.stderr if stream is None else stream
    with suppress(OSError):
        print(f"pagetrap: {presentable(str(message), stream)}", file=stream, flush=True)


def presentable(message: str, stream: TextIO) -> str:
    """Return a message of one or more lines in characters that a stream has and a terminal does not obey."""
    return encodable(printable(brief(message), lines=True), stream)
