"""A virtual machine whose PCI cards are device models: boots a kernel, loads drivers, runs commands."""

import os
import warnings
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from threading import Condition, Thread
from types import TracebackType
from typing import Final, TypeVar

from mmio.arguments import shortened, text
from mmio.closing import Closing
from mmio.guests.cache import cache_folder
from mmio.guests.callers import Callers
from mmio.guests.card import Card
from mmio.guests.console import Console
from mmio.guests.control import Completed, Control
from mmio.guests.errors import GuestError, MissingError
from mmio.guests.instructions import UNKNOWN, Instructions
from mmio.guests.kvm import DEVICE, check_kvm
from mmio.guests.machine import Machine, Settings, Wiring, card_at, command_line
from mmio.guests.monitor import Monitor
from mmio.guests.orc import Orc
from mmio.guests.parts import Parts
from mmio.guests.plugin import RunningInstructions, build_plugin
from mmio.guests.qemu import Qemu
from mmio.guests.server import Server
from mmio.guests.snapshots import Snapshot
from mmio.guests.symbols import GuestSymbols, kept, unpacked
from mmio.guests.vmlinux import digest
from mmio.pci.function import PciFunction
from mmio.space.policy import Unmapped
from mmio.space.space import AddressSpace
from mmio.traces.trace import Trace

_ORDERLY: Final = 10.0  # seconds that the guest has to end by itself

_SILENT: Final = 30.0  # seconds after which a guest under KVM does not run: its firmware speaks at once

_LONGEST_FOLDER: Final = 60  # bytes

Done = TypeVar("Done")


