"""The README's tables of figures, which are copies of those in RESULTS.md."""

import re
from typing import Final

_TABLE: Final = re.compile(r"(<!-- from benchmarks/RESULTS\.md -->\n)(\|.*\n)((?:\|.*\n)+)")


def refreshed(readme: str, results: str) -> str:
    """Return the README with each table as the results have it; a table goes by its first line.

    Raises:
        LookupError: the results have no such table.
    """

    def current(found: re.Match[str]) -> str:
        start = results.find(found[2])
        if start < 0:
            raise LookupError(f"no table of RESULTS.md begins with {found[2].strip()}")
        rows = results[start:].partition("\n\n")[0].rstrip()
        return f"{found[1]}{rows}\n"

    return _TABLE.sub(current, readme)
