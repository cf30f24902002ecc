"""Errors in trace files."""

from os import PathLike, fspath

from mmio.errors import MmioError


class TraceFormatError(MmioError, ValueError):
    """A trace file does not conform to its format: `path`, `line` (from 1) and `reason`."""

    def __init__(self, path: str | PathLike[str], line: int, reason: str) -> None:
        super().__init__(path, line, reason)
        self.path = fspath(path)
        self.line = line
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}"


class TraceFileError(MmioError, OSError):
    """A trace file cannot be written; an OSError with `errno`, `strerror` and `filename`."""
