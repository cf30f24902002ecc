"""Choosing a trace format."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from mmio import Trace, TraceFileError, TraceFormatError, open_trace, save, writer
from mmio.formats import FORMATS, JsonLinesReader, JsonLinesWriter, MmiotraceReader, MmiotraceWriter
from mmio.records.events import Event
from tests.mmio.sample_traces import START, machine


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.jsonl", JsonLinesWriter), ("a.mmiotrace", MmiotraceWriter), ("a.txt", MmiotraceWriter)],
)
def test_suffix_chooses_the_writer(name: str, kind: type, tmp_path: Path) -> None:
    """The file's suffix says what to write."""
    with writer(tmp_path / name) as file:
        assert type(file) is kind


def test_format_may_be_named(tmp_path: Path) -> None:
    """A named format is written whatever the suffix."""
    with writer(tmp_path / "a.jsonl", format="mmiotrace") as file:
        assert type(file) is MmiotraceWriter


def test_an_unknown_suffix_lists_the_formats(tmp_path: Path) -> None:
    """A suffix of no format is an error that lists the formats, and makes no file."""
    path = tmp_path / "a.doc"
    with pytest.raises(
        ValueError, match=r"a\.doc: no trace format has this suffix; expected one of \.jsonl \(jsonlines\), "
    ):
        writer(path)
    assert not path.exists()


def test_an_unknown_format_lists_the_formats(tmp_path: Path) -> None:
    """The name of no format is an error that lists the formats."""
    with pytest.raises(ValueError, match="no trace format 'xml'; there are jsonlines, mmiotrace"):
        writer(tmp_path / "a.jsonl", format="xml")


@pytest.mark.parametrize(("format", "kind"), [("jsonlines", JsonLinesReader), ("mmiotrace", MmiotraceReader)])
def test_content_chooses_the_reader(format: str, kind: type, tmp_path: Path) -> None:
    """What is in a file says how to read it, whatever its name."""
    path = tmp_path / "trace"
    trace = Trace()
    machine(trace).write(START, 4, 1)
    save(trace, path, format=format)
    reader = open_trace(path)
    assert type(reader) is kind
    assert len(reader.load()) == 1


@pytest.mark.parametrize("content", [b"\x7fELF\x02\x01", b"hello\n", b'{"name": "x"}\n', b"\n\n"], ids=repr)
def test_an_unknown_content_shows_how_it_begins(content: bytes, tmp_path: Path) -> None:
    """A file of no format is an error that shows how it begins."""
    path = tmp_path / "trace"
    path.write_bytes(content)
    with pytest.raises(TraceFormatError) as caught:
        open_trace(path)
    assert str(caught.value) == f"{path}:1: not a jsonlines, mmiotrace or parquet trace: it begins with {content!r}"


def test_format_that_is_only_written(tmp_path: Path) -> None:
    """Opening a file of a format that is only written is an error that says so."""
    save([], tmp_path / "trace.vcd")
    with pytest.raises(TraceFormatError, match="vcd cannot be read back, so also keep the trace in another format"):
        open_trace(tmp_path / "trace.vcd")


def test_an_error_of_reading_names_the_file() -> None:
    """read(2) knows only a descriptor: an error of the disk is of this file."""
    with pytest.raises(OSError, match="'/proc/self/mem'") as caught:  # nothing is mapped at its first bytes
        open_trace("/proc/self/mem")
    assert caught.value.filename == "/proc/self/mem"


def test_an_empty_file_has_no_format(tmp_path: Path) -> None:
    """An empty file is of no format."""
    path = tmp_path / "trace"
    path.touch()
    with pytest.raises(TraceFormatError, match="the file is empty"):
        open_trace(path)


def test_names_and_suffixes_are_unique() -> None:
    """No two formats have the same name or suffix."""
    names = [form.name for form in FORMATS]
    suffixes = [suffix for form in FORMATS for suffix in form.suffixes]
    assert len(set(names)) == len(names)
    assert len(set(suffixes)) == len(suffixes)


def test_save_keeps_events(tmp_path: Path) -> None:
    """Saving a trace, or a filtered one, keeps its regions and marks."""
    trace = Trace()
    timer = machine(trace)
    timer.write(START, 4, 1)
    trace.mark("here")
    timer.write(START + 4, 4, 2)
    path = tmp_path / "trace.jsonl"
    save(trace.filter(register="STATUS"), path)
    again = open_trace(path).load()
    assert list(again) == [trace[1]]
    assert again.events == trace.events


@pytest.mark.parametrize("name", ["run.jsonl", "run.mmiotrace", "run.vcd", "run.json", "run.parquet", "run/"])
def test_a_trace_is_saved_as_a_whole(name: str, tmp_path: Path) -> None:
    """`Trace.save` makes the file its suffix says, and nothing beside it."""
    trace = Trace()
    machine(trace).write(START, 4, 1)
    for _ in range(2):  # the second replaces the first
        trace.save(f"{tmp_path}/{name}")
        trace[:1].save(f"{tmp_path}/{name}")
        assert [path.name for path in tmp_path.iterdir()] == [name.rstrip("/")]


def test_a_save_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    """Where writing fails, or the suffix is of no format, the file is as it was, and nothing is left beside it."""
    path = tmp_path / "run.jsonl"
    path.write_text("before")

    class Failing(Trace):
        @property
        def events(self) -> Sequence[Event]:
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        Failing().save(path)
    with pytest.raises(ValueError, match="its suffix is of no trace format"):
        Trace().save(tmp_path / "run.xyz")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_save_over_a_file_that_is_being_written_is_refused(tmp_path: Path) -> None:
    """A file has one writer; a link is followed to the file it names, and what is no regular file written directly."""
    path = tmp_path / "run.jsonl"
    with writer(path), pytest.raises(TraceFileError, match="another writer"):
        Trace().save(path)
    (tmp_path / "link.jsonl").symlink_to(path)
    Trace().save(tmp_path / "link.jsonl")
    assert (tmp_path / "link.jsonl").is_symlink()
    Trace().save("/dev/null", format="jsonlines")
