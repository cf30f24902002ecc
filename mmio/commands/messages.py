"""Messages of the command line, on standard error."""

import sys
from typing import TextIO

from mmio.records.printable import brief, encodable, printable


def complain(message: object, stream: TextIO | None = None) -> None:
    """Print "pagetrap: MESSAGE", safe for a terminal, on standard error or another stream."""
    stream = sys.stderr if stream is None else stream
    print(f"pagetrap: {encodable(printable(brief(str(message)), lines=True), stream)}", file=stream, flush=True)
