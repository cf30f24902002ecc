"""The command line: `pagetrap`, also `python -m mmio`.

One module a subject in `mmio.commands`, and argparse to find it. Results go to standard output, complaints to standard
error, in one or two lines.
"""

import argparse
import errno
import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from decode import PagetrapError
from mmio.commands import coverage, decoding, programs, shells, traces
from mmio.commands.exits import die
from mmio.commands.messages import complain
from mmio.commands.parser import Example, Parser, UsageError

_EXAMPLES: Final = (
    Example("what does it do to its device?", "pagetrap trace --map '/dev/uio*' -- ./driver"),
    Example("and now without the device", "pagetrap run --device card.py:Card@/dev/uio0 -- ./driver"),
    Example("what would this instruction touch?", "pagetrap decode 8b4710"),
    Example("what happened to each register, and when", "pagetrap show run.jsonl"),
    Example("what does my driver do that the vendor's does not?", "pagetrap diff vendor.jsonl mine.jsonl"),
)
_EXIT: Final = (
    "Exit status: 0 when all is well, 1 when it cannot be done, 2 when the command line is wrong. That of trace and "
    "run is the program's; `pagetrap COMMAND --help` says more."
)
_INTERRUPTED: Final = 128 + signal.SIGINT


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `pagetrap` with the given arguments, the process's own by default, and return its exit status."""
    options, left = parser().parse_known_args(arguments)
    if left:
        options.parser.refuse(left)
    try:
        status = int(options.command(options))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of this output (`| head`) has seen enough. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except UsageError as error:
        options.parser.error(str(error))
    except OSError as error:
        problem = error.strerror or str(error)
        if error.errno in (errno.EMFILE, errno.ENFILE):
            problem += "; each traced process takes a few descriptors: raise the limit, as in `ulimit -n 1024`"
        return _complain(f"{error.filename}: {problem}" if error.filename else problem, options.trouble)
    except (ValueError, ImportError, PagetrapError) as error:
        return _complain(str(error), options.trouble)
    return status


def command() -> int:
    """Run `pagetrap` as a process of its own: Ctrl-C ends it as it ends any program that does not handle it."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file's name may have what the terminal's encoding has not
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return main()
    except KeyboardInterrupt:
        _complain("interrupted", _INTERRUPTED)
        return die(signal.SIGINT)


def parser() -> Parser:
    """Return the parser of the whole command line."""
    parser = Parser(
        prog="pagetrap",
        description="Watch or answer the device accesses of unmodified native code.",
        examples=_EXAMPLES,
        notes=(_EXIT,),
    )
    parser.set_defaults(parser=parser, root=parser)
    parser.add_argument("--version", action=_Version, nargs=0, help="show program's version number and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for subject in (programs, decoding, traces, coverage, shells):
        subject.add(commands)
    return parser


class _Version(argparse.Action):
    """Prints the version; argparse's own action would look it up for every command."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(f"pagetrap {_version()}")
        parser.exit()


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # a tenth of what loading all the rest takes

    try:
        return version("pagetrap")
    except PackageNotFoundError:
        return "(a source tree that is not installed)"


def _complain(problem: str, status: int) -> int:
    complain(problem)
    return status


if __name__ == "__main__":
    sys.exit(command())
