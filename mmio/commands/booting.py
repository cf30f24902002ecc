"""Run kernel drivers on device models: the work of `pagetrap boot` and `serve`."""

import argparse
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TextIO

from mmio.commands.exits import TROUBLE
from mmio.commands.messages import complain
from mmio.commands.models import ModelError, made_of
from mmio.commands.parser import UsageError
from mmio.commands.standard import lossy
from mmio.commands.watching import KEPT, models_blamed, show, warnings_as_lines
from mmio.commands.where import CardArgument
from mmio.guests.booted import Guest
from mmio.guests.card import Card
from mmio.guests.initramfs import find_busybox
from mmio.guests.kernels import find_kernel
from mmio.guests.machine import LEAST_MEMORY, Settings
from mmio.guests.messages import VfioUserError
from mmio.guests.parts import gather
from mmio.guests.pci import Pci
from mmio.guests.qemu import find_qemu
from mmio.guests.server import Server
from mmio.guests.starting import saved
from mmio.guests.symbols import GuestSymbols
from mmio.pci.function import PciFunction
from mmio.records.access import Access
from mmio.records.events import Record
from mmio.records.flags import MISFIT
from mmio.records.printable import printable
from mmio.records.spot import Spot
from mmio.space.region import DeviceLike
from mmio.space.space import AddressSpace
from mmio.traces.trace import Trace


class _Recording:
    """The trace of a run, the names in it, and what is done at its end."""

    def __init__(self) -> None:
        self.names = GuestSymbols()
        self.trace = Trace(keep=KEPT, locate=self.names.locate)
        self.ending = ExitStack()


class _Known:
    """A sink that counts how many accesses came with their instruction."""

    def __init__(self) -> None:
        self.accesses = self.known = self.misfits = 0

    def write(self, record: Record) -> None:
        if isinstance(record, Access):
            self._count(record.ip, record.flags)

    def take(self, spot: Spot, sequence: int, time: int, value: int, old: int | None) -> None:
        self._count(spot.ip, spot.flags)

    def _count(self, ip: int, flags: int) -> None:
        self.accesses += 1
        self.known += ip != 0
        self.misfits += flags & MISFIT != 0

    def __str__(self) -> str:
        misfits = f"{self.misfits:,} do" if self.misfits != 1 else "1 does"
        return (
            f"{self.accesses:,} accesses, {self.known:,} with their instruction, of which {misfits} not fit it"
            if self.known
            else f"{self.accesses:,} accesses, none with its instruction"
        )


def boot(options: argparse.Namespace) -> int:
    """Boot a guest, run its command, and return the command's exit status."""
    _check(options)
    if options.memory < LEAST_MEMORY or options.smp < 1 or options.timeout <= 0:
        raise UsageError(f"expected --memory from {LEAST_MEMORY}, --smp from 1 and --timeout above 0")
    if options.snapshot and (options.kvm or options.gdb is not None):
        raise UsageError("--snapshot works on QEMU's emulated CPU and without a debugger: leave out --kvm and --gdb")
    if not options.device:
        if not options.fetch:
            raise UsageError("there is no card: name a model with --device FILE.py:CLASS")
        return _fetch(options)
    recording, known = _Recording(), _Known()
    settings = Settings(
        memory=options.memory,
        cpus=options.smp,
        kvm=options.kvm,
        gdb=options.gdb,
        arguments=options.qemu_option,
        kernel_arguments=options.append,
    )
    files = {str(Path(argument.file).absolute()) for argument in options.device}
    status, output = 0, None
    with _signals(), warnings_as_lines(), models_blamed(files), recording.ending:
        parts = gather(options.kernel, options.module, fetch=options.fetch, say=complain)
        devices = [_function(argument, argument.numbers) for argument in options.device]
        snapshot = saved(parts, settings, options.timeout, complain) if options.snapshot else None
        console = recording.ending.enter_context(_console(options.console))
        output = show(recording, options)
        if not options.quiet:
            recording.trace.attach(known)
            recording.ending.callback(lambda: complain(known))
        with Guest(
            devices,
            parts,
            settings,
            snapshot=snapshot,
            seconds=options.timeout,
            unmapped=options.unmapped,
            config=options.config,
            trace=recording.trace,
            symbols=recording.names,
            say=complain,
            console=console,
        ) as guest:
            for function in guest.unbound():
                complain(f"no driver has taken {function}; --module NAME loads one")
            command = _command(options.guest_command)
            if command:
                status = guest.run(command, output=_print).status
    return TROUBLE if output is not None and output.failed else status


