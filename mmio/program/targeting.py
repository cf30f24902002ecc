"""Define the targets of a program, for any engine."""

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from mmio.arguments import integer, known, path, shortened, text
from mmio.device.clock import Clock
from mmio.device.device import Device
from mmio.linux.io_ports import PORTS, reaching
from mmio.linux.libc import PAGE
from mmio.program.accessing import Accessing, give_memory
from mmio.program.targets import (
    ANSWERS,
    PROGRAM_END,
    FileTarget,
    NoDevice,
    PortTarget,
    RangeTarget,
    Redirection,
    Targets,
)
from mmio.program.time_calls import CONDITIONS
from mmio.program.uio_opens import is_uio, line_of
from mmio.space.policy import policies as checked_policies
from mmio.space.recorder import recording
from mmio.space.region import DeviceLike, Watcher, answering, on_bus
from mmio.space.space import MEMORY_END, AddressSpace
from mmio.traces.trace import Trace
from mmio.watchpoints.watch import On, Watch, WatchOptions

if TYPE_CHECKING:
    from mmio.pci.address import PciAddress
    from mmio.pci.function import PciFunction
    from mmio.program.pci_functions import PciFunctions


class Targeting:
    """Base of what runs a program and records its accesses: the methods that name the targets.

    Attributes:
        trace: the accesses.
        unmapped: what answers an access where no device does, beside one in its mapping or at another port: "error"
            raises UnmappedAccess, "ones" and "zeros" are read and writes are lost, "real" accesses this machine. It
            holds for programs that are started afterwards; a target's own policy comes first.
    """

    def __init__(self, trace: Trace | None = None) -> None:
        self.trace = Trace() if trace is None else recording(trace)
        self._targets = Targets()
        self._pci: PciFunctions | None = None

    @property
    def _accessing(self) -> Accessing | None:
        """Return the process whose access is being made, or was the last; None when it has ended, or none has begun."""
        return None

    def _answer(
        self, device: Any, name: Any, policies: dict[str, Any], function: str, *others: str
    ) -> tuple[str | None, dict[str, Any]]:
        """Check the arguments that all targets have; return the name and the policies. The device gets its memory."""
        if device is not None:
            answering(device)
        checked = None if name is None else text("name", name), checked_policies(function, policies, *others)
        give_memory(device, lambda: self._accessing)
        return checked

    @property
    def unmapped(self) -> NoDevice:
        """The answer to an access where no device answers: "error", "ones", "zeros" or "real"."""
        return self._targets.no_device

    @unmapped.setter
    def unmapped(self, answer: NoDevice) -> None:
        if answer not in ANSWERS:
            raise ValueError(f"unmapped is one of {', '.join(ANSWERS)}, not {shortened(answer)}")
        self._targets.no_device = answer

    def map_file(
        self,
        file: str | int,
        device: DeviceLike | None = None,
        *,
        offset: int = 0,
        length: int | None = None,
        name: str | None = None,
        **policies: Any,
    ) -> None:
        """Trap mappings of a file.

        Args:
            file: a pattern of paths ("*" and so on also match slashes), or the number of the descriptor that is mapped.
                A pattern does not mean mappings that may be executed: code cannot run where nothing may be read.
            device: answers in place of the file, whether it exists or not, also to reads and writes of a file that the
                program opens under a path which matches. Left out, the accesses go to the file.
            offset: the start of the part of the file meant, for `/dev/mem` thus the physical address.
            length: of that part. With a device it is the device's own when left out.
            name: of the region in records; the file's path when left out.
            policies: as for `AddressSpace.map`.

        Raises:
            TypeError, ValueError: an argument is not what it should be; no target has been added.
        """
        if isinstance(file, int) and not isinstance(file, bool):
            file = integer("file, if it is no pattern of paths but the number of a descriptor,", file, least=0)
        else:
            file = path("file, if it is not the number of a descriptor,", file)
        name, policies = self._answer(device, name, policies, "map_file", "file", "device", "offset", "length", "name")
        offset = integer("offset", offset, least=0, most=MEMORY_END - 1)
        length = None if length is None else integer("length", length, least=1, most=MEMORY_END)
        if is_uio(file) and isinstance(device, Device) and line_of(device) is not None and self._targets.clock is None:
            self._follow(device.clock)  # a read of it waits for an interrupt, which a timer of the model may raise
        part: dict[str, Any] = {} if length is None else {"length": length}
        self._targets.files.append(FileTarget(file, on_bus(device), offset, name=name, policies=policies, **part))

    def map(
        self, start: int, length: int, device: DeviceLike | None = None, name: str | None = None, **policies: Any
    ) -> None:
        """Trap a range of the program's addresses, whatever is mapped later there.

        The pages around it are trapped, too, but not recorded. A device answers also where nothing is mapped, before
        the program has mapped something and after it has unmapped it; beside the device nothing is mapped then, either.
        Arguments as for `map_file`.

        Raises:
            ValueError: no address space has such a range, or with a device no program, or a policy no such value.
            TypeError: an argument is of a wrong kind.
        """
        name, policies = self._answer(device, name, policies, "map", "start", "length", "device", "name")
        start, length = integer("start", start), integer("length", length)
        end = MEMORY_END if device is None else PROGRAM_END
        if not 0 <= start < start + length <= end:
            raise ValueError(f"expected addresses within 0x0..{end:#x}, got {length:#x} bytes from {start:#x} on")
        self._targets.ranges.append(RangeTarget(start, length, on_bus(device), name, policies))

    def map_ports(
        self, port: int, count: int, device: DeviceLike | None = None, name: str | None = None, **policies: Any
    ) -> None:
        """Trap `count` IO ports from `port` on.

        A device answers at them, and then `iopl` and `ioperm` are granted; left out, the program works those of this
        machine, as far as the kernel lets it: see `ports.py`. Then records have the region "ports" with the port as the
        offset, and a `name` as the register there.

        Raises:
            ValueError: real ports are not ports, or devices answer at others, or there are policies for them.
            TypeError: an argument is of a wrong kind.
            OSError: real ports cannot be reached; the message says why.
        """
        name, policies = self._answer(device, name, policies, "map_ports", "port", "count", "device", "name")
        port, count = integer("port", port), integer("count", count)
        if any((target.device is None) != (device is None) for target in self._targets.ports):
            raise ValueError(
                "devices answer at ports or real ports are traced, not both: only one of them can grant the rights"
            )
        if port < 0 or count < 1 or port + count > PORTS:
            raise ValueError(f"expected ports within 0x0..{PORTS:#x}, got {port:#x}..{port + count:#x}")
        if device is None:
            if policies:
                raise ValueError(f"real ports take what the program does, and no {', '.join(policies)}")
            with reaching(port, count):
                pass
        self._targets.ports.append(PortTarget(port, count, on_bus(device), name, policies))

    def map_pci(
        self, function: "PciFunction", address: "str | PciAddress | None" = None, **policies: Any
    ) -> "PciAddress":
        """Put a PCI function into the machine that the program sees; return its address.

        It is in /sys/bus/pci and /proc/bus/pci, which have these functions and no others, behind the IO ports 0xcf8 and
        0xcfc, and has its regions there, at IO ports and in /dev/mem. Its devices reach the memory of the program,
        whose addresses /proc/self/pagemap gives as physical ones.

        Args:
            function: the function.
            address: as `lspci -s` has it, such as "00:03.0"; the first one that is free when left out.
            policies: of its regions, as for `AddressSpace.map`.

        Raises:
            TypeError: it is no function, or the address or a policy is of a wrong kind.
            ValueError: something is at the address, or there is no such address or policy, or no room for its regions.
        """
        policies = checked_policies("map_pci", policies, "function", "address")
        if any(target.device is None for target in self._targets.ports):
            raise ValueError("a PCI function answers at IO ports, so real ones cannot be traced as well")
        if self._pci is None:
            from mmio.program.pci_functions import PciFunctions  # here, for few programs need it

            self._pci = PciFunctions(self._targets, lambda: self._accessing)
        return self._pci.add(address, function, policies)

    def redirect(self, pattern: str, file: str) -> None:
        """Redirect paths that match a pattern to another file; they need not exist.

        Raises:
            TypeError: one of them is no path.
        """
        self._targets.redirections.append(Redirection(path("pattern", pattern), path("file", file)))

    def use_virtual_time(self, clock: Clock | None = None) -> Clock:
        """Make the time of the programs that are started afterwards follow a clock: that of the device models.

        What they ask the time, and how long they sleep and wait, is the clock's. When all their threads sleep, the
        clock advances to the next timer. Which calls follow is a table in docs/time-and-interrupts.md.

        Args:
            clock: a new one when left out. Assign it to the devices' `clock` before they are mapped.

        Returns:
            The clock.

        Raises:
            TypeError: it is no clock.
            ValueError: the time follows another one already.
        """
        clock = self._follow(clock)
        self._targets.time_calls = CONDITIONS
        return clock

    def _follow(self, clock: Clock | None) -> Clock:
        """Make a clock continue where the programs sleep."""
        if clock is None:
            clock = self._targets.clock or Clock()
        if not isinstance(clock, Clock):
            raise TypeError(f"clock is a Clock, not {shortened(clock)}")
        if self._targets.time_calls and self._targets.clock is not clock:
            raise ValueError("the time of the programs follows another clock already: there is one for all of them")
        self._targets.clock = clock
        return clock

    def watch(self, start: int, length: int = 1, on: On = "write", **options: Unpack[WatchOptions]) -> Watch:
        """Watch addresses of the programs, in every process; see `AddressSpace.watch`.

        Only trapped memory can be watched: name the range with `map`, or its file with `map_file`, as well. Function
        and line of a hit are known when `symbols` is given, such as `Symbols(pid)`.
        """

        def detach(watch: Watch) -> None:
            self._targets.watches.remove(watch)
            for space in self._spaces():
                space.memory.unwatch(watch)

        known("watch", options, (*WatchOptions.__annotations__, "start", "length", "on"))
        start, length = integer("start", start), integer("length", length)
        watch = Watch(start, length, on, detach=detach, **options)
        self.witness(watch)
        return watch

    def witness(self, watcher: Watcher) -> None:
        """Call a watcher object for every access to its bytes, as `watch` does with a watchpoint."""
        AddressSpace().memory.watch(watcher)  # which says so when that is no range, before it is registered
        for space in self._spaces():
            space.memory.watch(watcher)
        self._targets.watches.append(watcher)

    def warn_of_unmatched(self) -> None:
        """Say which targets nothing has matched, and whose length was missing, once the programs have ended."""
        for target in self._targets.unmatched:
            advice = target.advice if isinstance(target, RangeTarget) else ""
            warnings.warn(f"the program used nothing that matches {target}{advice}", stacklevel=3)
        for short in self._targets.too_short:
            kind = type(short.device).__name__
            warnings.warn(
                f"{kind} has no length of its own, so {short} ended after {PAGE:#x} bytes; the program accessed more: "
                f"give the class a length (`length = 0x10000`) or give it with the path (@PATH:0+0x10000)",
                stacklevel=3,
            )

    @property
    def unmatched(self) -> list[str]:
        """The targets that nothing the program did so far has matched, in words."""
        return [str(target) for target in self._targets.unmatched]

    def _spaces(self) -> Iterable[AddressSpace]:
        """Return the address spaces of the programs that run already."""
        return ()


def program_arguments(given: Any) -> Sequence[str]:
    """Return the name of a program and its arguments.

    Raises:
        TypeError: they are no sequence of words; a str is a sequence of its letters.
        ValueError: there are none.
    """
    if isinstance(given, str | bytes | os.PathLike):
        raise TypeError(f"arguments are a list, such as ['devmem', '0x1000'], not {shortened(given)}: split it")
    if not isinstance(given, Sequence) or not all(isinstance(word, str | bytes | os.PathLike) for word in given):
        raise TypeError(f"arguments are a list of str, such as ['devmem', '0x1000'], not {shortened(given)}")
    if not given:
        raise ValueError("expected a program and its arguments, got none")
    return [os.fsdecode(word) for word in given]


def program_environment(given: Any) -> Mapping[str, str]:
    """Return the environment of a program, this process's own when there is None.

    Raises:
        TypeError: it is no mapping of str to str.
    """
    if given is None:
        return os.environ
    if not isinstance(given, Mapping) or not all(isinstance(word, str) for entry in given.items() for word in entry):
        raise TypeError(f"environment is a mapping of str to str, as os.environ is, not {shortened(given)}")
    return given
