"""What all writers have in common."""

import gc
import threading
from collections.abc import Callable
from pathlib import Path
from threading import Event as Signal

import pytest

from mmio import Trace, TraceFileError, open_trace, save
from mmio.formats import FORMATS, JsonLinesWriter
from mmio.formats.writer import Writer
from tests.mmio.sample_traces import START, access, machine

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
    """When what is handed on after `seconds` does not fit, the next write raises."""
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
    """A writer that is refused has neither a thread nor an open file afterwards, and the first one goes on."""
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
