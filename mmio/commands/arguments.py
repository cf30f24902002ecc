"""Arguments that several subcommands share."""

import argparse
import re
from typing import Final

from mmio.arguments import shortened
from mmio.formats import FORMATS
from mmio.traces.summary import ORDERS

_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}

_LONGEST: Final = 100  # characters: 64 bits are 66 of them in base 2, with the prefix 0b

TRACE_FILE: Final = "a trace file, JSON Lines or mmiotrace text"


def number(text: str) -> int:
    """Parse a number as C writes it, or with a unit: 0x1000, 4096, 4K.

    Raises:
        ValueError: it is none.
    """
    digits, unit = re.fullmatch(r"(.*?)([KMG]?)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    try:
        if len(digits) <= _LONGEST:
            return int(digits, 0) * _UNITS[unit]
    except ValueError:
        pass
    raise ValueError(f"expected a number such as 0x1000, 4096 or 4K, got {shortened(text)}")


def path(text: str) -> str:
    """Return the path of a file.

    Raises:
        argparse.ArgumentTypeError: it is empty, as an unset variable of a script is.
    """
    if not text:
        raise argparse.ArgumentTypeError("expected the path of a file, got ''")
    return text


def add_format(command: argparse.ArgumentParser, of: str) -> None:
    """Declare --format."""
    command.add_argument(
        "--format",
        choices=[form.name for form in FORMATS],
        metavar="FORMAT",
        help=f"the format of {of}, whatever its suffix: {', '.join(form.name for form in FORMATS)}",
    )


def add_output(command: argparse.ArgumentParser) -> None:
    """Declare -o."""
    suffixes = ", ".join(form.suffixes[0] for form in FORMATS)
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=path,
        help=f"write the trace here as it happens; the suffix says how: {suffixes}",
    )


def add_skip(command: argparse.ArgumentParser) -> None:
    """Declare --skip."""
    command.add_argument("--skip", action="store_true", help="skip malformed lines, and report each of them")


def add_sort(command: argparse.ArgumentParser) -> None:
    """Declare --sort."""
    command.add_argument(
        "--sort",
        choices=ORDERS,
        default="address",
        help="order of the summary: by region and address (the default), by name, or the most frequent first",
    )


def add_recording(command: argparse.ArgumentParser) -> None:
    """Add what becomes of the accesses that a command records: file, format, live lines, summary."""
    add_output(command)
    add_format(command, "-o")
    command.add_argument("--live", action="store_true", help="print each access to standard error as it happens")
    command.add_argument(
        "--fold", action="store_true", help="with --live: a poll loop is one row for each of its accesses"
    )
    command.add_argument("-q", "--quiet", action="store_true", help="no summary at the end")
    add_sort(command)
