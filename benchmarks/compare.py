"""Compare two runs of `make bench` as one table: `python -m benchmarks.compare BEFORE.json AFTER.json`.

Both runs should be of the same machine, which nothing else uses. A row's change is that of its ratio to the first row
of its table, which a slow moment of the machine hits as well; of a first row, and of a table of other measures, there
is none.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.measure import Timing

Key = tuple[str, str]


def load(path: Path) -> dict[Key, Timing]:
    """Return the timings in a RESULTS.json, by the title of their table and their name.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no RESULTS.json.
    """
    try:
        tables = json.loads(path.read_text())["tables"]
        return {(one["title"], row["name"]): Timing(**row) for one in tables for row in one["rows"]}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not what `make bench` writes ({error})") from error


def compared(before: dict[Key, Timing], after: dict[Key, Timing], least: float = 0.0) -> str:
    """Return the rows that both runs have as a Markdown table.

    Args:
        before: timings, by table and name.
        after: the same.
        least: leave out rows whose ratio is worse by less, 0.05 for 5 %.
    """
    lines = [
        "| table | row | µs before | µs after | ratio before | ratio after | change |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for (title, name), new in after.items():
        old = before.get((title, name))
        if old is None or not old.ratio:
            continue
        change = new.ratio / old.ratio - 1
        if change >= least or not least:
            lines.append(
                f"| {title} | {name} | {old.nanoseconds / 1000:.2f} | {new.nanoseconds / 1000:.2f} "
                f"| {old.ratio:.2f} | {new.ratio:.2f} | {change:+.1%} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("before", type=Path, metavar="BEFORE.json")
    parser.add_argument("after", type=Path, metavar="AFTER.json")
    parser.add_argument("--worse", type=float, default=0.0, metavar="PERCENT", help="only rows worse by as much")
    options = parser.parse_args()
    try:
        print(compared(load(options.before), load(options.after), options.worse / 100))
    except (OSError, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
