"""Parquet, as pyarrow and DuckDB read it."""

import os
import sys
from pathlib import Path
from typing import Any

import pyarrow.dataset
import pyarrow.parquet
import pytest

from decode import READ_WRITE, WRITE
from mmio import TraceFileError, TraceView, save, writer
from mmio.formats import ParquetWriter
from mmio.formats.jsonlines import from_json
from mmio.records.events import Loss, Mark, Record, Started
from tests.mmio.formats.killed import killed_while_writing, run
from tests.mmio.sample_traces import ADD, access

RECORDS: list[Record] = [
    access(0),
    Mark(1, 500, "here"),
    access(1, direction=WRITE, value=(1 << 64) - 1, width=8),
    access(2, direction=READ_WRITE, old=1, value=2, instruction=ADD, flags=16),
    access(3, width=16, value=1 << 64),
    access(4, region=None, offset=None, register=None, ip=0),
]


def rows(path: Path) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = pyarrow.dataset.dataset(path, format="parquet").to_table().to_pylist()
    return loaded


def test_rows_are_records(tmp_path: Path) -> None:
    """Each access is a row with the keys of JSON Lines as columns; what it has not is null."""
    save(RECORDS, tmp_path / "trace.parquet")
    first, written, atomic, wide, nowhere = rows(tmp_path / "trace.parquet")
    assert {key: value for key, value in first.items() if value is not None} == {
        "sequence": 0,
        "time": 0,
        "thread": 0,
        "direction": "R",
        "space": "memory",
        "address": 0xFE000004,
        "width": 4,
        "value": 3,
        "region": "timer",
        "offset": 4,
        "register": "STATUS",
        "ip": 0x401000,
        "flags": [],
    }
    assert (written["direction"], written["value"]) == ("W", (1 << 64) - 1)
    assert (atomic["old"], atomic["value"], atomic["flags"]) == (1, 2, ["atomic"])
    assert (atomic["code"], atomic["bits"], atomic["text"]) == (ADD.code, 64, ADD.format(ip=0x401000))
    assert (wide["value"], wide["data"]) == (None, (1 << 64).to_bytes(16, "little"))
    assert (nowhere["region"], nowhere["offset"], nowhere["ip"]) == (None, None, None)


def test_events_are_in_the_metadata(tmp_path: Path) -> None:
    """An event is a line of JSON in the metadata of its file, and no row."""
    records: list[Record] = [access(0), Mark(1, 500, "here"), Loss(1, 600, 37), access(38)]
    save(records, tmp_path / "trace.parquet")
    assert [row["direction"] for row in rows(tmp_path / "trace.parquet")] == ["R", "R"]
    metadata = pyarrow.parquet.read_metadata(tmp_path / "trace.parquet").metadata
    assert [from_json(line) for line in metadata[b"pagetrap.events"].decode().splitlines()] == records[1:3]


def test_groups_bound_the_memory(tmp_path: Path) -> None:
    """Rows are written in groups of `every`, while the trace continues."""
    path = tmp_path / "trace.parquet"
    with ParquetWriter(path, every=10) as file:
        for n in range(25):
            file.write(access(n))
            assert len(file._columns) < 10
    groups = pyarrow.parquet.ParquetFile(path).metadata
    assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [10, 10, 5]


@pytest.mark.cpu("AVX2")  # as duckdb's wheels are built: without it, importing one ends the process
def test_folder_is_one_table(tmp_path: Path) -> None:
    """A path that ends with a slash is a folder of parts, which pyarrow and DuckDB read as one table."""
    import duckdb

    folder = tmp_path / "run"
    with writer(f"{folder}/", every=10) as file:
        for n in range(25):
            file.write(access(n, value=n))
    assert [path.name for path in sorted(folder.iterdir())] == [
        "_SUCCESS",
        *(f"part-{n:06d}.parquet" for n in range(3)),
    ]
    assert [row["value"] for row in rows(folder)] == list(range(25))
    query = (
        f"select region, register, count(*), max(value) from '{folder}/*.parquet' where direction = 'R' group by all"
    )
    assert duckdb.execute(query).fetchall() == [("timer", "STATUS", 25, 24)]


def test_folder_of_an_earlier_run(tmp_path: Path) -> None:
    """The parts of an earlier trace are replaced, other files stay."""
    folder = tmp_path / "run"
    for count in (25, 5):
        with ParquetWriter(f"{folder}/", every=10) as file:
            for n in range(count):
                file.write(access(n))
        (folder / "notes").touch()
    assert sorted(path.name for path in folder.iterdir()) == ["_SUCCESS", "notes", "part-000000.parquet"]


