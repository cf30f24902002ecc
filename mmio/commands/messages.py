"""Messages of the command line, on standard error."""

import sys
from typing import TextIO

from mmio.records.printable import printable


def complain(message: object, stream: TextIO | None = None) -> None:
    """Print "pagetrap: MESSAGE", safe for a terminal, on standard error or another stream."""
    stream = sys.stderr if stream is None else stream
    text = printable(str(message), lines=True)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    safe = text.encode(encoding, "backslashreplace").decode(encoding)
    print(f"pagetrap: {safe}", file=stream, flush=True)
