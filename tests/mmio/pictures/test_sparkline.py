"""Timelines for the terminal."""

from decode import READ_WRITE, WRITE
from mmio import TraceView
from mmio.pictures.sparkline import sparkline
from tests.mmio.sample_traces import START, access

CTRL = {"address": START, "offset": 0, "register": "CTRL", "direction": WRITE}


def test_reads_and_writes_have_rows_of_their_own() -> None:
    """Each register has a row for its reads and one for its writes, each with a count; an atomic is in both."""
    accesses = [access(0, **CTRL), access(1), access(2, direction=READ_WRITE, old=1)]
    rows = [row.split()[:3] for row in sparkline(accesses).splitlines()[1:]]
    assert rows == [["timer.CTRL", "W", "1"], ["timer.STATUS", "R", "2"], ["timer.STATUS", "W", "1"]]


def test_bars_stand_at_their_time() -> None:
    """The first access is in the first column, the last in the last, and blanks say that nothing happened."""
    row = sparkline([access(0, time=0), access(1, time=50), access(2, time=100)], width=39).splitlines()[1]
    assert row.endswith("█     █     █")


def test_bars_are_high_as_counts() -> None:
    """A bar's height is the count, on the row's own scale; one access of many is still seen."""
    many = [access(n, time=0) for n in range(8)] + [access(9, time=50) for n in range(4)] + [access(10, time=100)]
    header, row = sparkline(many, width=39).splitlines()
    assert row.endswith("█     ▄     ▁")
    assert header.endswith("in 100.000 ns")


def test_a_single_access_is_one_bar() -> None:
    """A single access is one bar."""
    assert sparkline([access()]).count("█") == 1


def test_a_trace_without_accesses_says_so() -> None:
    """A trace without accesses says so."""
    assert TraceView.of([]).sparkline() == "no accesses"
