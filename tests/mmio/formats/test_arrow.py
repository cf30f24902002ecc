"""Traces as Arrow tables, and back."""

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode import READ, READ_WRITE, WRITE
from mmio import Access, AddressSpace, Device, Trace, TraceView, bit, field, open_trace, register
from mmio.formats import from_arrow
from mmio.formats.arrow import EVENT_KINDS, events, events_schema, schema
from mmio.records.events import Mapped, Mark, Record
from tests.mmio import sample_traces
from tests.mmio.sample_traces import ADD, MOV, START, access, machine


class Card(Device):
    ctrl = register(0, fields=[bit("UP", 1), field("MODE", 7, 4)])
    data = register(8, width=8)


def recorded(keep: int | None = None) -> Trace:
    """Return a trace with accesses of every kind: atomic, wide, unmapped, described."""
    trace = Trace(keep=keep)
    timer = machine(trace)
    for n in range(5):
        timer.write(START, 4, n)
        timer.read(START + 4, 4)
    trace.mark("here")
    trace.record(READ_WRITE, "memory", START, 4, 7, 0x401000, ADD, None, 0, 16, 1, 3)
    trace.record(READ, "memory", START, 16, 1 << 100, 0x401000, MOV, None, 0, 0, 1)
    trace.record(READ, "memory", START, 16, 5, 0x401000, MOV, None, 0, 0, 1)
    trace.record(WRITE, "port", 0x80, 1, 5, 0, None, None, 0, 0, 1)
    space = AddressSpace(trace)
    space.map(0x1000, 16, Card(), "card")
    space.write(0x1000, 4, 0x32)
    space.read(0x1008, 8)
    return trace


def told(one: Access) -> tuple[Access, str, object]:
    """Return an access with what equality leaves out."""
    return one, one.decoded, one.layout


@given(st.lists(sample_traces.accesses(), max_size=8))
def test_a_table_gives_back_the_accesses(made: list[Access]) -> None:
    """Law: the table of any accesses has a row for each, of the schema, and gives back the same accesses."""
    table = TraceView.of(made).to_arrow()
    table.validate(full=True)
    assert table.schema == schema(pyarrow)
    assert list(from_arrow(table)) == made


@pytest.mark.parametrize("keep", [None, 4, 100])
@pytest.mark.parametrize(
    "part", [slice(None), slice(3, 9), slice(None, None, 2), slice(None, None, -1), slice(0, 0)], ids=str
)
def test_packed_rows_are_the_accesses(keep: int | None, part: slice) -> None:
    """Law: what is made of packed rows, or of a part of them, is what the accesses themselves would give."""
    trace = recorded(keep)
    view = trace[part]
    assert list(map(told, from_arrow(view.to_arrow()))) == list(map(told, view))
    assert view.to_arrow().to_pylist() == TraceView.of(list(view)).to_arrow().to_pylist()


def test_a_trace_goes_on_while_there_is_a_table_of_it() -> None:
    """A table holds what was recorded before it was made; recording continues."""
    trace = recorded()
    table = trace.to_arrow()
    machine(trace).read(START, 4)
    assert len(table) == len(trace) - 1


def test_a_filtered_trace_and_one_of_a_file(tmp_path: Path) -> None:
    """Any view has a table."""
    trace = recorded()
    reads = trace.filter(direction="R")
    assert list(from_arrow(reads.to_arrow())) == list(reads)
    trace.save(tmp_path / "run.jsonl")
    assert open_trace(tmp_path / "run.jsonl").load().to_arrow() == trace.to_arrow()


@given(st.lists(sample_traces.events(), max_size=8))
def test_events_have_a_table_of_their_own(made: list[Record]) -> None:
    """Law: a table of events has the kind of each and its attributes, and gives them back."""
    table = TraceView.of(made).events_to_arrow()
    assert table.schema == events_schema(pyarrow)
    assert events(table) == made
    assert "event" not in TraceView.of(made).to_arrow().schema.names


def test_the_whole_space_is_a_region_without_a_length() -> None:
    """2^64 is the one length that fits no column; it is null there."""
    whole = Mapped(0, 0, 1, "memory", "all", 0, 1 << 64)
    table = TraceView.of([whole]).events_to_arrow()
    assert table["length"].to_pylist() == [None]
    assert events(table) == [whole]
    assert len(EVENT_KINDS) == 10


def test_rows_are_plain_values(tmp_path: Path) -> None:
    """Rows are dicts, made when they are looked at, with every key."""
    trace = recorded()
    assert len(trace.rows) == len(trace)
    assert trace.rows[0]["register"] == "CTRL"
    assert [row["value"] for row in trace.rows[:4]] == [0, 0, 1, 0]
    assert {frozenset(row) for row in trace.rows} == {frozenset(trace.rows[0])}
    with (tmp_path / "run.csv").open("w") as file:
        writer = csv.DictWriter(file, list(trace.rows[0]))
        writer.writeheader()
        writer.writerows(trace.rows)
    assert (tmp_path / "run.csv").read_text().count("\n") == len(trace) + 1
    assert repr(trace.rows) == f"<Rows of {len(trace)} accesses>"


def test_pandas_keeps_every_bit() -> None:
    """A data frame of pandas has whole numbers, also where some are missing."""
    trace = recorded()
    trace.record(WRITE, "memory", START, 8, (1 << 64) - 1, 0, None, None, 0, 0, 1)
    frame = trace.to_pandas()
    assert list(frame.columns) == schema(pyarrow).names
    assert frame["value"].iloc[-1] == (1 << 64) - 1
    assert frame["value"].isna().sum() == 2
    assert list(frame.groupby("register", observed=True).size()[["CTRL", "STATUS"]]) == [6, 5]


