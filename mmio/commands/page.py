"""`pagetrap show --html`: the report of a trace as one page for a browser."""

import argparse
from os.path import basename, exists, samefile
from typing import Final

from mmio.commands import devices
from mmio.commands.arguments import path
from mmio.commands.chosen import Chosen
from mmio.commands.messages import complain
from mmio.commands.parser import Example, UsageError
from mmio.traces.view import TraceView

EXAMPLES: Final = (
    Example("a page to zoom and filter in a browser", "pagetrap show run.jsonl --html run.html"),
    Example(
        "with the fields of a device, what is covered of it, and what another run did differently",
        "pagetrap show run.jsonl --html run.html --device uart.py:Uart --against other.jsonl",
    ),
)
NOTE: Final = (
    "The page of --html is one file that loads nothing from the network, with all the accesses that were chosen; a "
    "million of them take some megabytes. In a browser its timeline is zoomed and moved, and its table is filtered by "
    "register, access, direction, value, code and text, in the words of the options above. Traces for it are held in "
    "memory."
)


def add(command: argparse.ArgumentParser) -> None:
    """Declare the options."""
    command.add_argument("--html", metavar="PAGE", type=path, help="write a page to look at in a browser: one file")
    group = command.add_argument_group("of the page", "More that --html can show.")
    devices.add(
        group,
        "a device, for the names and fields of its registers and what is covered of them, and the name of its region",
        "the same for every peripheral of a CMSIS-SVD file that is in the trace",
    )
    group.add_argument("--against", metavar="TRACE", type=path, help="another trace file, to show what differs")


def refuse_without(options: argparse.Namespace) -> None:
    """Check that options of the page are given with `--html` only.

    Raises:
        UsageError: one is given without it.
    """
    given = {"--device": options.device, "--svd": options.svd, "--against": options.against}
    for option, value in given.items():
        if value and options.html is None:
            hint = "; to compare on the terminal: pagetrap diff" if option == "--against" else ""
            raise UsageError(f"{option} is about the page that --html PAGE writes: name one{hint}")


def write(options: argparse.Namespace, chosen: Chosen) -> TraceView:
    """Write the page, say so, and return the trace.

    Args:
        options: of the command line, with those of `add`.
        chosen: the part of the trace file that they choose.

    Raises:
        ValueError: the page would take the place of a trace; a device has no region in the trace.
        OSError: the page cannot be written, or a file cannot be read.
    """
    from mmio.reports.report import HtmlReport, regions  # here, for the other ways to show a trace need no devices

    for file in (options.trace, options.against):
        if file is not None and exists(options.html) and samefile(file, options.html):
            raise ValueError(f"{options.html}: is a trace that is read for the page; name another file for --html")
    other = None if options.against is None else Chosen(options.against, options)
    trace = chosen.load()
    report = HtmlReport(
        trace,
        devices=devices.loaded(options, regions(trace)),
        against=None if other is None else other.load(),
        fold=options.fold,
        title=basename(options.trace),
        names=(options.trace, options.against or ""),
    )
    report.save(options.html)
    complain(f"written to {options.html}")
    return trace
