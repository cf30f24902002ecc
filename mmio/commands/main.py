"""Parser of the whole command line, and reporting of errors.

One module a subject in `mmio.commands`, loaded when one of its commands is asked for. Results go to standard output,
complaints to standard error, in one or two lines.
"""

import argparse
import errno
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Final, NoReturn

from decode import PagetrapError
from mmio.commands.exits import TROUBLE, die
from mmio.commands.messages import complain
from mmio.commands.parser import Example, Parser, UsageError
from mmio.commands.standard import OUTPUT, give_up, open_closed
from mmio.commands.subjects import SUBJECTS

_EXAMPLES: Final = (
    Example("what does it do to its device?", "pagetrap trace --map '/dev/uio*' -- ./driver"),
    Example("and now without the device", "pagetrap run --device card.py:Card@/dev/uio0 -- ./driver"),
    Example("a kernel driver, and a card in Python", "pagetrap boot --module e1000 --device nic.py:Nic@8086:100e"),
    Example("what would this instruction touch?", "pagetrap decode 8b4710"),
    Example("what happened to each register, and when", "pagetrap show run.jsonl"),
    Example("what does my driver do that the vendor's does not?", "pagetrap diff vendor.jsonl mine.jsonl"),
)
_EXIT: Final = (
    "Exit status: 0 when all is well, 1 when it cannot be done, 2 when the command line is wrong. That of trace and "
    "run is the program's, that of boot the guest command's; `pagetrap COMMAND --help` says more."
)
_INTERRUPTED: Final = 128 + signal.SIGINT
_OF_OUTPUT: Final = (errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC)
"""Errors of `print`, which knows no file's name. Those of other files have it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `pagetrap` with the given arguments, the process's own by default, and return its exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options, left = parser(_needed(given)).parse_known_args(given)
    if left:
        options.parser.refuse(left)
    try:
        status = int(options.command(options))
        sys.stdout.flush()
    except UsageError as error:
        options.parser.error(str(error))
    except OSError as error:
        return _failed(error, options.trouble)
    except (ValueError, ImportError, PagetrapError) as error:
        return _complain(str(error), options.trouble)
    except Exception:  # the status is the documented one, and the traceback is for a bug report
        import traceback

        return _complain(f"this is a bug in pagetrap, please report it\n{traceback.format_exc()}", options.trouble)
    return status


def run() -> int:
    """Run `pagetrap` as a process of its own: Ctrl-C ends it as it ends any program that does not handle it."""
    open_closed()
    try:
        status = main()
    except SystemExit as end:  # help, the version, a complaint about the command line
        status = int(end.code or 0)
    except OSError as error:  # of printing those
        status = _failed(error, 1)
    except KeyboardInterrupt as interrupt:
        _complain("interrupted", _INTERRUPTED)
        return die(*interrupt.args or (signal.SIGINT,))  # the number of another signal that asks for the same
    return _written(status)


def _written(status: int) -> int:
    """Write what the standard streams hold back, which Python would do at exit; return the exit status."""
    try:
        sys.stdout.flush()
    except OSError as error:
        status = _failed(error, status or 1)
    try:
        sys.stderr.flush()
    except OSError:
        give_up(sys.stderr)
    return status


def _failed(error: OSError, status: int) -> int:
    """Return the exit status after an error of the system: it is said, but for a reader that has seen enough."""
    if isinstance(error, BrokenPipeError):  # `| head`
        give_up(sys.stdout)
        return 128 + signal.SIGPIPE
    return _complain(_problem(error, prints=status != TROUBLE), status)


def _problem(error: OSError, *, prints: bool) -> str:
    """Return what an error of the system is about, and what it is.

    Args:
        error: of `print`, if it has no file's name and the command prints at all, as those that trace do not.
        prints: the command prints its results.
    """
    problem = error.strerror or str(error)
    name = error.filename
    if error.errno in (errno.EMFILE, errno.ENFILE):
        problem += "; each traced process takes a few descriptors: raise the limit, as in `ulimit -n 1024`"
    elif prints and name is None and error.errno in _OF_OUTPUT:
        give_up(sys.stdout)
        name = OUTPUT
    elif error.errno == errno.ENOENT and isinstance(name, str):
        folder = os.path.dirname(name)
        if folder and not os.path.isdir(folder):
            problem += f"; there is no folder {folder}: create it first"
    return problem if name is None else f"{name or repr(name)}: {problem}"


def _needed(arguments: Sequence[str]) -> Iterable[str]:
    """Return the commands whose arguments have to be declared for a command line to be parsed."""
    first = arguments[0] if arguments else ""
    if first in ("-h", "--help", "--version"):
        return ()
    return (first,) if first in SUBJECTS else SUBJECTS


def parser(declared: Iterable[str] = SUBJECTS) -> Parser:
    """Return the parser of the command line.

    Args:
        declared: the commands whose arguments it has; of the others it has the names and summaries.
    """
    modules = {SUBJECTS[name].module for name in declared}
    parser = Parser(
        prog="pagetrap",
        description="Watch or answer the device accesses of unmodified native code.",
        examples=_EXAMPLES,
        notes=(_EXIT,),
    )
    parser.set_defaults(parser=parser)
    parser.add_argument("--version", action=_Version, nargs=0, help="show program's version number and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, subject in SUBJECTS.items():
        if subject.module not in modules:
            commands.add_parser(name, help=subject.summary, add_help=False)
        elif name not in commands.choices:  # a module declares all its commands at once
            import_module(f"mmio.commands.{subject.module}").add(commands)
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
