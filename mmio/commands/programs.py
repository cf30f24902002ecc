"""`pagetrap trace`, `attach` and `run`: other programs under the eyes of the ptrace source.

The exit status is the program's, 128 + N when signal N has killed it. Trouble of ours has the numbers that env(1) and
timeout(1) use: 125 for ours, 126 when the program cannot be executed, 127 when there is no such program.
"""

import argparse
import re
import sys
import warnings
from collections.abc import Callable
from difflib import get_close_matches
from errno import EACCES, ENOEXEC
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Final, NamedTuple

from emulate import UnsupportedInstruction
from mmio.errors import MmioError
from mmio.formats import writer
from mmio.ptrace import Tracer
from mmio.records.trace import Trace
from mmio.space.region import DeviceLike

TROUBLE: Final = 125
NOT_EXECUTABLE: Final = 126
NOT_FOUND: Final = 127

_TRACE: Final = """\
examples:
  pagetrap trace --map '*/regs.bin' -- memtool md -s regs.bin -l 0+0x40
  pagetrap trace --map '/dev/uio*' -o run.jsonl -- ./driver
  pagetrap trace --range 0x7f0000000000+0x1000 -q --live -- ./program
"""
_ATTACH: Final = """\
examples:
  pagetrap attach -p 4711 --map '/dev/uio0' --live      what it does until Ctrl-C, which lets go of it
"""
_RUN: Final = """\
examples:
  pagetrap run --device card.py:Card@/dev/uio0 -- ./driver
  pagetrap run --device card.py:Card@/dev/mem:0xfe000000+0x1000 -- devmem 0xfe000010
  pagetrap run --device cmos.py:Clock@ports:0x70+2 -- hwclock --directisa -r

FILE.py:CLASS@WHERE: CLASS of FILE.py is made without arguments and answers at WHERE: `ports:FIRST+COUNT`, `PATH` or
`PATH:OFFSET+LENGTH` for mappings of a file whether it exists or not, `range:START+LENGTH` for addresses. The file runs
as part of pagetrap: it can do whatever you can.
"""


