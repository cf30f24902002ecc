"""Find where a driver loses time, by a data frame of its accesses.

python examples/slow_driver/findings.py
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas
from engine import build, drive

import mmio


def writes_again(frame: Any) -> Iterator[str]:
    """Find registers that are always written with the value that they have, other than to make something happen."""
    for register, made in frame[frame.direction == "W"].groupby("register", observed=True):
        again = made[made.value == made.value.shift()]
        if len(made) > 2 and len(again) > 0.9 * (len(made) - 1) and register not in ("STAT", "BELL"):
            yield f"{register} is written {len(again)} times with the value it has, at {', '.join(again.line.unique())}"


def requests(frame: Any) -> Any:
    """Return a row for each request: its length, and how often the driver has read STAT for it."""
    bells = frame.register == "BELL"
    polls = ((frame.register == "STAT") & (frame.direction == "R")).groupby(bells.cumsum()).sum()
    lengths = frame.value.where(frame.register == "LEN").ffill()[bells]
    return pandas.DataFrame({"length": lengths.to_numpy(), "polls": polls[1:].to_numpy()})


def polls_often(frame: Any) -> Iterator[str]:
    """Find that most requests take many polls."""
    if (usual := requests(frame).polls.median()) > 4:
        yield f"STAT is read {usual:.0f} times or more in half of the requests"


def takes_long(frame: Any) -> Iterator[str]:
    """Find requests that take many more polls than most, and what they have in common."""
    made = requests(frame)
    slow = made[made.polls > 5 * made.polls.median()]
    if len(slow):
        yield (
            f"{len(slow)} of {len(made)} requests take {slow.polls.max()} polls, most take {made.polls.median():.0f}: "
            f"those of {', '.join(map(str, slow.length.unique()))} bytes"
        )


def findings(trace: mmio.TraceView) -> list[str]:
    """Return what there is to say about a trace, in words; nothing where nothing is wrong."""
    places = trace.events_to_arrow().to_pandas()
    frame = trace.to_pandas().merge(places[places.event == "located"][["ip", "line"]], on="ip")
    return [*writes_again(frame), *polls_often(frame), *takes_long(frame)]


def main() -> int:
    """Show what is found in the driver as it is, and with each mistake."""
    for bug in ("", "-DBUG_WRITES_AGAIN", "-DBUG_NO_SLEEP", "-DBUG_CLEARS_LATE"):
        with tempfile.TemporaryDirectory() as directory:
            right, trace = drive(build(Path(directory), *bug.split()))
        print(f"{bug or 'as it is'}: the sums are {'right' if right else 'wrong'}, {len(trace)} accesses")
        for finding in findings(trace):
            print(f"  {finding}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