def test_a_data_frame_of_a_trace() -> None:
    """`pandas.DataFrame` takes the rows; of the trace itself it asks for what an array has, and is told."""
    import pandas

    trace = recorded()
    with pytest.raises(TypeError, match=r"use trace.to_pandas\(\), or pandas.DataFrame\(trace.rows\)"):
        pandas.DataFrame(trace)  # type: ignore[call-overload,unused-ignore]
    assert not hasattr(trace, "shape")
    with pytest.raises(AttributeError, match=r"^'Trace' object has no attribute 'foo'$"):
        trace.foo  # type: ignore[attr-defined]  # noqa: B018
    assert list(pandas.DataFrame(trace.rows)["register"][:2]) == ["CTRL", "STATUS"]


@pytest.mark.cpu("AVX2")  # as duckdb is built
def test_duckdb_reads_a_trace() -> None:
    """DuckDB takes a trace where it takes a table, by the Arrow PyCapsule interface; so does pyarrow."""
    import duckdb

    trace = recorded()
    query = "SELECT register, count(*) AS n FROM trace WHERE direction = 'R' AND register IS NOT NULL GROUP BY ALL"
    assert sorted(duckdb.execute(query).fetchall()) == [("DATA", 1), ("STATUS", 5)]
    assert pyarrow.table(trace) == trace.to_arrow()


def test_the_types_are_told_without_the_accesses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that wants to know the columns first, as DuckDB does twice a query, makes no table for that."""
    trace = recorded()
    monkeypatch.setattr(TraceView, "to_arrow", None)
    assert pyarrow.schema(trace) == pyarrow.schema(trace[:0]) == schema(pyarrow)


@pytest.mark.cpu("AVX2")  # as polars is built
def test_polars_takes_the_table() -> None:
    """A data frame of polars has the columns of the table, and every bit."""
    import polars

    trace = recorded()
    frame = trace.to_polars()
    assert frame.equals(polars.DataFrame(trace.to_arrow()))
    assert frame.filter(polars.col("register") == "STATUS").height == 5


@pytest.mark.cpu("AVX2")  # as polars is built
@pytest.mark.parametrize("made", ["DataFrame", "LazyFrame"])
@pytest.mark.parametrize("part", [slice(None), slice(2, 5), slice(0)], ids=str)
def test_polars_reads_a_trace_itself(made: str, part: slice) -> None:
    """Nothing tells it that a trace is a sequence, so it asks for the Arrow stream, which has the columns."""
    import polars

    trace = recorded()[part]
    frame = getattr(polars, made)(trace)
    assert frame.lazy().collect().equals(trace.to_polars())
    assert polars.DataFrame({"access": trace})["access"].struct.unnest().equals(trace.to_polars())


def test_a_trace_is_used_as_a_sequence() -> None:
    """It has all methods of one, though it does not say so."""
    trace = recorded()
    assert list(reversed(trace)) == list(trace)[::-1]
    assert trace[1] in trace
    assert trace[1] not in trace[2:]
    assert trace.index(trace[1], 1) == 1
    assert trace.count(trace[1]) == 1
    assert not isinstance(trace, Sequence)


def test_words_of_values_are_asked_for_once() -> None:
    """The device describes each value of a register once, however often it was read."""
    asked: list[int] = []

    class Told(sample_traces.Timer):
        def describe(self, offset: int, width: int, value: int) -> str:
            asked.append(value)
            return f"V={value}"

    trace = Trace()
    space = AddressSpace(trace)
    space.map(0, 16, Told(), "told")
    for n in range(100):
        space.write(0, 4, n % 3)
    assert trace.to_arrow()["fields"].to_pylist() == [f"V={n % 3}" for n in range(100)]
    assert sorted(asked) == [0, 1, 2]


def test_a_table_of_something_else_is_refused() -> None:
    """The error says which column is missing, or that it is no table at all."""
    with pytest.raises(
        TypeError, match=r"a table is a pyarrow\.Table, or a data frame or what else Arrow can read, not 5"
    ):
        from_arrow(5)
    with pytest.raises(
        ValueError, match="it has no column address, direction, sequence, time, width, so it is not a table"
    ):
        list(from_arrow(pyarrow.table({"value": [1]})))
    broken = TraceView.of([access()]).to_arrow().set_column(7, "value", pyarrow.nulls(1, pyarrow.uint64()))
    with pytest.raises(ValueError, match="access 0 has no value"):
        from_arrow(broken)
    with pytest.raises(ValueError, match="event: expected one of started, mapped"):
        events(pyarrow.table({"event": ["nonsense"]}))


@pytest.mark.parametrize("name", ["pyarrow", "pandas", "polars"])
def test_what_is_missing_says_how_to_get_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An extra that is not installed is told when it is needed, and by name."""
    monkeypatch.setitem(sys.modules, name, None)
    call = {"pyarrow": "to_arrow", "pandas": "to_pandas", "polars": "to_polars"}[name]
    with pytest.raises(ImportError, match=f"needs {name}: pip install"):
        getattr(recorded(), call)()


def test_marks_are_no_rows() -> None:
    """The events of a trace are not among its accesses."""
    trace = recorded()
    assert [event["text"] for event in trace.events_to_arrow().to_pylist() if event["event"] == "mark"] == ["here"]
    assert isinstance(trace.events[0], Mark) or len(trace.to_arrow()) == len(trace)
