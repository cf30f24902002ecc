"""Run other programs under an engine: the work of `pagetrap trace`, `attach` and `run`.

Our own trouble has the numbers that env(1) and timeout(1) use: 125, 126 when the program cannot be executed, 127 when
there is no such program.
"""

import argparse
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from errno import EMFILE, ENFILE, ENOENT, ENOEXEC, EPERM
from pathlib import Path
from typing import Any, Final, Protocol, Self, TextIO

from mmio.commands import choosing
from mmio.commands.exits import NOT_EXECUTABLE, NOT_FOUND, TROUBLE, die
from mmio.commands.faults import putting
from mmio.commands.live import Folded, live
from mmio.commands.messages import complain
from mmio.commands.models import ModelError, blamed, call_with_board, load_device, load_function
from mmio.commands.names import Names
from mmio.commands.output import Output
from mmio.commands.parser import UsageError
from mmio.commands.polls import Polls
from mmio.commands.standard import lossy
from mmio.commands.strays import Strays
from mmio.commands.where import DeviceArgument, DevicePlace
from mmio.device.clock import Clock
from mmio.device.device import Device
from mmio.device.time_policy import PerAccess
from mmio.hosted import Host
from mmio.linux import own_descriptors
from mmio.pictures.widths import terminal_width
from mmio.ptrace import Tracer
from mmio.records.sink import Sink
from mmio.records.symbols import Location
from mmio.traces.naming import names as named_by
from mmio.traces.selection import Selected, Selection
from mmio.traces.summary import Summary, Tallied
from mmio.traces.trace import Trace

KEPT: Final = 64
"""Accesses in memory. None is needed, as sinks count or write each when it happens; a trace drops so many at once."""

_ACCESS: Final = 1_000
"""The ns that an access takes with --virtual-time: what a read across PCI Express does, so that a loop of them ends."""

_IN_A_CONTAINER: Final = "in a container it also takes the capability SYS_PTRACE (docker run --cap-add=SYS_PTRACE)"


class Watch(Tracer):
    """A tracer that finishes its output as soon as nothing is traced any more.

    SIGTERM and SIGHUP have their usual effect then (`Interrupts.fulfil`), after which nothing is left to do it.

    `names`: of instructions. `ending`: what is done at the end, the last thing first.
    """

    def __init__(self) -> None:
        self.names = Names(lambda: list(self._threads))
        super().__init__(Trace(keep=KEPT, locate=self.names.locate))
        self.ending = ExitStack()

    def close(self) -> None:
        """Detach and kill, and finish."""
        try:
            super().close()
        finally:
            self.ending.close()


class Hosting(Host):
    """A host that finishes its output at the end of its `with` statement; otherwise as `Watch`."""

    def __init__(self) -> None:
        own_descriptors.reserve()  # before anything is opened that the program must not find
        self.names = Names(lambda: self.processes)
        super().__init__(Trace(keep=KEPT, locate=self.names.locate))
        self.ending = ExitStack()

    def __enter__(self) -> Self:
        """Write what is printed meanwhile by descriptors of pagetrap's: the program may close or replace its own."""
        self._streams = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = map(_copied, self._streams)
        return self

    def __exit__(self, *error: object) -> None:
        copies = sys.stdout, sys.stderr
        try:
            self.ending.close()
        finally:
            sys.stdout, sys.stderr = self._streams
            for copy, stream in zip(copies, self._streams, strict=True):
                with suppress(OSError):  # a message that cannot be written is lost, as everywhere
                    copy.flush()
                if copy is not stream:
                    with suppress(OSError):
                        copy.close()
            own_descriptors.release()


def _copied(stream: TextIO) -> TextIO:
    """Return a stream that writes to the same place by another descriptor; the same one when it has none."""
    try:
        stream.flush()
        descriptor = own_descriptors.copy_of(stream.fileno())
    except (OSError, ValueError, AttributeError):  # closed, or a test's
        return stream
    return open(descriptor, "w", buffering=1, encoding=stream.encoding, errors=stream.errors)


_WHOLE_PATH: Final = "a pattern is for a whole path, as '*/uio0' is; strace -f -e openat,mmap shows what a program maps"


def watch(options: argparse.Namespace) -> int:
    """Trace to the end, whatever the end is: what was recorded is written and summed up."""
    program = _program(options)
    devices: list[DeviceArgument] = getattr(options, "device", [])
    _check(options, devices)
    engine = Hosting if getattr(options, "engine", "") == "inprocess" else Watch
    with warnings_as_lines(), models_blamed(_files(options, devices)), engine() as tracer:
        if isinstance(tracer, Hosting):
            tracer.patching = not options.no_patching
        _aim(tracer, options, devices)
        _begin(tracer, options, program)
        output = show(tracer, options)  # only now: no file is emptied for a program that is not there
        status = tracer.run()
        if any(target.startswith("file ") for target in tracer.unmatched):
            complain(_WHOLE_PATH)
    if output is not None and output.failed:
        return TROUBLE
    if not program:
        return 0
    return status if status >= 0 else die(-status)


