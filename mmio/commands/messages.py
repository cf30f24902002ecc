"""Messages of the command line, on standard error."""

import sys
from typing import TextIO

from mmio.records.printable import brief, encodable, printable


def complain(message: object, stream: TextIO | None = None) -> None:
    """Print "pagetrap: MESSAGE", safe for a terminal, on standard error or another stream."""
    stream = sys.stderr if stream is None else stream
    print(f"pagetrap: {presentable(str(message), stream)}", file=stream, flush=True)


def presentable(message: str, stream: TextIO) -> str:
    """Return a message of one or more lines in characters that a stream has and a terminal does not obey."""
    return encodable(printable(brief(message), lines=True), stream)