class Place(NamedTuple):
    """Where a device answers: at ports, at addresses, or in a file from an offset on."""

    kind: str
    path: str
    start: int
    length: int | None


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommands."""
    style = argparse.RawDescriptionHelpFormatter
    trace = commands.add_parser(
        "trace",
        help="run a program and record what it does to chosen mappings",
        description="Run a program, follow its threads and children, and record every access to the chosen mappings: "
        "width, value, instruction pointer. The summary goes to standard error, the exit status is the program's.",
        epilog=_TRACE,
        formatter_class=style,
    )
    _add_targets(trace)
    _add_output(trace)
    _add_program(trace)
    trace.set_defaults(command=_guarded(_watch))

    attach = commands.add_parser(
        "attach",
        help="record what a running program does to chosen mappings",
        description="Trace a running process until it ends or Ctrl-C lets go of it; it runs on as it was.",
        epilog=_ATTACH,
        formatter_class=style,
    )
    attach.add_argument("-p", "--pid", type=int, required=True, help="the process")
    _add_targets(attach)
    _add_output(attach)
    attach.set_defaults(command=_guarded(_watch))

    run = commands.add_parser(
        "run",
        help="run a program on devices that exist only in Python",
        description="Run a program with device models answering at its mappings and IO ports; iopl and ioperm succeed.",
        epilog=_RUN,
        formatter_class=style,
    )
    run.add_argument(
        "--device", metavar="FILE.py:CLASS@WHERE", type=_device, action="append", required=True, help="see below"
    )
    _add_targets(run)
    _add_output(run)
    _add_program(run)
    run.set_defaults(command=_guarded(_watch))


def _add_targets(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--map", metavar="GLOB", action="append", default=[], help="trap mappings of files whose path matches"
    )
    command.add_argument(
        "--range",
        metavar="START+SIZE",
        type=_span,
        action="append",
        default=[],
        help="trap addresses of the program, whatever is mapped there",
    )


def _add_output(command: argparse.ArgumentParser) -> None:
    command.add_argument("-o", "--output", metavar="FILE", help="write the trace; the suffix says in which format")
    command.add_argument("--format", help="the format of -o, whatever its suffix")
    command.add_argument("--live", action="store_true", help="print each access to standard error as it happens")
    command.add_argument("-q", "--quiet", action="store_true", help="no summary at the end")
    command.add_argument(
        "-f", "--follow", action="store_true", help="accepted for the habit: children and threads are always followed"
    )


def _add_program(command: argparse.ArgumentParser) -> None:
    command.add_argument("program", metavar="PROGRAM", nargs="+", help="the program and its arguments, after --")


def _number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number such as 0x1000, got {text!r}") from None


def _span(text: str) -> tuple[int, int]:
    """Parse START+SIZE."""
    start, plus, size = text.partition("+")
    if not plus:
        raise argparse.ArgumentTypeError(f"expected START+SIZE such as 0x1000+0x100, got {text!r}")
    return _number(start), _number(size)


def _device(text: str) -> tuple[str, str, Place]:
    """Parse FILE.py:CLASS@WHERE."""
    match = re.fullmatch(r"(?P<file>[^@]+\.py):(?P<name>\w+)@(?P<where>.+)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"expected FILE.py:CLASS@WHERE such as card.py:Card@/dev/uio0, got {text!r}")
    kind, _, rest = match["where"].partition(":")
    if kind in ("ports", "range"):
        return match["file"], match["name"], Place(kind, "", *_span(rest))
    part = re.fullmatch(r"(?P<path>.+):(?P<span>[^:/]+\+[^:/]+)", match["where"])
    if part is None:
        return match["file"], match["name"], Place("file", match["where"], 0, None)
    return match["file"], match["name"], Place("file", part["path"], *_span(part["span"]))


def load_device(file: str, name: str) -> DeviceLike:
    """Make a device from a class in a Python file.

    Raises:
        ValueError: there is no such file or class, or making the device fails; the message says which.
    """
    path = Path(file)
    spec = spec_from_file_location(path.stem, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise ValueError(f"{file}: no such file")
    module = module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    sys.path.insert(0, str(path.parent))  # a model may import what lies beside it
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"{file}: cannot be imported: {type(error).__name__}: {error}") from error
    made = getattr(module, name, None)
    if not isinstance(made, type):
        classes = [
            key for key, value in vars(module).items() if isinstance(value, type) and value.__module__ == path.stem
        ]
        hint = get_close_matches(name, classes, 1) or classes
        raise ValueError(f"{file} has no class {name!r}" + (f"; did you mean {' or '.join(hint)}?" if hint else ""))
    try:
        device = made()
    except TypeError as error:
        raise ValueError(f"{file}: {name} cannot be made without arguments: {error}") from error
    if not isinstance(device, DeviceLike):
        raise ValueError(f"{file}: {name} is no device: it needs read(offset, width) and write(offset, width, value)")
    return device


def _aim(tracer: Tracer, options: argparse.Namespace) -> None:
    """Name the targets of the command line."""
    for pattern in options.map:
        tracer.map_file(pattern)
    for start, size in options.range:
        tracer.map(start, size)
    for file, name, place in getattr(options, "device", []):
        device = load_device(file, name)
        if place.kind == "ports":
            tracer.map_ports(place.start, place.length or 0, device, name)
        elif place.kind == "range":
            tracer.map(place.start, place.length or 0, device, name)
        else:
            tracer.map_file(place.path, device, offset=place.start, length=place.length, name=name)


def _watch(options: argparse.Namespace) -> int:
    """Trace to the end, whatever the end is: what was recorded is written and summed up."""
    if not (options.map or options.range or hasattr(options, "device")):
        raise ValueError("nothing to watch: name mappings with --map GLOB or addresses with --range START+SIZE")
    trace = Trace()
    begun = False
    if options.live:
        trace.live(sys.stderr)
    output = writer(options.output, format=options.format) if options.output else None
    try:
        if output is not None:
            trace.attach(output)
        with Tracer(trace) as tracer:
            _aim(tracer, options)
            if hasattr(options, "pid"):
                tracer.attach(options.pid)
            else:
                tracer.spawn(options.program)
            begun = True
            status = tracer.run()
    finally:
        if output is not None:
            output.close()
        if begun and not options.quiet:
            print(f"{trace.summary()}" if len(trace) else "pagetrap: no access was seen", file=sys.stderr)
    return 128 - status if status < 0 else status


def _guarded(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Return the command with trouble of ours as one line and an exit status."""

    def command(options: argparse.Namespace) -> int:
        def warn(message: Warning | str, *_: Any, **__: Any) -> None:
            print(f"pagetrap: {message}", file=sys.stderr)

        status = TROUBLE
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = warn
            try:
                return run(options)
            except KeyboardInterrupt:
                print("pagetrap: interrupted", file=sys.stderr)
                return 130
            except FileNotFoundError as error:
                problem, status = f"{error.filename}: {error.strerror}", NOT_FOUND
            except OSError as error:
                problem = error.strerror or str(error)
                if error.filename:
                    problem = f"{error.filename}: {problem}"
                if error.errno in (EACCES, ENOEXEC):
                    status = NOT_EXECUTABLE
            except (ValueError, ImportError, MmioError, UnsupportedInstruction) as error:
                problem = str(error)
        print(f"pagetrap: {problem}", file=sys.stderr)
        return status

    return command
