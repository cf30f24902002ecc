"""How far the figures should go, and how far they went in a run.

Each reach is a limit on one row's ratio, or on its time. What is missed says why, as far as that is known.
"""

from collections.abc import Callable
from typing import Final

from attrs import frozen

from benchmarks.measure import Timing

STEP: Final = "Emulator.step, seen before"


@frozen
class Reach:
    """One limit: on the row of a table whose title and name begin so.

    Attributes:
        what: the figure, in words.
        title, row: which one.
        limit: the most it should be, or with `least` the least.
        figure: from the row's timing and the table's first, or that of another row.
        against: which other row.
        unit: of the figure.
        floor: why it is hard to get there.
    """

    what: str
    title: str
    row: str
    limit: float
    least: bool = False
    figure: Callable[[Timing, Timing], float] = lambda row, first: row.ratio
    unit: str = " times"
    floor: str = ""
    against: str = ""


def _micro(row: Timing, first: Timing) -> float:
    return row.nanoseconds / 1000


def _times(row: Timing, other: Timing) -> float:
    return row.ratio / other.ratio


def _milli_above(row: Timing, first: Timing) -> float:
    return max((row.nanoseconds - first.nanoseconds) / 1e6, 0.0)  # a start of Python varies by more than a little


def _seconds(row: Timing, first: Timing) -> float:
    return row.nanoseconds * 1_638_759 / 1e9


_TRAPPED: Final = "one load from a trapped page"
_CALL: Final = "Python's GIL, its call of the method, and an int for the offset and the value"
REACHES: Final = (
    Reach(
        "a warm step of a load, of what is written by hand",
        "one load, the device",
        STEP,
        1.7,
        floor="two calls instead of one, and the checks that are not written by hand: address, answer",
    ),
    Reach(
        "the same, of Unicorn with registers in and out",
        "the same load elsewhere",
        "Unicorn, the general",
        40,
        True,
    ),
    Reach(
        "a first sight",
        "the same load elsewhere",
        "Emulator.step, first",
        60,
        figure=_micro,
        unit=" µs",
        floor="a time and no ratio, so it depends on the CPU",
    ),
    Reach(
        "a read-modify-write, of what is written by hand",
        "`or dword",
        STEP,
        2,
        floor="one call more, and the checks that are not written by hand",
    ),
    Reach(
        "a vector load, of what is written by hand",
        "`vmovdqu",
        STEP,
        2,
        floor="the least work by hand of all these, so that the second call and the checks weigh most",
    ),
    Reach("IN, of what is written by hand", "`in al", STEP, 2),
    Reach(
        "REP MOVSB of 64 KiB, of what is written by hand",
        "`rep movsb`",
        STEP,
        2,
        floor="a few microseconds of finding out how much may be copied at once",
    ),
    Reach(
        "an access in this process, recorded, of a C handler that skips",
        _TRAPPED,
        "pagetrap, bare device, rec",
        0.3,
        floor=_CALL,
    ),
    Reach("the same with the trace off", _TRAPPED, "pagetrap, bare device, trace off", 0.2, floor=_CALL),
    Reach("the same, recorded, of a declared device", _TRAPPED, "pagetrap, declared device", 0.42, floor=_CALL),
    Reach(
        "a declared device with fields and handlers, of a bare one",
        _TRAPPED,
        "pagetrap, declared device",
        1.5,
        figure=_times,
        against="pagetrap, bare device, rec",
        floor="its handler is a second Python function, and a bare device costs no more than one",
    ),
    Reach("an access of a traced program, of a C tracer that skips it", "a load of a traced", "a device", 2),
    Reach(
        "the trace bit, of the operation",
        "a load, by either",
        "trace bit, in C",
        3,
        True,
        floor="the operation takes Python's time and the trace bit the kernel's, so it depends on the machine",
    ),
    Reach(
        "the same for each byte of REP MOVSB",
        "a byte of a REP",
        "trace bit, in C",
        100,
        True,
    ),
    Reach("flashrom reads 64 KiB", "flashrom", "--engine=inprocess:", 15, figure=_seconds, unit=" s"),
    Reach(
        "the same, of the time without patching",
        "flashrom",
        "--engine=inprocess:",
        0.5,
        figure=_times,
        against="--engine=inprocess --no-patching",
    ),
    Reach(
        "one access in 1,000, of Unicorn",
        "1,000 instructions",
        "Unicorn",
        2,
        True,
    ),
    Reach("the same, of valgrind", "1,000 instructions", "valgrind", 1, True),
    Reach("the same, of gdb", "1,000 instructions", "gdb", 1, True),
    Reach("an access among 10,000 regions, of one", "one access, by the number of regions", "10,000", 1.5),
    Reach("an access beside 10,000 watchpoints, of one", "one access to what is not watched", "10,000", 1.5),
    Reach("an access to bytes watched among 10,000, of one", "one access to watched", "10,000", 1.5),
    Reach(
        "import mmio, above Python and what it needs", "importing it", "and mmio", 60, figure=_milli_above, unit=" ms"
    ),
)


def table(measured: list[tuple[str, list[Timing]]]) -> str:
    """Return what was reached as a Markdown table."""
    rows = ["| figure | reach | measured | |", "|---|---:|---:|---|"]
    for reach in REACHES:
        rows.append(_row(reach, measured))
    return "\n".join(rows)


def _row(reach: Reach, measured: list[tuple[str, list[Timing]]]) -> str:
    wanted = f"{'from' if reach.least else 'to'} {reach.limit:g}{reach.unit}"
    found = [
        (row, next(other for other in timings if other.name.startswith(reach.against)))
        for title, timings in measured
        if title.startswith(reach.title)
        for row in timings
        if row.name.startswith(reach.row)
    ]
    if not found:
        return f"| {reach.what} | {wanted} | - | not measured: what it takes is not installed here |"
    figure = reach.figure(*found[0])
    reached = figure >= reach.limit if reach.least else figure <= reach.limit
    verdict = "reached" if reached else f"missed: {reach.floor or 'see the table'}"
    return f"| {reach.what} | {wanted} | {figure:,.3g}{reach.unit} | {verdict} |"
