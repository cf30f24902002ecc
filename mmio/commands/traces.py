"""`pagetrap show`, `convert` and `diff`: trace files on the command line.

Whatever a file holds is met with one line on standard error that says which file and which line, never with a
traceback: `main` shows the errors that readers raise. `show` and `convert` do all they do while the file is read, in
memory that does not grow with it; `diff`, and `show --html`, hold their traces.
"""

import argparse
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from os.path import exists, samefile

from mmio.commands import choosing, page
from mmio.commands.arguments import TRACE_FILE, add_format, add_skip, add_sort, path
from mmio.commands.chosen import Chosen
from mmio.commands.messages import complain
from mmio.commands.parser import Commands, Example, declare
from mmio.formats import writer
from mmio.pictures.file import picture
from mmio.pictures.heatmap import HeatMap
from mmio.pictures.lanes import Lanes
from mmio.pictures.sparkline import bars
from mmio.pictures.table import Resolver, lines
from mmio.pictures.timeline import Timeline
from mmio.pictures.widths import terminal_width
from mmio.records.access import Access
from mmio.records.events import Record
from mmio.traces.summary import Order, Tallies

TROUBLE = 2  # of diff, as of diff(1): 1 is a difference

_SHOW = (
    Example("a summary of each register, and what happened when", "pagetrap show run.jsonl"),
    Example("every access", "pagetrap show run.jsonl --table | less"),
    Example("the same with poll loops as one row each", "pagetrap show run.jsonl --table --fold"),
    Example("only some of them", "pagetrap show run.jsonl --table --only uart.STATUS --reads --since 20ms"),
    *page.EXAMPLES,
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
    Example("the same, ignoring how long a loop polls", "pagetrap diff --fold vendor.jsonl mine.jsonl"),
    Example("only whether they are equal", "pagetrap diff a.txt b.txt >/dev/null && echo same"),
)
_READ_ONCE = (
    "A trace is read once, in memory that does not grow with it, and may come through a pipe: "
    "zcat run.jsonl.gz | pagetrap show /dev/stdin. Lines of --table are printed while it is read, those of --fold when "
    "a loop has ended. A summary has its counts, and a picture its scale, only when all has been read."
)
_HELD = (
    "Both traces are held in memory, for what differs is known only when they have been compared to their ends. Choose "
    "which accesses to compare when they are long."
)
_EXIT = "Exit status: 0, 1 when a file cannot be read or written, 2 when the command line is wrong."
_EXIT_DIFF = (
    "Exit status: 0 when both do the same, 1 when they differ, 2 when a file cannot be read or the command line is "
    "wrong."
)


def add(commands: Commands) -> None:
    """Declare the subcommands."""
    description = "Show a trace: by default a summary and a timeline."
    notes = _READ_ONCE, page.NOTE, _EXIT
    show = declare(commands, "show", _show, description, _SHOW, notes)
    show.add_argument("trace", metavar="TRACE", type=path, help=TRACE_FILE)
    show.add_argument("--table", action="store_true", help="every access, a line each")
    show.add_argument(
        "--fold",
        action="store_true",
        help="as --table, and a poll loop is one row for each of its accesses; with --against polling longer is no "
        "difference",
    )
    show.add_argument(
        "--timeline",
        metavar="PICTURE",
        type=_picture,
        help="draw a lane for each register to a .png, .svg or .pdf file",
    )
    show.add_argument("--heatmap", metavar="PICTURE", type=_picture, help="draw offset by time, of one region")
    add_sort(show)
    page.add(show)
    choosing.add(show)
    add_skip(show)

    description = "Convert a trace, record by record."
    convert = declare(commands, "convert", _convert, description, _CONVERT, (_EXIT,))
    convert.add_argument("trace", metavar="IN", type=path, help=TRACE_FILE)
    convert.add_argument("out", metavar="OUT", type=path, help="the file to write; its suffix says in which format")
    add_format(convert, "OUT")
    choosing.add(convert)
    add_skip(convert)

    description = "Compare what was done to which register. Times, threads and instruction pointers may differ."
    diff = declare(commands, "diff", _diff, description, _DIFF, (_HELD, _EXIT_DIFF), trouble=TROUBLE)
    diff.add_argument("mine", metavar="A", type=path, help="a trace file; accesses only in this one are marked -")
    diff.add_argument("other", metavar="B", type=path, help="a trace file; accesses only in this one are marked +")
    diff.add_argument(
        "--fold", action="store_true", help="ignore how long a loop polls: equal reads in a row count as one"
    )
    choosing.add(diff)
    add_skip(diff)


def _show(options: argparse.Namespace) -> int:
    page.refuse_without(options)
    chosen = Chosen(options.trace, options)
    drawn: list[tuple[str, Timeline | HeatMap]] = [
        (file, made()) for file, made in ((options.timeline, Timeline), (options.heatmap, HeatMap)) if file is not None
    ]
    read = chosen if options.html is None else page.write(options, chosen).records()
    accesses = _seen(read, [drawing.take for _, drawing in drawn])
    if options.table or (options.fold and options.against is None):
        width = terminal_width(sys.stdout)
        for number, line in enumerate(lines(accesses, chosen.name, fold=options.fold, width=width)):
            print(line, flush=number == 0)  # the first line is shown before a buffer is full
    elif drawn:
        deque(accesses, maxlen=0)  # it reads to the end
    elif options.html is None:
        _sum_up(accesses, chosen.name, options.sort)
    for file, drawing in drawn:
        drawing.save(file)
        complain(f"drawn to {file}")
    return 0


def _picture(text: str) -> str:
    """Return the path of a picture.

    Raises:
        argparse.ArgumentTypeError: it is empty, or its suffix is of no picture format.
    """
    try:
        return picture(path(text))[0]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _seen(records: Iterable[Record], by: Sequence[Callable[[Record], None]]) -> Iterator[Access]:
    """Iterate over the accesses of records once for everything that is made of them: a pipe cannot be read again."""
    for record in records:
        for take in by:
            take(record)
        if isinstance(record, Access):
            yield record


def _sum_up(accesses: Iterable[Access], resolve: Resolver, by: Order) -> None:
    tallies, filled = Tallies(), Lanes()
    for access in accesses:
        tallies.add(access, access)
        filled.take(access)
    width = terminal_width(sys.stdout)
    print(f"{tallies.summary(resolve).sorted(by).table(width=width)}\n\n{bars(filled, width=width)}")


def _convert(options: argparse.Namespace) -> int:
    if exists(options.out) and samefile(options.trace, options.out):
        raise ValueError(f"{options.out}: would be overwritten while it is read")
    chosen = Chosen(options.trace, options)
    form = {} if options.format is None else {"format": options.format}
    with writer(options.out, **form) as file:
        for record in chosen:
            file.write(record)
    return 0


def _diff(options: argparse.Namespace) -> int:
    mine, other = (Chosen(file, options).load() for file in (options.mine, options.other))
    diff = mine.diff(other, fold=options.fold)
    print(diff)
    return 0 if diff.same else 1