def _check(options: argparse.Namespace, devices: list[DeviceArgument]) -> None:
    pids: list[int] = getattr(options, "pid", [])
    if len(set(pids)) < len(pids):
        raise UsageError(f"expected each process once, got {', '.join(map(str, pids))}")
    ports: list[DevicePlace] = getattr(options, "ports", [])
    if hasattr(options, "svd") and not (options.svd or devices):
        raise UsageError("nothing answers: name a model with --device FILE.py:CLASS@WHERE, or a chip with --svd FILE")
    if getattr(options, "board", None) and not options.svd:
        raise UsageError("--board puts models into the chip of --svd FILE, which was not given")
    if not (options.map or options.range or ports or devices or getattr(options, "svd", None)):
        ways = "mappings with --map GLOB, addresses with --range START+LENGTH"
        raise UsageError(
            f"nothing to watch: name {ways}{', IO ports with --ports FIRST-LAST' * hasattr(options, 'ports')}"
        )
    if options.format and not options.output:
        raise UsageError("--format is the format of -o FILE, which was not given")
    if getattr(options, "no_patching", False) and options.engine != "inprocess":
        raise UsageError("--no-patching is about --engine=inprocess, which was not given")
    if options.fold and not options.live:
        raise UsageError("--fold is about the lines of --live, which was not given")


class Named(Protocol):
    """Names of instructions, and where each is."""

    def __call__(self, ip: int) -> str:
        """Return what an instruction is called."""

    def locate(self, ip: int) -> Location | None:
        """Return where an instruction is, None when it is not known."""


class Watched(Protocol):
    """Source of a trace: `names` of its instructions, and what is done at the `ending`, the last thing first."""

    trace: Trace
    ending: ExitStack

    @property
    def names(self) -> Named:
        """Names of instructions."""


def show(tracer: Watched, options: argparse.Namespace) -> Output | None:
    """Attach everything that was asked for to the trace; return the file that accesses are written to."""
    trace, ending, names = tracer.trace, tracer.ending, tracer.names
    wanted = choosing.selection(options).located(names.locate)
    everything = wanted == Selection()
    output = Output(options.output, options.format) if options.output else None
    messages = lossy(sys.stderr)
    # Who has gone (`2>&1 | head`) has seen enough of a program of which nothing else is kept.
    lines = live(messages if output else sys.stderr, names, fold=options.fold)
    folded = Folded(lines)
    polls = Polls(messages, names)
    shown: list[Sink] = [*([output] if output else []), *([folded if options.fold else lines] if options.live else [])]
    for sink in (*(shown if everything else (Selected(sink, wanted) for sink in shown)), polls):
        trace.attach(sink)
    if not options.quiet:
        tallied = Tallied()
        trace.attach(tallied if everything else Selected(tallied, wanted))

        def sum_up() -> None:
            _sum_up(tallied.summary(named_by(trace), options.sort), trace.dropped + len(trace), messages)

        ending.callback(sum_up)
    ending.callback(polls.close)
    if hasattr(options, "unmapped"):  # only where there are devices can one be missing
        strays = Strays(messages, names, options.unmapped)
        trace.attach(strays)
        ending.callback(strays.close)
    ending.callback(folded.close)
    if output is not None:
        ending.callback(output.close)
    return output


def _sum_up(summary: Summary, seen: int, stream: TextIO) -> None:
    nothing = f"none of {seen:,} accesses matches the selection" if seen else "no access was seen"
    if len(summary):
        print(summary.table(width=terminal_width(stream), stream=stream), file=stream, flush=True)
    else:
        complain(nothing, stream)


def _program(options: argparse.Namespace) -> list[str]:
    """Return the program and its arguments; none when a process is attached to."""
    if hasattr(options, "pid"):
        return []
    program: list[str] = options.program
    if program[:1] == ["--"]:
        del program[0]
    if not program:
        raise UsageError("there is no program to run: it comes last, with its arguments")
    return program


def _begin(tracer: Tracer | Host, options: argparse.Namespace, program: list[str]) -> None:
    """Start the program, or take hold of the process.

    Raises:
        SystemExit: that cannot be done, which has been said.
    """
    try:
        if program:
            tracer.spawn(program)
        elif isinstance(tracer, Tracer):
            for pid in options.pid:
                tracer.attach(pid)
    except OSError as error:
        if program and error.filename is not None and error.errno not in (EMFILE, ENFILE):  # execve(2) has failed
            name = error.filename or repr(error.filename)
            status = NOT_FOUND if error.errno == ENOENT else NOT_EXECUTABLE
            _stop(f"{name}: {error.strerror}{_about_program(error)}", status)
        if error.errno == EPERM and "traced already" not in str(error):
            raise PermissionError(EPERM, f"{error.strerror or error}; {_IN_A_CONTAINER}") from None
        raise