@pytest.mark.parametrize("name", ["trace.parquet", "run/"])
def test_empty_trace_is_an_empty_table(name: str, tmp_path: Path) -> None:
    """Without a record there is a table with the columns and no rows."""
    path = f"{tmp_path}/{name}"
    ParquetWriter(path).close()
    assert rows(Path(path)) == []
    assert "address" in pyarrow.dataset.dataset(path, format="parquet").schema.names


@pytest.mark.parametrize("name", ["trace.parquet", "run/"])
def test_the_columns_are_those_of_a_data_frame(name: str, tmp_path: Path) -> None:
    """A file and the table of a trace have the same columns, of the same types, and so the same rows."""
    path = tmp_path / name
    made = TraceView.of([Started(0, 0, 5), access(0), access(1, width=16, value=1 << 100), Mark(2, 9, "here")])
    made.save(f"{tmp_path}/{name}")
    table = pyarrow.dataset.dataset(path, format="parquet").to_table().replace_schema_metadata()
    assert table.schema == made.to_arrow().schema
    assert table.to_pylist() == made.to_arrow().to_pylist()


@pytest.mark.parametrize("name", ["trace.parquet", "run/"])
def test_a_second_writer_is_refused(name: str, tmp_path: Path) -> None:
    """A second writer is refused and harms nothing; closing twice is closing once, writing then is an error."""
    path = f"{tmp_path}/{name}"
    with ParquetWriter(path) as file:
        file.write(access())
        with pytest.raises(TraceFileError, match="another writer"):
            ParquetWriter(path)
    assert len(rows(Path(path))) == 1
    file.close()
    with pytest.raises(ValueError, match="the writer is closed"):
        file.write(access())


def test_a_full_disk_is_an_error_with_the_path() -> None:
    """A disk that is full is a TraceFileError with the path."""
    with pytest.raises(TraceFileError, match=r"cannot write the trace any further: .*No space left") as caught:
        ParquetWriter("/dev/full")
    assert caught.value.filename == "/dev/full"


@pytest.mark.parametrize("name", ["trace.parquet", "run/"])
def test_file_that_may_not_grow(name: str, tmp_path: Path) -> None:
    """When the file cannot grow, that write raises TraceFileError, so does every later one, and closing is quiet."""
    script = (
        "import sys, resource, mmio\n"
        "from tests.mmio.sample_traces import access\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))\n"
        "file = mmio.writer(sys.argv[1], every=1000)\n"
        "errors = []\n"
        "for n in range(5000):\n"
        "    try: file.write(access(n, value=n))\n"
        "    except mmio.TraceFileError as error: errors.append(str(error))\n"
        "file.close()\n"
        "print(len(errors), set(errors))\n"
    )
    with run(script, f"{tmp_path}/{name}") as child:
        assert child.stdout is not None
        said = child.stdout.read()
    assert child.returncode == 0
    assert said.count("File too large") == 1
    assert int(said.split()[0]) > 1000


def test_folder_of_a_killed_process(tmp_path: Path) -> None:
    """SIGKILL leaves every finished part, and nothing that cannot be read."""
    reported = killed_while_writing(f"{tmp_path}/run/", every=100)
    values = [row["value"] for row in rows(tmp_path / "run")]
    assert len(values) >= reported - 100
    assert values == list(range(1, len(values) + 1))


@pytest.mark.cpu("AVX2")  # for duckdb
def test_an_unfinished_part_is_ignored_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that was never finished disturbs no reader of the folder, and is gone after the next trace."""
    import duckdb

    folder = tmp_path / "run"
    with writer(f"{folder}/", every=10) as file, monkeypatch.context() as context:
        for n in range(10):
            file.write(access(n, value=n))
        context.setattr(os, "rename", lambda *names: os.truncate(names[0], 100))
        for n in range(10):
            file.write(access(n))
    assert len(list(folder.iterdir())) == 3
    assert len(rows(folder)) == 10
    assert duckdb.execute(f"select count(*) from '{folder}/*.parquet'").fetchall() == [(10,)]
    writer(f"{folder}/").close()
    assert sorted(path.name for path in folder.iterdir()) == ["_SUCCESS", "part-000000.parquet"]


def test_a_missing_pyarrow_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When pyarrow is missing the error says how to get it, and there is no file."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"needs pyarrow: pip install 'pagetrap\[parquet\]'"):
        writer(tmp_path / "trace.parquet")
    assert not list(tmp_path.iterdir())
