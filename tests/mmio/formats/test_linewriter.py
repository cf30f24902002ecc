"""Trace files as they are written, and what is left when things go wrong."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mmio import Trace, TraceFileError, open_trace, writer
from mmio.formats import JsonLinesWriter, MmiotraceWriter
from mmio.formats.linewriter import LineWriter
from mmio.formats.vcd import ROOM
from tests.mmio.formats.killed import killed_while_writing, run
from tests.mmio.sample_traces import START, access, machine

WRITERS = pytest.mark.parametrize("make", [JsonLinesWriter, MmiotraceWriter])


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


@WRITERS
def test_each_record_is_in_the_file_at_once(make: type[LineWriter], tmp_path: Path) -> None:
    """By default the file has a record as soon as `write` returns."""
    path = tmp_path / "trace"
    with make(path) as file:
        for n in range(3):
            before = lines(path)
            file.write(access(n))
            assert lines(path) > before


@WRITERS
def test_every_third_record_writes_the_batch(make: type[LineWriter], tmp_path: Path) -> None:
    """With `every=3` each third record goes to the file together with the two before it."""
    path = tmp_path / "trace"
    with make(path, every=3, seconds=1000) as file:
        file.write(access(0))
        file.write(access(1))
        header = lines(path)
        file.write(access(2))
        assert lines(path) >= header + 3
        full = lines(path)
        file.write(access(3))
        assert lines(path) == full
        file.flush()
        assert lines(path) == full + 1


@WRITERS
def test_closing_writes_the_rest(make: type[LineWriter], tmp_path: Path) -> None:
    """What is pending is written when the writer closes; closing again does nothing, writing then is an error."""
    path = tmp_path / "trace"
    file = make(path, every=1000, seconds=1000)
    file.write(access())
    file.close()
    file.close()
    assert len(open_trace(path).load()) == 1
    with pytest.raises(ValueError, match="the writer is closed"):
        file.write(access())


@WRITERS
def test_overwrites_an_old_file(make: type[LineWriter], tmp_path: Path) -> None:
    """A file that is there is replaced, however long it is."""
    path = tmp_path / "trace"
    path.write_text("R 4 old\n" * 1000)
    with make(path) as file:
        file.write(access())
    assert len(open_trace(path).load()) == 1


@WRITERS
def test_one_writer_a_file(make: type[LineWriter], tmp_path: Path) -> None:
    """A second writer on a file is refused by name and does not harm it; when the first is closed, it may."""
    path = tmp_path / "trace"
    with make(path) as file:
        file.write(access())
        with pytest.raises(TraceFileError, match="another writer is writing this trace file") as caught:
            make(path)
        assert caught.value.filename == str(path)
        assert str(path) in str(caught.value)
        file.write(access(1))
    assert len(open_trace(path).load()) == 2
    make(path).close()


def test_lock_holds_between_processes(tmp_path: Path) -> None:
    """The refusal covers writers in other processes, and ends with the process."""
    path = tmp_path / "trace.jsonl"
    script = "import sys, mmio; w = mmio.writer(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with run(script, path) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        with pytest.raises(TraceFileError):
            writer(path)
        child.kill()
    writer(path).close()


@pytest.mark.parametrize("suffix", [".jsonl", ".mmiotrace"])
def test_file_of_a_killed_process(suffix: str, tmp_path: Path) -> None:
    """SIGKILL in the middle of writing leaves a file that has every record written; only the last may be unfinished."""
    path = tmp_path / f"trace{suffix}"
    reported = killed_while_writing(path)
    reader = open_trace(path, on_error="skip")
    values = [a.value for a in reader]
    assert reader.skipped <= 1  # the kernel may end a write where a page of the file does
    assert len(values) >= reported
    assert values == list(range(1, len(values) + 1))


@pytest.mark.parametrize("suffix", [".jsonl", ".mmiotrace"])
def test_file_of_a_killed_process_that_writes_batches(suffix: str, tmp_path: Path) -> None:
    """SIGKILL costs the records of one batch; at most the last line is unfinished, and all before it can be read."""
    path = tmp_path / f"trace{suffix}"
    reported = killed_while_writing(path, report=1000, every=1000)
    reader = open_trace(path, on_error="skip")
    values = [a.value for a in reader]
    assert reader.skipped <= 1
    assert len(values) >= reported - 1000
    assert values == list(range(1, len(values) + 1))


@WRITERS
def test_a_full_disk_is_an_error_with_the_path(make: type[LineWriter]) -> None:
    """No space left is an OSError that names the file and says why."""
    with pytest.raises(TraceFileError) as caught:
        make("/dev/full")
    assert str(caught.value) == ("[Errno 28] cannot write the trace any further: No space left on device: '/dev/full'")


def text_values(path: Path) -> list[int]:
    return [a.value for a in open_trace(path)]


def vcd_values(path: Path) -> list[int]:
    return [int(bits, 2) for bits in re.findall(r"^b(\d+) ", path.read_text(), re.MULTILINE)]


def perfetto_values(path: Path) -> list[int]:
    return [e["args"]["value"] for e in json.loads(path.read_text() + "]") if e["ph"] == "C"]


@pytest.mark.parametrize(
    ("suffix", "limit", "values"),
    [
        (".jsonl", 5000, text_values),
        (".mmiotrace", 2000, text_values),
        (".json", 7000, perfetto_values),
        (".vcd", ROOM + 800, vcd_values),
    ],
)
def test_disk_that_fills_up(suffix: str, limit: int, values: Callable[[Path], list[int]], tmp_path: Path) -> None:
    """When the disk fills up, this access and all later ones raise, even if there is space again; no line is cut."""
    path = tmp_path / f"trace{suffix}"
    script = (
        "import sys, resource, mmio\n"
        "from tests.mmio.sample_traces import START, machine\n"
        "limit = int(sys.argv[2])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, 1 << 30))\n"
        "file = mmio.writer(sys.argv[1])\n"
        "timer = machine(mmio.Trace(sinks=[file]))\n"
        "for n in range(200):\n"
        "    try:\n"
        "        timer.write(START, 4, n)\n"
        "    except mmio.TraceFileError as error:\n"
        "        print(n, type(error).__name__, error.errno)\n"
        "    if n == 150: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))\n"
        "file.close()\n"
    )
    with run(script, path, limit) as child:
        assert child.stdout is not None
        failures = child.stdout.read().splitlines()
    assert child.returncode == 0
    written = values(path)
    assert 10 < len(written) < 150
    assert written == list(range(len(written)))
    assert failures == [f"{n} TraceFileError 27" for n in range(len(written), 200)]


def test_a_pipe_is_neither_locked_nor_emptied(tmp_path: Path) -> None:
    """A trace can be written to a pipe: it is neither locked nor emptied."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with run("import sys; print(len(open(sys.argv[1]).readlines()))", path) as reader:
        with JsonLinesWriter(path) as file:
            file.write(access())
        assert reader.stdout is not None
        assert reader.stdout.read() == "3\n"


def test_trace_writes_as_it_goes(tmp_path: Path) -> None:
    """A writer is a sink: a trace and its file are equal, while the trace continues."""
    path = tmp_path / "trace.jsonl"
    with writer(path) as file:
        trace = Trace(sinks=[file])
        timer = machine(trace)
        timer.write(START, 4, 1)
        timer.update(START, 8, lambda old: old + 1)
        assert open_trace(path).load() == trace
        timer.port_read(0x71, 1)
        assert open_trace(path).load() == trace
