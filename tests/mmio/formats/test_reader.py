"""Reading files that are not what they should be."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from mmio import Access, DeviceError, Replay, TraceFormatError, assert_accesses, open_trace, save
from mmio.formats import JsonLinesReader, MmiotraceReader
from mmio.formats.reader import MAX_LINE, LineReader
from mmio.records.events import Cut, Ended, Mark, Started
from mmio.traces.expected import notation
from tests.mmio.sample_traces import access, accesses

READERS = pytest.mark.parametrize("reader", [JsonLinesReader, MmiotraceReader])


@pytest.fixture(params=[".jsonl", ".mmiotrace"])
def good(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file with three accesses."""
    path = tmp_path / f"trace{request.param}"
    save([access(n, value=n) for n in range(3)], path)
    return path


def damaged(path: Path, change: Callable[[bytes], bytes]) -> Path:
    path.write_bytes(change(path.read_bytes()))
    return path


def failure(path: Path) -> TraceFormatError:
    with pytest.raises(TraceFormatError) as caught:
        list(open_trace(path))
    assert str(caught.value) == f"{path}:{caught.value.line}: {caught.value.reason}"
    return caught.value


def test_a_file_cut_within_a_line_is_an_error(good: Path) -> None:
    """A file that ends within a line is an error there, even if what there is would make sense."""
    damaged(good, lambda data: data[:-1])
    error = failure(good)
    assert error.line == len(good.read_bytes().splitlines())
    reason = "the file ends within this line, which its writer did not finish; skip bad lines to read the rest"
    assert error.reason == reason
    assert len(open_trace(good, on_error="skip").load()) >= 2


def test_text_in_another_encoding(good: Path) -> None:
    """Bytes that are no UTF-8 are an error that says which byte and where."""
    before = len(good.read_bytes().splitlines())
    damaged(good, lambda data: data + b"MARK \xff 1\n")
    error = failure(good)
    assert (error.line, error.reason) == (before + 1, "not text: byte 0xff at column 6")


def test_a_zero_byte_is_an_error(good: Path) -> None:
    """A zero byte, as a crash of the machine leaves many, is an error."""
    before = len(good.read_bytes().splitlines())
    damaged(good, lambda data: data + bytes(4096) + b"\n")
    error = failure(good)
    assert (error.line, error.reason) == (before + 1, "not text: byte 0x00 at column 1")


def test_a_line_without_end_is_refused_in_bounded_memory(good: Path) -> None:
    """A line without end is refused after a bounded part of it, and reading can continue with the next."""
    before = len(good.read_bytes().splitlines())
    damaged(good, lambda data: data + b"x" * (3 * MAX_LINE) + b"\nnonsense\n")
    error = failure(good)
    assert (error.line, error.reason) == (before + 1, f"the line is longer than {MAX_LINE} bytes")
    errors: list[TraceFormatError] = []
    assert len(list(open_trace(good, on_error=errors.append))) == 3
    assert [error.line for error in errors] == [before + 1, before + 2]


def test_skipping_passes_over_bad_lines_and_counts_them(good: Path) -> None:
    """With on_error="skip" the bad lines are passed over and counted, the others read."""
    first, *rest = good.read_bytes().splitlines(keepends=True)
    good.write_bytes(first + b"nonsense\n" + b"".join(rest) + b"{]\n")
    reader = open_trace(good, on_error="skip")
    assert [a.value for a in reader] == [0, 1, 2]
    assert reader.skipped == 2
    assert len(list(reader)) == 3
    assert reader.skipped == 2


def test_a_callback_gets_each_error_and_may_raise_it(good: Path) -> None:
    """A function as on_error gets each error and may end the reading by raising it."""
    damaged(good, lambda data: data + b"nonsense\n" * 2)
    errors: list[TraceFormatError] = []
    assert len(list(open_trace(good, on_error=errors.append))) == 3
    assert errors[1].line == errors[0].line + 1

    def stop(error: TraceFormatError) -> None:
        raise error

    with pytest.raises(TraceFormatError):
        list(open_trace(good, on_error=stop))


@READERS
def test_an_empty_file_is_an_error(reader: type[LineReader], tmp_path: Path) -> None:
    """An empty file is an error, not a trace in which nothing happened."""
    path = tmp_path / "trace"
    path.touch()
    with pytest.raises(TraceFormatError, match="the file is empty"):
        list(reader(path))


@READERS
def test_a_missing_file_is_the_usual_error(reader: type[LineReader], tmp_path: Path) -> None:
    """A file that is not there is the usual error."""
    with pytest.raises(FileNotFoundError):
        list(reader(tmp_path / "trace"))


def test_reads_again_from_the_start(good: Path) -> None:
    """Each iteration reads the file anew, so what was appended meanwhile is there."""
    reader = open_trace(good)
    assert len(list(reader)) == 3
    *lines, last, _ = good.read_bytes().splitlines(keepends=True)
    good.write_bytes(
        b"".join([*lines, last, last.replace(b"UNMAP", b"MARK").replace(b'"sequence":2', b'"sequence":3')])
    )
    assert len(list(reader.records())) > 3