def _about_program(error: OSError) -> str:
    """Return what to know about an error of execve(2), if anything."""
    if error.errno == ENOENT and os.path.exists(error.filename):
        return "; the file is there, but not the interpreter that it names: the path after #!, or the dynamic linker"
    return "; a script begins with the path of its interpreter, as in #!/bin/sh" if error.errno == ENOEXEC else ""


def _stop(problem: str, status: int) -> None:
    complain(problem)
    raise SystemExit(status)


def _aim(tracer: Watch | Hosting, options: argparse.Namespace, devices: list[DeviceArgument]) -> None:
    """Name the targets of the command line."""
    for place in options.map:
        tracer.map_file(place.path, offset=place.start, length=place.length)
    for place in options.range:
        tracer.map(place.start, place.length)
    for place in getattr(options, "ports", []):
        tracer.map_ports(place.start, place.length)
    tracer.unmapped = getattr(options, "unmapped", "error")
    clock = _clock(options)
    if getattr(options, "virtual_time", False):
        tracer.use_virtual_time(clock)
    chip = _chip(tracer, options, clock)
    put = putting(options, chip, devices, tracer.ending)
    for file, name, place, unmapped in devices:
        policies = {} if unmapped is None else {"unmapped": unmapped}
        if place.kind == "pci":
            _put_function(tracer, file, name, place.path, policies, clock)
            continue
        device = load_device(file, name)
        if isinstance(device, Device):
            device.clock = clock
        if chip is not None and place == DevicePlace("file", place.path, 0, None) and place.path in chip:
            chip.replace(place.path, device)
            continue
        if chip is not None and place.kind == "file" and not re.search("[/*?]", place.path):
            raise UsageError(f"{chip.absence(place.path)}; a file of this name is ./{place.path}")
        device = put(name, device)
        if place.kind == "file":
            tracer.map_file(place.path, device, offset=place.start, length=place.length, name=name, **policies)
            continue
        assert place.length is not None  # only a file has an end of its own
        if place.kind == "ports":
            tracer.map_ports(place.start, place.length, device, name, **policies)
        else:
            tracer.map(place.start, place.length, device, name, **policies)
    if chip is not None:
        from mmio.boards.making import WIDTHS

        names = {name: chip[name] for name in chip.peripherals}
        for each in chip:
            device = put(each.name, each.device, names.get(each.name, each.device), chip.clock)
            tracer.map(each.start, each.length, device, each.name, widths=WIDTHS)


def _clock(options: argparse.Namespace) -> Clock:
    """Return the clock that all models share."""
    policy = getattr(options, "clock", None)
    if policy is None and getattr(options, "svd", None) is not None:
        from mmio.boards.making import PER_ACCESS  # here, for few commands need it

        policy = PerAccess(PER_ACCESS)
    elif policy is None and getattr(options, "virtual_time", False):
        policy = PerAccess(_ACCESS)
    return Clock(policy=policy)


def _put_function(
    tracer: Tracer | Host, file: str, name: str, address: str, policies: dict[str, str], clock: Clock
) -> None:
    function = load_function(file, name)
    for device in function.models:
        device.clock = clock
    try:
        tracer.map_pci(function, address, **policies)
    except ValueError as error:
        raise UsageError(f"{file}:{name}@pci:{address}: {error}") from None


def _chip(tracer: Tracer | Host, options: argparse.Namespace, clock: Clock) -> Any:
    """Return the chip of --svd, None without one."""
    path = getattr(options, "svd", None)
    if path is None:
        return None
    from mmio.boards.making import chip_of, core_of  # here, for few commands need it
    from mmio.boards.program_board import ProgramBoard

    chip = chip_of(path)
    board = ProgramBoard(chip, core_of(chip, clock), clock, lambda: tracer.processes, tracer.trace.mark, tracer.trace)
    if options.board is not None:
        file, function = options.board
        call_with_board(file, function, board)
    return board


def _files(options: argparse.Namespace, devices: list[DeviceArgument]) -> set[str]:
    """Return the files that models come from."""
    board = getattr(options, "board", None)
    return {str(Path(file).absolute()) for file in (*(each.file for each in devices), *([board[0]] if board else []))}


@contextmanager
def models_blamed(files: set[str]) -> Iterator[None]:
    """Turn an error that comes out of a device model into one that shows the model's traceback."""
    try:
        yield
    except BaseException as error:  # also sys.exit, whose status would be taken for the program's
        shown = blamed(error, files)
        if shown is None or isinstance(error, (ModelError, KeyboardInterrupt)):
            raise
        raise ModelError(f"a device model failed, and the program was ended\n{shown}") from error


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Show warnings the way everything else is said."""

    def warn(message: Warning | str, *_: Any, **__: Any) -> None:
        complain(message)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = warn
        yield
