"""Registry of the trace formats. A new one is a module in this folder and an entry in `FORMATS`.

A writer is a `mmio.formats.writer.Writer`. A reader takes a path and `on_error`, and has `records()` and `load()`. A
format may have no reader.
"""

import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from os import PathLike, fspath
from typing import Any, Final

from attrs import frozen

from mmio.arguments import path as path_of
from mmio.formats import jsonlines, mmiotrace, parquet, parquet_reader, perfetto, vcd
from mmio.formats.errors import TraceFormatError
from mmio.formats.reader import OnError, Reader, named
from mmio.formats.whole import replaced
from mmio.formats.writer import Writer
from mmio.records.access import Access
from mmio.records.events import Event, Record
from mmio.traces.view import TraceView


@frozen(slots=True)
class Format:
    """A trace format.

    `suffixes` choose it for a file to be written; `recognises` says whether a file is of it, by its first line, or
    the beginning of that.
    """

    name: str
    suffixes: tuple[str, ...]
    writer: Callable[..., Writer]
    reader: Callable[..., Reader] | None = None
    recognises: Callable[[bytes], bool] = lambda start: False


FORMATS: Final = (
    Format(
        "jsonlines", (".jsonl",), jsonlines.JsonLinesWriter, jsonlines.JsonLinesReader, recognises=jsonlines.recognises
    ),
    Format(
        "mmiotrace",
        (".mmiotrace", ".txt"),
        mmiotrace.MmiotraceWriter,
        mmiotrace.MmiotraceReader,
        recognises=mmiotrace.recognises,
    ),
    Format("vcd", (".vcd",), vcd.VcdWriter),
    Format("perfetto", (".json",), perfetto.PerfettoWriter),
    Format(
        "parquet",
        (".parquet", "/"),
        parquet.ParquetWriter,
        parquet_reader.ParquetReader,
        recognises=parquet_reader.recognises,
    ),
)

_START: Final = 4096


def open_trace(path: str | PathLike[str], *, on_error: OnError = "raise") -> Reader:
    """Return the reader for a trace file, chosen by how the file begins.

    Args:
        path: of the file; that of a pipe, such as /dev/stdin, will do, and is then read once, and that of a folder of
            Parquet files.
        on_error: what becomes of a bad line: "raise", "skip", or a function to call with the error.

    Raises:
        TraceFormatError: the file is of no format that can be read.
        OSError: it cannot be opened or read.
    """
    if os.path.isdir(path) and parquet_reader.parts(path):
        return parquet_reader.ParquetReader(path, on_error=on_error)
    with ExitStack() as stack:
        file = stack.enter_context(open(path, "rb"))
        stack.enter_context(named(path))
        start = file.readline(_START)
        for form in FORMATS:
            if form.reader is not None and form.recognises(start):
                if file.seekable():
                    return form.reader(path, on_error=on_error)
                stack.pop_all()  # the reader closes it
                return form.reader(path, on_error=on_error, opened=(file, start))
        shown = start + file.peek() if file.seekable() else start  # more of a pipe may never come
    if not start:
        raise TraceFormatError(path, 1, "the file is empty")
    *others, last = (form.name for form in FORMATS if form.reader is not None)
    readable = f"{', '.join(others)} or {last}"
    written = [form.name for form in FORMATS if form.reader is None and fspath(path).endswith(form.suffixes)]
    hint = f"; {written[0]} cannot be read back, so also keep the trace in another format" if written else ""
    raise TraceFormatError(path, 1, f"not a {readable} trace: it begins with {shown[:24]!r}{hint}")


def writer(path: str | PathLike[str], *, format: str | None = None, **options: Any) -> Writer:
    """Return a writer for a trace file, chosen by the name of a format or else by the file's suffix.

    Args:
        path: of the file, which is made anew.
        format: the name of a format; the suffix of the path decides when left out.
        options: as the format's writer takes them.

    Raises:
        ValueError: no format has this name or suffix.
    """
    return _chosen(path, format).writer(path, **options)


def _chosen(path: str | PathLike[str], format: str | None) -> Format:
    """Return the format of a name, or else of a suffix."""
    path = path_of("path", path)
    for form in FORMATS:
        if form.name == format or (format is None and path.endswith(form.suffixes)):
            return form
    if format is not None:
        raise ValueError(f"no trace format {format!r}; there are {', '.join(form.name for form in FORMATS)}")
    known = ", ".join(f"{' or '.join(form.suffixes)} ({form.name})" for form in FORMATS)
    raise ValueError(f"{path}: no trace format has this suffix; expected one of {known}; or name the format")


def save(trace: TraceView | Iterable[Record], path: str | PathLike[str], **options: Any) -> None:
    """Write a trace to a file.

    Args:
        trace: a trace, or accesses and events such as a reader's `records()`.
        path: of the file, which is made anew; its suffix chooses the format.
        options: as for `writer`.
    """
    with writer(path, **options) as file:
        for record in trace.records() if isinstance(trace, TraceView) else trace:
            if not isinstance(record, Access | Event):
                raise TypeError(f"expected accesses and events, as a trace has them, got {record!r}")
            file.write(record)


def save_whole(trace: TraceView, path: str | PathLike[str], *, format: str | None = None, **options: Any) -> None:
    """Write a trace to a file that is there as a whole, or not at all: under another name first, in the same folder.

    Args:
        trace: the trace.
        path: of the file, which is replaced; its suffix chooses the format. A folder of Parquet files and what is no
            regular file, such as a pipe, are written directly.
        format: the name of a format, if not by the suffix.
        options: as for `writer`.

    Raises:
        ValueError: no format has this name or suffix.
        TraceFileError: another writer is writing the file, or the disk is full.
    """
    form = _chosen(path, format)
    if fspath(path).endswith("/"):
        save(trace, path, format=form.name, **options)
        return
    with replaced(path) as unfinished:
        save(trace, unfinished, format=form.name, **options)
