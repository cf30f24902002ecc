"""What importing pagetrap and starting its command take, on top of Python and what it is built on.

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
_COMMANDS = {
    "python -c pass": ("-c", "pass"),
    "python -c 'import pagetrap'": ("-c", "import pagetrap"),
    "pagetrap --help": ("-m", "pagetrap", "--help"),
    "pagetrap decode 8b4710": ("-m", "pagetrap", "decode", "8b4710"),
}


def _running(*arguments: str) -> Callable[[int], None]:
    def run(calls: int) -> None:
        for _ in range(calls):
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)

    return run


def measure() -> list[tuple[str, list[Timing]]]:
    """Time the imports and commands, each in a new interpreter."""
    imports = {name: _running("-c", statement) for name, statement in _ALTERNATIVES.items()}
    commands = {name: _running(*arguments) for name, arguments in _COMMANDS.items()}
    return [
        ("importing it", compare(imports, calls=1, rounds=25)),
        ("starting the command", compare(commands, calls=1, rounds=25)),
    ]


if __name__ == "__main__":
    report(measure())