@given(junk=st.lists(st.binary(max_size=200) | st.text().map(str.encode), max_size=10))
@READERS
def test_any_bytes_raise_only_trace_format_errors(
    reader: type[LineReader], junk: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Reading a file with any contents raises only TraceFormatError, and skipping reaches its end."""
    path = tmp_path_factory.mktemp("junk") / "trace"
    starts = {JsonLinesReader: b'{"schema":"pagetrap-trace","version":1}\n', MmiotraceReader: b"VERSION 20070824\n"}
    path.write_bytes(starts[reader] + b"\n".join(junk))
    list(reader(path, on_error="skip").records())
    with suppress(TraceFormatError):
        list(reader(path).records())


UNMAPPED = (
    accesses()
    .filter(lambda one: one.address < 1 << 63)  # its pieces in a mmiotrace log have addresses, too
    .map(lambda one: evolve(one, region=None, offset=None, register=None))
)
RECORDS = st.lists(UNMAPPED | st.builds(access, st.just(0), value=st.integers(0, 99)), max_size=6).map(
    lambda made: [evolve(one, sequence=n) for n, one in enumerate(made)]
)
"""Accesses where nothing is mapped, and to a timer."""


@pytest.mark.parametrize("suffix", [".jsonl", ".mmiotrace"])
@given(RECORDS, st.data())
def test_a_file_without_its_end_was_cut(
    suffix: str, tmp_path_factory: pytest.TempPathFactory, made: list[Access], data: st.DataObject
) -> None:
    """A file that ends after any record is recognised as cut, and its records are read."""
    path = tmp_path_factory.mktemp("cut") / f"trace{suffix}"
    save([Started(0, 0, 1), *made, Mark(len(made), 5000, "last")], path)
    whole = list(open_trace(path).records())
    assert not any(isinstance(record, Cut | Ended) for record in whole)
    assert open_trace(path).load().cut is None
    lines = path.read_bytes().splitlines(keepends=True)
    header = 1 if suffix == ".jsonl" else 2
    path.write_bytes(b"".join(lines[: data.draw(st.integers(header, len(lines) - 1))]))
    *records, cut = open_trace(path).records()
    assert records == whole[: len(records)]
    accesses_left = [record for record in records if isinstance(record, Access)]
    assert isinstance(cut, Cut)
    assert cut.sequence == len(accesses_left)
    view = open_trace(path).load()
    assert view.cut == cut
    # What is made of a cut trace says so, and is itself a finished file.
    copy = path.with_name(f"copy{suffix}")
    save(view, copy)
    assert open_trace(copy).load().cut == cut
    assert list(open_trace(copy)) == accesses_left


@pytest.mark.parametrize("suffix", [".jsonl", ".mmiotrace"])
@given(RECORDS)
def test_an_older_file_is_not_called_cut(
    suffix: str, tmp_path_factory: pytest.TempPathFactory, made: list[Access]
) -> None:
    """A file whose head promises no end, such as Linux's own log, is read as usual."""
    path = tmp_path_factory.mktemp("old") / f"trace{suffix}"
    save(made, path)
    whole = list(open_trace(path).records())
    promise = b',"ends":true' if suffix == ".jsonl" else b'MARK 0.000001 pagetrap {"ends":true}\n'
    data = path.read_bytes()
    assert promise in data
    path.write_bytes(b"".join(data.replace(promise, b"").splitlines(keepends=True)[:-1]))
    assert list(open_trace(path).records()) == whole


def test_nothing_follows_the_end(good: Path) -> None:
    """A record after the end is an error: two files have been put together."""
    *_, last, end = good.read_bytes().splitlines(keepends=True)
    damaged(good, lambda data: data + last.replace(b"UNMAP", b"MARK").replace(b'"sequence":2', b'"sequence":3'))
    assert failure(good).reason == "a record after the end of the trace"
    damaged(good, lambda data: data.replace(end, b"", 1) + end)
    assert open_trace(good).load().cut is None


def test_what_is_made_of_a_cut_trace_says_so(good: Path) -> None:
    """A comparison, an expectation and a replay of a trace that was cut tell of it."""
    whole = open_trace(good).load()
    *lines, _ = good.read_bytes().splitlines(keepends=True)
    good.write_bytes(b"".join(lines))
    view = open_trace(good).load()
    said = "this trace was cut before access 3: its writer did not finish the file"
    assert str(view.cut) == said
    assert view.diff(whole).headline.endswith(f"; mine: {said}")
    assert whole.diff(view).headline.endswith(f"; other: {said}")
    with pytest.warns(UserWarning, match=said), pytest.raises(AssertionError, match=said):
        assert_accesses(view, [])
    with pytest.warns(UserWarning, match=said):
        assert_accesses(view, [notation(access) for access in view])
    with pytest.warns(UserWarning, match=said):
        replay = Replay(view.filter(predicate=lambda access: access.sequence == 0))
    assert replay.read(4, 4) == 0
    with pytest.raises(DeviceError, match=f"the recording has ended: {said}, got"):
        replay.read(4, 4)
