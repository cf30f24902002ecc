"""The tables of figures in pages: copies of those in RESULTS.md. `python -m benchmarks.readme` renews them."""

import re
from pathlib import Path
from typing import Final

TOP: Final = Path(__file__).parents[1]
RESULTS: Final = TOP / "benchmarks" / "RESULTS.md"
PAGES: Final = tuple(TOP / name for name in ("README.md", "docs/faq.md", "docs/history.md"))
"""The pages that have such tables, each below a comment `<!-- from benchmarks/RESULTS.md -->`."""

_TABLE: Final = re.compile(r"(<!-- from benchmarks/RESULTS\.md -->\n)(\|.*\n)((?:\|.*\n)+)")


def refreshed(page: str, results: str) -> str:
    """Return a page with each table as the results have it; a table goes by its first line.

    Raises:
        LookupError: the results have no such table.
    """

    def current(found: re.Match[str]) -> str:
        start = results.find(found[2])
        if start < 0:
            raise LookupError(f"no table of RESULTS.md begins with {found[2].strip()}")
        rows = results[start:].partition("\n\n")[0].rstrip()
        return f"{found[1]}{rows}\n"

    return _TABLE.sub(current, page)


def refresh() -> None:
    """Renew the tables of all pages from RESULTS.md. Raises as `refreshed` does."""
    for page in PAGES:
        page.write_text(refreshed(page.read_text(), RESULTS.read_text()))


if __name__ == "__main__":
    refresh()
