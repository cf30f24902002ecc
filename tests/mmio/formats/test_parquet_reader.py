"""Parquet files, read back."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio import Access, Trace, TraceFormatError, open_trace, save, writer
from mmio.formats import ParquetReader
from mmio.formats.arrow import schema
from mmio.formats.jsonlines import to_json
from mmio.records.events import Cut, Ended, Loss, Mark, Record
from tests.mmio.sample_traces import START, access, accesses, events, machine


@given(st.lists(accesses() | events(), max_size=8), st.sampled_from(("trace.parquet", "run/")))
def test_a_file_gives_back_the_records(records: list[Record], name: str) -> None:
    """Law: accesses and events come back equal, each in their order."""
    with TemporaryDirectory() as folder:
        save(records, path := os.path.join(folder, name), every=3)
        found = list(open_trace(path).records())
    for kind in (True, False):
        assert [one for one in found if isinstance(one, Access) == kind] == [
            one for one in records if isinstance(one, Access) == kind
        ]


@pytest.mark.parametrize("name", ["trace.parquet", "run/"])
def test_a_trace_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    """Records of a trace come back in their order, described as they were; a slash at the end does not matter."""
    trace = Trace()
    timer = machine(trace)
    for n in range(20):
        timer.write(START, 4, n)
        trace.mark(f"after {n}")
    trace.save(f"{tmp_path}/{name}", every=7)
    reader = open_trace(tmp_path / name)
    assert isinstance(reader, ParquetReader)
    assert list(reader.records()) == list(trace.records())
    again = reader.load()
    assert [one.decoded for one in again] == [one.decoded for one in trace]
    assert (again.cut, reader.skipped) == (None, 0)
    assert reader.consumed > 0
    assert list(reader) == list(trace)


def test_events_as_rows(tmp_path: Path) -> None:
    """A file of an earlier pagetrap has its events as rows without a direction, and no column for the vendor."""
    records: list[Record] = [access(0), Mark(1, 500, "here"), Loss(1, 600, 37), access(38)]
    save([one for one in records if isinstance(one, Access)], tmp_path / "new.parquet")
    rows = pyarrow.parquet.read_table(tmp_path / "new.parquet").to_pylist()
    place = {"sequence": 1, "time": 500}
    old = [rows[0], *({**place, "event": to_json(event)} for event in records[1:3]), rows[1]]
    columns = [
        *(field for field in schema(pyarrow) if field.name != "vendor"),
        pyarrow.field("event", pyarrow.string()),
    ]
    table = pyarrow.Table.from_pylist(old, schema=pyarrow.schema(columns))
    pyarrow.parquet.write_table(table, tmp_path / "old.parquet")
    assert list(open_trace(tmp_path / "old.parquet").records()) == records


def test_a_folder_that_is_not_finished_was_cut(tmp_path: Path) -> None:
    """Without the file that says so, a folder is of a trace that was cut."""
    with writer(f"{tmp_path}/run/", every=2) as file:
        for n in range(5):
            file.write(access(n))
    (tmp_path / "run" / "_SUCCESS").unlink()
    (tmp_path / "run" / "part-000002.parquet").unlink()
    *read, cut = open_trace(tmp_path / "run").records()
    assert (len(read), cut) == (4, Cut(4, 3000))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_bytes(b"PAR1 and no more"), "Parquet magic bytes not found"),
        (
            lambda path: pyarrow.parquet.write_table(pyarrow.table({"a": [1]}), path),
            "it has no column address, direction",
        ),
        (
            lambda path: pyarrow.parquet.write_table(
                schema(pyarrow).empty_table().replace_schema_metadata({"pagetrap.events": to_json(access())}), path
            ),
            "an event is expected in the file's metadata, got access 0",
        ),
    ],
    ids=["cut", "foreign", "access"],
)
def test_a_bad_file_is_an_error_with_its_reason(make: object, reason: str, tmp_path: Path) -> None:
    """The error has the path and the reason; it is skipped when told to, and counted."""
    make(tmp_path / "bad.parquet")  # type: ignore[operator]
    with pytest.raises(TraceFormatError, match=reason):
        open_trace(tmp_path / "bad.parquet").load()
    reader = open_trace(tmp_path / "bad.parquet", on_error="skip")
    assert len(reader.load()) == 0
    assert reader.skipped == 1


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    """A Parquet file is read from its end, which a pipe has not got."""
    read, write = os.pipe()
    os.write(write, b"PAR1....\n")
    os.close(write)
    with pytest.raises(TraceFormatError, match="Parquet cannot be read from a pipe"):
        open_trace(f"/dev/fd/{read}")
    os.close(read)


def test_the_end_is_no_record(tmp_path: Path) -> None:
    """What ends files of lines is not passed on by any reader, nor is it in a file of Parquet."""
    save([access(0)], tmp_path / "run.parquet")
    assert not any(isinstance(record, Ended) for record in open_trace(tmp_path / "run.parquet").records())
