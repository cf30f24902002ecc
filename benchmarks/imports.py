"""What importing pagetrap takes, on top of Python and what it is built on; and what the first use of a name loads.

python -m benchmarks.imports
"""

import subprocess
import sys
from collections.abc import Callable

from benchmarks.measure import Timing, compare, report

_BARE = "import attrs, iced_x86"
_ALTERNATIVES = {
    f"python -c '{_BARE}'": _BARE,
    "and decode": f"{_BARE}, decode",
    "and emulate": f"{_BARE}, emulate",
    "and mmio": f"{_BARE}, mmio",
    "and mmio.ioremap, used": f"{_BARE}, mmio; mmio.ioremap",
    "and mmio.Tracer, used": f"{_BARE}, mmio; mmio.Tracer",
}


def _importing(statement: str) -> Callable[[int], None]:
    def run(calls: int) -> None:
        for _ in range(calls):
            subprocess.run([sys.executable, "-c", statement], check=True)

    return run


def measure() -> list[tuple[str, list[Timing]]]:
    """Time the imports, each in a new interpreter."""
    alternatives = {name: _importing(statement) for name, statement in _ALTERNATIVES.items()}
    return [("importing it", compare(alternatives, calls=1, rounds=25))]


if __name__ == "__main__":
    report(measure())
