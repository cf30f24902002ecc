"""What a guest costs until Debian's drivers have taken their cards: a boot, beside a guest from a snapshot.

    pagetrap boot --fetch
    python -m benchmarks.guests

Each run is a Python process of its own. Its CPU seconds are those of Python and QEMU. The snapshot is made before.
It is no part of `make bench`, for which no guest is fetched.
"""

import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from benchmarks.measure import made_by

_EXAMPLES = Path(__file__).parents[1] / "examples" / "guest"
_ROUNDS = 5
_RUN = """
import os, sys, time
import mmio
from e1000 import Nic
from i6300esb import Watchdog
from mmio.records.flags import MISFIT
start = time.perf_counter()
with mmio.guest([Nic(), Watchdog()], modules=["e1000", "i6300esb"], snapshot=sys.argv[1] == "snapshot") as guest:
    ready, accesses = time.perf_counter() - start, len(guest.trace)
    whole = sum(bool(access.ip) and not access.flags & MISFIT for access in guest.trace)
print(ready, sum(os.times()[:4]), accesses, whole)
"""


@frozen
class Run:
    """One guest: seconds until its drivers are ready, CPU seconds in all, accesses, those that fit an instruction."""

    seconds: float
    busy: float
    accesses: int
    whole: int


def runs(way: str) -> Iterator[Run]:
    """Run guests of one kind, as often as is asked for, one at a time."""
    while True:
        command = [sys.executable, "-c", _RUN, way]
        done = subprocess.run(command, cwd=_EXAMPLES, stdout=subprocess.PIPE, text=True, check=True)
        seconds, busy, accesses, whole = done.stdout.split()
        yield Run(float(seconds), float(busy), int(accesses), int(whole))


def main() -> None:
    """Print the table, medians of interleaved rounds."""
    ways = {"boot": runs("boot"), "snapshot": runs("snapshot")}
    next(ways["snapshot"])  # makes it
    found: dict[str, list[Run]] = {way: [] for way in ways}
    for _ in range(_ROUNDS):
        for way, made in ways.items():
            found[way].append(next(made))
    rows = {
        "seconds until both drivers are ready": [
            f"{statistics.median(r.seconds for r in f):.1f}" for f in found.values()
        ],
        "CPU seconds, QEMU's included": [f"{statistics.median(r.busy for r in f):.1f}" for f in found.values()],
        "accesses until then": [f"{statistics.median(r.accesses for r in f):,.0f}" for f in found.values()],
        "of these with the instruction that makes them": [
            f"{sum(r.whole for r in f) / sum(r.accesses for r in f):.1%}" for f in found.values()
        ],
    }
    print(
        made_by("python -m benchmarks.guests"),
        "",
        "| e1000 and i6300esb | boot | snapshot |",
        "|---|---:|---:|",
        sep="\n",
    )
    for name, cells in rows.items():
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
