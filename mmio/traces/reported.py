"""Report of a trace, as `TraceView.report` returns it: `mmio.reports.report.HtmlReport`."""

from os import PathLike
from typing import Protocol


class TraceReport(Protocol):
    """One HTML page of a trace, for a browser or a notebook."""

    def html(self, limit: int | None = None) -> str:
        """Return the page.

        Args:
            limit: how many accesses it has at most, the first ones; None for all.
        """

    def save(self, path: str | PathLike[str]) -> None:
        """Write the page to a file, whole or not at all.

        Args:
            path: of the file, which is replaced.

        Raises:
            TypeError: it is no path.
            OSError: the file cannot be written.
        """

    def _repr_html_(self) -> str:
        """Return the page in a frame, with a bounded number of accesses."""