def _fetch(options: argparse.Namespace) -> int:
    """Fetch what is missing, and say what there is."""
    qemu = find_qemu(fetch=True, say=complain)
    kernel, busybox = find_kernel(options.kernel, fetch=True, say=complain), find_busybox(fetch=True, say=complain)
    print(f"QEMU {qemu.version}, kernel {kernel.release}, busybox {busybox}")
    return 0


def _command(words: list[str]) -> str:
    if words[:1] == ["--"]:
        words = words[1:]
    return words[0] if len(words) == 1 else shlex.join(words)


def _print(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


@contextmanager
def _console(path: str | None) -> Iterator[Callable[[str], object]]:
    """Return what takes the lines of the console: all go to a file, or those of drivers to standard error."""
    if path is not None:
        with open(path, "w", encoding="utf-8", errors="replace") as file:

            def keep(line: str) -> None:
                file.write(f"{line}\n")
                file.flush()

            yield keep
        return
    yield _Drivers(lossy(sys.stderr))


class _Drivers:
    """Shows what the kernel says from the loading of drivers on: what comes before is said at each boot."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._begun = False

    def __call__(self, line: str) -> None:
        self._begun = self._begun or "pagetrap: loading drivers" in line
        if self._begun and "pagetrap: loading drivers" not in line:
            with suppress(OSError):
                print(printable(line), file=self._stream, flush=True)


def serve(options: argparse.Namespace) -> int:
    """Serve a card until its client goes, or until Ctrl-C."""
    _check(options)
    recording, argument = _Recording(), options.model
    output = None
    files = {str(Path(argument.file).absolute())}
    with _signals(), warnings_as_lines(), models_blamed(files), recording.ending:
        function = _function(argument, argument.numbers or options.pci)
        space = AddressSpace(recording.trace, unmapped="ones")
        card = Card(function, space, unmapped=options.unmapped, config=options.config)
        with Server(options.vfio_user, card) as server:
            output = show(recording, options)
            complain(f"{function} is at {options.vfio_user}")
            _serve(server, keep=options.keep)
    return TROUBLE if output is not None and output.failed else 0


def _serve(server: Server, *, keep: bool) -> None:
    while True:
        try:
            server.serve()
        except VfioUserError as error:
            if not keep:
                raise
            complain(f"{error}; the client was disconnected")
        if not keep:
            return


@contextmanager
def _signals() -> Iterator[None]:
    """Do at SIGTERM and SIGHUP what is done at SIGINT: end in order."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt(number)

    asked = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) == signal.SIG_DFL]
    for number in asked:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in asked:
            signal.signal(number, signal.SIG_DFL)


def _check(options: argparse.Namespace) -> None:
    if options.format and not options.output:
        raise UsageError("--format is the format of -o FILE, which was not given")
    if options.fold and not options.live:
        raise UsageError("--fold is about the lines of --live, which was not given")


def _function(argument: CardArgument, numbers: tuple[int, int] | None) -> PciFunction:
    """Return the card of a model.

    Raises:
        ModelError: it cannot be made.
        UsageError: it has no numbers.
    """
    made = made_of(argument.file, argument.name, PciFunction, DeviceLike)
    if isinstance(made, PciFunction):
        return made
    whose = f"{argument.file}: {argument.name}"
    if not isinstance(made, DeviceLike):
        raise ModelError(
            f"{whose} is neither a mmio.pci.PciFunction nor a device, which has read(offset, width) and "
            "write(offset, width, value)"
        )
    if numbers is None:
        wanted = f"{argument.file}:{argument.name}@8086:100e"
        raise UsageError(f"{whose} is a device and no PCI function, so its numbers are needed: {wanted}")
    try:
        return Pci(made, *numbers)
    except ValueError as error:
        raise ModelError(f"{whose}: {error}; a mmio.pci.PciFunction can say it") from None
