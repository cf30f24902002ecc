"""Accesses as columns."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode import READ, READ_WRITE
from mmio import Access, Trace, TraceView
from mmio.traces.columns import LARGEST, Columns
from tests.mmio.sample_traces import START, access, accesses, machine


def built(columns: Columns) -> list[Access]:
    """Return the accesses of columns."""
    found = []
    for row, number in enumerate(columns.spot_numbers):
        value, old = columns.wide.get(row, (columns.values[row], None))
        time = columns.times[row] - columns.began
        found.append(columns.spots[number].access(columns.sequences[row], time, value, old))
    return found


@given(st.lists(accesses(), max_size=8), st.data())
def test_columns_are_the_accesses(made: list[Access], data: st.DataObject) -> None:
    """Law: columns of accesses, and of any choice of rows, are the accesses."""
    columns = Columns.of(made)
    assert built(columns) == made
    rows = data.draw(st.lists(st.integers(0, len(made) - 1))) if made else []
    assert built(columns.chosen(rows)) == [made[row] for row in rows]
    part = data.draw(st.slices(len(made)))
    assert built(columns.chosen(range(len(made))[part])) == made[part]
    assert built(TraceView.of(made)[part].columns()) == made[part]


@pytest.mark.parametrize("keep", [None, 3])
def test_columns_of_packed_rows(keep: int | None) -> None:
    """Values that fit no row come from the side, and times count from the beginning of the trace."""
    trace = Trace(keep=keep)
    timer = machine(trace)
    for n in range(4):
        timer.write(START, 4, n)
    trace.record(READ, "memory", START, 16, LARGEST + 7, 1, None, None, 0, 0, 1)
    trace.record(READ_WRITE, "memory", START, 4, 2, 1, None, None, 0, 0, 1, 3)
    trace.record(READ, "memory", START, 16, 5, 1, None, None, 0, 0, 1)
    columns = trace.columns()
    assert built(columns) == list(trace)
    assert list(columns.wide.values()) == [(LARGEST + 7, None), (2, 3)]
    assert built(trace[1:2].columns()) == list(trace[1:2])
    assert built(trace[:0].columns()) == []
    timer.read(START, 4)  # the rows can still grow


def test_a_view_without_a_store_has_columns() -> None:
    """A view over any function has columns, too: those of its accesses."""
    view = TraceView(lambda number: access(number), array("Q", [3, 5]))
    assert built(view.columns()) == list(view)
