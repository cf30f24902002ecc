"""`pagetrap show`, `convert` and `diff`: trace files on the command line.

Whatever a file holds is met with one line on standard error that says which file and which line, never with a
traceback: `main` shows the errors that readers raise.
"""

import argparse
import sys
from os.path import exists, samefile
from typing import Any

from mmio.commands import choosing, progress
from mmio.commands.arguments import TRACE_FILE, add_format, add_skip
from mmio.commands.messages import complain
from mmio.commands.parser import Commands, Example, declare
from mmio.formats import open_trace, writer
from mmio.formats.reader import LineReader
from mmio.records.access import Access
from mmio.records.events import Located
from mmio.records.symbols import Location
from mmio.traces.view import TraceView

TROUBLE = 2  # of diff, as of diff(1): 1 is a difference

_SHOW = (
    Example("a summary of each register, and what happened when", "pagetrap show run.jsonl"),
    Example("every access", "pagetrap show run.jsonl --table | less"),
    Example("the same with poll loops as one row each", "pagetrap show run.jsonl --table --fold"),
    Example("only some of them", "pagetrap show run.jsonl --table --only uart.STATUS --reads --since 20ms"),
    Example("pictures of one region", "pagetrap show run.jsonl --only nic --heatmap nic.png --timeline nic.svg"),
)
_CONVERT = (
    Example("a log of Linux's mmiotrace as JSON Lines", "pagetrap convert mydump.txt run.jsonl"),
    Example("registers as waveforms, for GTKWave", "pagetrap convert run.jsonl run.vcd"),
    Example("for ui.perfetto.dev", "pagetrap convert run.jsonl run.json"),
    Example("a Parquet folder, for DuckDB", "pagetrap convert run.jsonl run/"),
    Example("a part of it", "pagetrap convert run.jsonl nic.vcd --only nic --without nic.FIFO"),
)
_DIFF = (
    Example("what my driver does that the vendor's does not", "pagetrap diff vendor.jsonl mine.jsonl"),
    Example("the same, but who polls longer does not differ", "pagetrap diff --fold vendor.jsonl mine.jsonl"),
    Example("only whether they do the same", "pagetrap diff a.txt b.txt >/dev/null && echo same"),
)
_EXIT = "Exit status: 0, 1 when a file cannot be read or written, 2 when the command line is wrong."
_EXIT_DIFF = (
    "Exit status: 0 when both do the same, 1 when they differ, 2 when a file cannot be read or the command line is "
    "wrong."
)


def add(commands: Commands) -> None:
    """Declare the subcommands."""
    description = "Show a trace: by default a summary and a timeline."
    show = declare(commands, "show", _show, "show what is in a trace file", description, _SHOW, (_EXIT,))
    show.add_argument("trace", metavar="TRACE", help=TRACE_FILE)
    show.add_argument("--table", action="store_true", help="every access, a line each")
    show.add_argument(
        "--fold", action="store_true", help="with --table: a poll loop is one row for each of its accesses"
    )
    show.add_argument(
        "--timeline", metavar="PICTURE", help="draw a lane for each register to a .png, .svg or .pdf file"
    )
    show.add_argument("--heatmap", metavar="PICTURE", help="draw offset by time, of one region")
    choosing.add(show)
    add_skip(show)

    description = "Convert a trace, record by record."
    convert = declare(
        commands, "convert", _convert, "write a trace file in another format", description, _CONVERT, (_EXIT,)
    )
    convert.add_argument("trace", metavar="IN", help=TRACE_FILE)
    convert.add_argument("out", metavar="OUT", help="the file to write; its suffix says in which format")
    add_format(convert, "OUT")
    choosing.add(convert)
    add_skip(convert)

    description = "Compare what was done to which register. Times, threads and instruction pointers may differ."
    diff = declare(
        commands, "diff", _diff, "compare two trace files", description, _DIFF, (_EXIT_DIFF,), trouble=TROUBLE
    )
    diff.add_argument("mine", metavar="A", help="a trace file; what only this one has is marked -")
    diff.add_argument("other", metavar="B", help="a trace file; what only this one has is marked +")
    diff.add_argument(
        "--fold", action="store_true", help="polling longer is no difference: equal reads in a row are one"
    )
    choosing.add(diff)
    add_skip(diff)


def _open(path: str, options: argparse.Namespace) -> LineReader:
    try:
        return open_trace(path, on_error=complain if options.skip else "raise")
    except FileNotFoundError as error:
        hint = f"{error.strerror}; record a trace with: pagetrap trace -o {path} --map GLOB -- PROGRAM"
        raise FileNotFoundError(error.errno, hint, error.filename) from None


def _loaded(path: str, options: argparse.Namespace) -> TraceView:
    """Return what was asked for of a trace file."""
    whole = _open(path, options).load()
    view = whole.select(choosing.selection(options))
    if len(whole) and not len(view):
        raise ValueError(_none(path, {access.region or "nowhere" for access in whole}))
    return view


def _none(path: str, regions: set[str]) -> str:
    return f"{path}: no access is one that was asked for; the trace has accesses to {', '.join(sorted(regions))}"


def _show(options: argparse.Namespace) -> int:
    view = _loaded(options.trace, options)
    drawn: list[tuple[str | None, Any]] = [(options.timeline, view.timeline), (options.heatmap, view.heatmap)]
    for path, draw in drawn:
        if path is not None:
            draw(path)
            complain(f"drawn to {path}")
    if options.table or options.fold:
        print(view.table(fold=options.fold))
    elif options.timeline is None and options.heatmap is None:
        print(f"{view.summary()}\n\n{view.sparkline()}")
    return 0


def _convert(options: argparse.Namespace) -> int:
    if exists(options.out) and samefile(options.trace, options.out):
        raise ValueError(f"{options.out}: would be overwritten while it is read")
    chosen = {} if options.format is None else {"format": options.format}
    known: dict[int, Location] = {}
    wanted = choosing.selection(options).located(known.get)
    regions: set[str] = set()
    written = 0
    with writer(options.out, **chosen) as file:
        for record in progress.shown(_open(options.trace, options), sys.stderr):
            if isinstance(record, Located):
                known[record.ip] = record.location
            if isinstance(record, Access):
                regions.add(record.region or "nowhere")
                if not wanted.matches(record):
                    continue
                written += 1
            file.write(record)
    if regions and not written:
        raise ValueError(_none(options.trace, regions))
    return 0


def _diff(options: argparse.Namespace) -> int:
    wanted = choosing.selection(options)
    mine, other = (_open(path, options).load().select(wanted) for path in (options.mine, options.other))
    diff = mine.diff(other, fold=options.fold)
    print(diff)
    return 0 if diff.same else 1