class Guest(Closing):
    """A running guest. `mmio.guest` starts one.

    Attributes:
        trace: the accesses of its drivers to its cards.
        space: where the cards' regions are, at the addresses that the guest has given them.
        cards: the functions, in the order of their slots.
        symbols: names of the guest's functions.
        console: what its kernel has said.
    """

    def __init__(
        self,
        devices: Iterable[PciFunction],
        parts: Parts,
        settings: Settings,
        *,
        snapshot: Snapshot | None = None,
        seconds: float = 120.0,
        unmapped: Unmapped = "ones",
        config: bool = False,
        trace: Trace | None = None,
        symbols: GuestSymbols | None = None,
        say: Callable[[str], object] | None = None,
        console: Callable[[str], object] | None = None,
    ) -> None:
        self.cards = _functions(devices)
        self.symbols = GuestSymbols() if symbols is None else symbols
        self.trace = Trace(locate=self.symbols.locate) if trace is None else trace
        self.space = AddressSpace(self.trace, unmapped="ones")
        self._seconds = seconds
        self._say = say or _ignore
        self._changed = Condition()
        self._failure: BaseException | None = None
        self._over = ""
        self._ending = self._orderly = self._learnt = False
        self._kvm = settings.kvm
        if settings.kvm:
            check_kvm()
        with ExitStack() as opened:
            folder = Path(opened.enter_context(TemporaryDirectory(prefix="pagetrap-guest-", dir=_folder())))
            sockets = [folder / f"card{number}" for number in range(len(self.cards))]
            instructions, plugin = self._instructions(opened, folder, parts.qemu, settings.kvm)
            self._running = instructions if isinstance(instructions, RunningInstructions) else None
            wiring = Wiring(folder, sockets, folder / "initrd", plugin, waits=snapshot is not None)
            wiring.initrd.write_bytes(parts.archive)
            for number, (function, path) in enumerate(zip(self.cards, sockets, strict=True)):
                card = Card(
                    function,
                    self.space,
                    number=number,
                    unmapped=unmapped,
                    instructions=instructions,
                    config=config,
                )
                self._serve(opened, Server(path, card), function.name)
            self.console = opened.enter_context(Console(wiring.console, console or _ignore))
            self._control = opened.enter_context(Control(wiring.control, self._changed, self._problem))
            self._monitor = opened.enter_context(Monitor(wiring.monitor, self._changed, self._problem, seconds))
            self._learn(parts, asks=False)
            command = command_line(parts.qemu, parts.image, settings, wiring)
            self._machine = opened.enter_context(Machine(command, parts.qemu.environment, self._ended))
            opened.callback(self._end)
            self._call(lambda: self._boot(parts) if snapshot is None else self._restore(parts, snapshot, sockets))
            self._orderly = True
            self._opened = opened.pop_all()

    def _instructions(self, opened: ExitStack, folder: Path, qemu: Qemu, kvm: bool) -> tuple[Instructions, str]:
        """Return what knows the guest's instructions, and QEMU's argument for it."""
        if kvm:
            self._say("under KVM the instruction of an access is not known")
            return UNKNOWN, ""
        try:
            plugin = build_plugin(qemu)
        except MissingError as error:
            self._say(f"the instruction of an access is not known: {error}")
            return UNKNOWN, ""
        running = opened.enter_context(RunningInstructions(folder / "running"))
        return running, running.argument(plugin)

    def _serve(self, opened: ExitStack, server: Server, name: str) -> None:
        def serve() -> None:
            try:
                server.serve()
            except BaseException as error:
                with self._changed:
                    if not self._ending:
                        self._failure = self._failure or error
                    self._changed.notify_all()

        opened.callback(server.close)
        thread = Thread(target=serve, name=f"device {name}", daemon=True)
        opened.callback(thread.join)
        opened.callback(server.stop)
        thread.start()

    def _boot(self, parts: Parts) -> None:
        """Wait until the guest has booted, learn its names, load and match its drivers."""
        silent = min(self._seconds, _SILENT)
        if self._kvm and not self.console.wait_for_output(silent):
            raise GuestError(
                f"the guest has said nothing within {silent:g} s under KVM: {DEVICE} of this machine cannot run "
                "a kernel, it seems (on some clouds it runs user mode only); leave KVM out"
            )
        self._control.wait_until_ready(self._seconds)
        self._learn(parts, asks=True)
        self._sections = parts.drivers.load(self.run)
        parts.drivers.name(self.symbols, self._sections)
        parts.drivers.match(self.run)

    def _restore(self, parts: Parts, snapshot: Snapshot, cards: Iterable[Path]) -> None:
        """Take a saved guest, plug the cards in, and match its drivers with them."""
        self._monitor.load(snapshot.state)
        for path in cards:
            self._monitor.plug(card_at(path))
        self._monitor.go_on()
        self._learn(parts, asks=True)
        self._sections = snapshot.sections
        parts.drivers.name(self.symbols, self._sections)
        parts.drivers.match_plugged(self.run)

    def _learn(self, parts: Parts, *, asks: bool) -> None:
        """Learn the names of the kernel's functions, as early as possible: QEMU's plugin looks at code once.

        Args:
            parts: with the kernel.
            asks: ask the guest for them, if they are not known yet.
        """
        if self._learnt:
            return
        file = cache_folder() / "symbols" / f"{digest(parts.kernel.image)}.gz"
        names = kept(file)
        if not names and asks:
            packed = self.run("grep ' [tTwW] ' /proc/kallsyms | gzip -1 | cat").output
            with suppress(OSError):  # a cache that cannot be written costs the next guest some seconds
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(packed)
            names = unpacked(packed)
        self._learnt = bool(names)
        self.symbols.add_kernel(names)
        if self._running is not None:
            self._running.watch_calls(Callers(self.symbols, Orc.of(parts.image)))

    def save(self, snapshot: Snapshot) -> None:
        """Save the guest, which has no cards; it cannot be used any more.

        Args:
            snapshot: where.

        Raises:
            GuestError: QEMU cannot save it.
        """
        self._orderly = False  # it stands still
        self._monitor.save(snapshot.state)
        snapshot.keep(self._sections)

    def run(
        self, command: str, seconds: float | None = None, output: Callable[[bytes], object] | None = None
    ) -> Completed:
        """Run a command of the guest's shell (busybox), and wait for its end.

        Args:
            command: the command.
            seconds: how long it may take; what `mmio.guest` was given when left out.
            output: called with what it prints, as it comes.

        Returns:
            its exit status and what it has printed.

        Raises:
            GuestError: the guest has ended, or the command takes longer.
            Exception: what a device model has raised meanwhile.
        """
        text("command", command)
        return self._call(lambda: self._control.run(command, self._seconds if seconds is None else seconds, output))

    def _call(self, what: Callable[[], Done]) -> Done:
        """Do what waits for the guest; raise what a device model has raised instead of what came of that."""
        try:
            return what()
        except GuestError:
            failure = self._failure
            if failure is not None:
                self._failure = None
                self._over = self._over or "a device model has failed, and the guest was ended"
                self._machine.close()
                raise failure from None
            raise

    def unbound(self) -> list[PciFunction]:
        """Return the cards that no driver has taken."""
        text = self.run(
            "cd /sys/bus/pci/devices; for d in *; do [ -e $d/driver ] || echo $(cat $d/vendor $d/device); done"
        ).text
        free = [tuple(int(number, 16) for number in line.split()) for line in text.splitlines() if line.strip()]
        return [one for one in self.cards if (one.config.vendor_id.value, one.config.device_id.value) in free]

    def _problem(self) -> str:
        """Return why the guest answers no more, "" while it may."""
        if self._failure is not None:
            return "a device model has failed"
        return self._over

    def _ended(self, status: int, printed: str) -> None:
        self._control.wait_for_end()  # all that the guest has said comes first
        self.console.wait_for_end()
        with self._changed:
            last = "\n".join([*printed.strip().splitlines()[-5:], *self.console.last(15)])
            how = (
                "has ended"
                if status == 0
                else f"was killed by signal {-status}"
                if status < 0
                else f"failed ({status})"
            )
            self._over = self._over or f"the guest's QEMU {how}{f'; its last lines:{chr(10)}{last}' if last else ''}"
            self._changed.notify_all()

    def _end(self) -> None:
        """End the guest in order, if it still answers."""
        with self._changed:
            self._ending = True
        if self._orderly and self._failure is None and not self._over:
            self._control.turn_off()
            if not self._machine.wait(_ORDERLY):
                warnings.warn(f"the guest has not ended within {_ORDERLY:g} s, and was killed", stacklevel=4)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            self._orderly = False  # after Ctrl-C nothing is waited for
        super().__exit__(kind, error, traceback)

    def close(self) -> None:
        """End the guest: its drivers' shutdown functions are called, then QEMU ends.

        Raises:
            Exception: what a device model has raised, if nothing was told of it before.
        """
        self._opened.close()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure


def _ignore(text: str) -> None:
    """Do nothing."""


def _functions(devices: Iterable[PciFunction]) -> tuple[PciFunction, ...]:
    found = tuple(devices)
    for one in found:
        if not isinstance(one, PciFunction):
            raise TypeError(f"devices are PCI functions, such as mmio.Pci(card, 0x8086, 0x100E), not {shortened(one)}")
    return found


def _folder() -> str:
    """Return the folder for what a guest needs while it runs: a socket's path has at most 107 bytes (unix(7))."""
    usual = gettempdir()
    return usual if len(os.fsencode(usual)) <= _LONGEST_FOLDER else "/tmp"
