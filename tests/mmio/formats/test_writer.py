"""What all writers have in common."""

import gc
import threading
from collections.abc import Callable
from pathlib import Path
from threading import Event as Signal

import pyarrow.dataset
import pytest

from mmio import Trace, TraceFileError, open_trace, save
from mmio.formats import FORMATS, JsonLinesWriter
from mmio.formats.writer import Writer
from tests.mmio.sample_traces import START, access, machine
from tests.native import run_python

EACH = pytest.mark.parametrize("make", [form.writer for form in FORMATS], ids=[form.name for form in FORMATS])


class Watched(JsonLinesWriter):
    """A writer that says when it hands records on."""

    def __init__(self, path: Path, **options: float) -> None:
        self.handed_on = Signal()
        super().__init__(path, **options)  # type: ignore[arg-type]

    def _hand_on(self) -> None:
        super()._hand_on()
        self.handed_on.set()


def test_batches_do_not_wait_long(tmp_path: Path) -> None:
    """A batch that is not full goes to the file after `seconds`, though no other record comes."""
    path = tmp_path / "trace.jsonl"
    with Watched(path, every=1000, seconds=0.01) as file:
        file.write(access())
        assert file.handed_on.wait(60)
        assert len(open_trace(path).load()) == 1


def test_failure_while_keeping_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When what is passed on after `seconds` does not fit, the next write raises."""
    with Watched(tmp_path / "trace.jsonl", every=1000, seconds=0.01) as file:
        tried = Signal()

        def full(text: str) -> None:
            tried.set()
            raise file._refuse(OSError(28, "No space left on device"))

        monkeypatch.setattr(file, "_put", full)
        file.write(access())
        assert tried.wait(60)
        with file._lock, pytest.raises(TraceFileError, match="No space left"):
            file.write(access(1))


@EACH
@pytest.mark.parametrize("wrong", [{"every": 0}, {"seconds": 0}, {"seconds": -1.0}])
def test_options_are_checked(make: Callable[..., Writer], wrong: dict[str, int], tmp_path: Path) -> None:
    """A batch of no records, and a time that never passes, are errors, and leave no file."""
    with pytest.raises(ValueError, match="every is a number of records from 1"):
        make(tmp_path / "trace", **wrong)
    assert not list(tmp_path.iterdir())


@EACH
def test_refused_writer_leaves_nothing_behind(make: Callable[..., Writer], tmp_path: Path) -> None:
    """A writer that is refused has neither a thread nor an open file afterwards, and the first one continues."""
    path = tmp_path / "trace"
    with make(path) as file:
        files, threads = set(Path("/proc/self/fd").iterdir()), threading.active_count()
        with pytest.raises(TraceFileError, match="another writer is writing this trace file"):
            make(path, every=7)
        gc.collect()
        assert set(Path("/proc/self/fd").iterdir()) == files
        assert threading.active_count() == threads
        file.write(access())


@EACH
def test_spots_and_accesses_are_written_alike(make: Callable[..., Writer], tmp_path: Path) -> None:
    """What a trace streams and what is saved of it afterwards are the same file."""
    streamed, saved = tmp_path / "streamed", tmp_path / "saved"
    with make(streamed) as file:
        trace = Trace(sinks=[file])
        timer = machine(trace)
        for n in range(5):
            timer.write(START, 4, n)
            timer.read(START + 4 * n, 8)
            timer.update(START, 4, lambda old: old + 1)
            timer.read(START + 0x10, 16)
            timer.port_read(0x71, 1)
    with make(saved) as file:
        for record in trace.records():
            file.write(record)
    assert saved.read_bytes() == streamed.read_bytes()


LEFT_OPEN = """
import atexit, os, sys
atexit.register(lambda: late())  # before mmio's own, which comes first in the end
import mmio
from tests.mmio.sample_traces import access

FILES = [mmio.writer(path, every=every, seconds=3600) for path, every in zip(sys.argv[2::2], map(int, sys.argv[3::2]))]

def late():
    if sys.argv[2].endswith("jsonl"):
        for file in FILES:
            file.write(access(5))

for number in range(5):
    for file in FILES:
        file.write(access(number))
if sys.argv[1] == "forks":
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    else:
        late = lambda: None
    sys.exit(3)
if sys.argv[1] == "raises":
    raise KeyError("the script's own")
"""


@pytest.mark.parametrize(("end", "status"), [("returns", 0), ("raises", 1), ("forks", 3)])
@pytest.mark.parametrize("name", ["trace.jsonl", "trace.mmiotrace", "trace.json", "trace.vcd"])
def test_a_writer_left_open_loses_no_batch(name: str, end: str, status: int, tmp_path: Path) -> None:
    """However a script ends, its files are those of writers that write each record at once."""
    (tmp_path / "at_once").mkdir()
    paths = tmp_path / name, tmp_path / "at_once" / name
    done = run_python(LEFT_OPEN, end, str(paths[0]), "1000", str(paths[1]), "1")
    assert done.returncode == status, done.stderr
    assert paths[0].read_bytes() == paths[1].read_bytes()
    if name == "trace.jsonl":
        assert [access.sequence for access in open_trace(paths[0]).load()] == [*range(6)]


@pytest.mark.parametrize(("end", "status"), [("returns", 0), ("raises", 1), ("forks", 3)])
@pytest.mark.parametrize("every", [1, 1000])
@pytest.mark.parametrize("name", ["trace.parquet", "folder/"])
def test_a_table_left_open_can_be_read(name: str, every: int, end: str, status: int, tmp_path: Path) -> None:
    """However a script ends, a Parquet file that it leaves open is closed, and a folder has every row."""
    done = run_python(LEFT_OPEN, end, f"{tmp_path}/{name}", str(every))
    assert done.returncode == status, done.stderr
    table = pyarrow.dataset.dataset(tmp_path / name, format="parquet").to_table()
    assert sorted(table.column("sequence").to_pylist()) == [*range(5)]


def test_a_writer_that_fails_at_the_end_does_not_keep_others_from_writing(tmp_path: Path) -> None:
    """What is pending in other writers is written, and the failure is reported."""
    code = """
import os, sys
from mmio.formats import JsonLinesWriter
from tests.mmio.sample_traces import access
reader, end = os.pipe()
paths = sys.argv[1], f"/proc/self/fd/{end}", sys.argv[2]
files = [JsonLinesWriter(path, every=9, seconds=3600) for path in paths]
for file in files:
    file.write(access())
os.close(reader)
"""
    paths = [tmp_path / "one", tmp_path / "two"]
    done = run_python(code, *map(str, paths))
    assert "TraceFileError" in done.stderr
    assert "Broken pipe" in done.stderr
    assert [[access.sequence for access in open_trace(path).load()] for path in paths] == [[0], [0]]


@EACH
def test_a_closed_writer_refuses_records(make: Callable[..., Writer], tmp_path: Path) -> None:
    """Closing twice is closing once; what comes later is refused, by name."""
    file = make(tmp_path / "trace")
    file.close()
    file.close()
    with pytest.raises(ValueError, match=r"/trace: the writer is closed"):
        file.write(access())


def test_save_takes_options(tmp_path: Path) -> None:
    """`save` hands options on to the writer."""
    with pytest.raises(ValueError, match="every is a number"):
        save([access()], tmp_path / "trace.jsonl", every=0)
