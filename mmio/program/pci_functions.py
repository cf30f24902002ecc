"""PCI functions as a program accesses them: sysfs, /proc/bus/pci, IO ports, physical memory.

What is text is in files of a temporary directory that stands in for the kernel's; what is a register is answered by
the function. A driver that translates an address of its own for DMA, by /proc/self/pagemap, gets the address itself:
physical memory is the program's, at the same addresses, which is what the devices' `memory` reaches.
"""

import os
import shutil
import struct
import tempfile
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from mmio.device.memory import ThisProcess
from mmio.linux.libc import PAGE
from mmio.linux.proc_files import read_part
from mmio.pci.address import PciAddress
from mmio.pci.bus import ConfigPorts, PciBus
from mmio.pci.function import PciFunction
from mmio.pci.sysfs import DEVICES, PROC, SYS, attributes, proc_line
from mmio.program.accessing import Accessing, ProgramsMemory
from mmio.program.targets import FileTarget, Group, PortTarget, Targets, Tree

CONFIG_PORT: Final = 0xCF8
CONFIG_PORTS: Final = 8
PAGEMAPS: Final = ("/proc/self/pagemap", "/proc/thread-self/pagemap")

_ENTRY: Final = 8  # bytes of a page's entry in pagemap
_FRAME: Final = (1 << 55) - 1  # bits of the page frame number there, of a page that is present
_PRESENT: Final = 1 << 63


class PciFunctions:
    """The functions of a machine, as targets.

    Args:
        targets: where they are named.
        accessing: as of `ProgramsMemory`.

    Attributes:
        bus: the functions, by their addresses.
        directory: the temporary directory with the texts.
    """

    def __init__(self, targets: Targets, accessing: Callable[[], Accessing | None]) -> None:
        self.bus = PciBus()
        self.directory = Path(tempfile.mkdtemp(prefix="pagetrap-pci-"))
        weakref.finalize(targets, _remove, self.directory, os.getpid())
        self._targets, self._accessing = targets, accessing
        self._shown: set[PciAddress] = set()
        for prefix in (SYS, PROC):
            (self.directory / prefix.lstrip("/")).mkdir(parents=True)
            targets.trees.append(Tree(prefix, str(self.directory / prefix.lstrip("/"))))
        for name in ("devices", "drivers", "slots"):
            (self.directory / SYS.lstrip("/") / name).mkdir()
        pagemap = Pagemap(accessing)
        self._machine: list[FileTarget | PortTarget] = [
            FileTarget(path, pagemap, name="pagemap", recorded=False) for path in PAGEMAPS
        ]
        targets.files += [target for target in self._machine if isinstance(target, FileTarget)]
        ports = PortTarget(CONFIG_PORT, CONFIG_PORTS, ConfigPorts(self.bus), "PCI")
        self._machine.append(ports)
        targets.ports.append(ports)

    def add(self, address: Any, function: PciFunction, policies: dict[str, Any]) -> PciAddress:
        """Put a function into the machine; return its address.

        Args:
            address: as `lspci -s` has it; None for the first one that is free.
            function: the function.
            policies: of its regions.

        Raises:
            TypeError, ValueError: as of `PciBus.add`.
        """
        place = self.bus.add(self.bus.free() if address is None else address, function)
        if isinstance(function.memory, ThisProcess | ProgramsMemory):
            function.memory = ProgramsMemory(self._accessing, function.name)
        parts = [*self._machine]
        for other, one in self.bus:
            if other not in self._shown:
                self._shown.add(other)
                parts += self._show(other, one, policies)
        self._targets.groups.append(Group(tuple(parts), f"PCI function {place} ({function.name})"))
        listed = self.directory / PROC.lstrip("/") / "devices"
        listed.write_text("".join(proc_line(*one) for one in self.bus))
        return place

    def _show(
        self, address: PciAddress, function: PciFunction, policies: dict[str, Any]
    ) -> list[FileTarget | PortTarget]:
        """Make the directory of a function, and return the targets where it answers."""
        base = f"{DEVICES}/{address}"
        files: list[FileTarget] = []
        directory = self.directory / base.lstrip("/")
        directory.mkdir()
        for name, text in attributes(address, function).items():
            (directory / name).write_text(text)

        def answered(path: str, device: Any, length: int, name: str, **options: Any) -> None:
            """Name a device that answers for a file, which programs find in its directory with its length."""
            file = self.directory / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
            with suppress(OSError):  # a region may be longer than any file
                os.truncate(file, length)
            files.append(FileTarget(path, device, length=length, name=name, **options))

        config = function.config
        for path in (f"{base}/config", f"{PROC}/{_proc_bus(address)}/{address.device:02x}.{address.function}"):
            answered(path, config, config.length, f"{function.name}.config")
        for name, attribute in (("reset", _Reset(function)), ("enable", _Enable(function))):
            answered(f"{base}/{name}", attribute, attribute.length, f"{function.name}.{name}", recorded=False)
        if function.rom is not None:
            answered(f"{base}/rom", function.rom, function.rom.length, f"{function.name}.rom")
        ports: list[PortTarget] = []
        for index, bar in function.bars.items():
            window, start = function.bar(index), function.address(index)
            suffixes = ("", "_wc") if bar.prefetchable else ("",)
            for suffix in suffixes:
                answered(f"{base}/resource{index}{suffix}", window, bar.size, bar.title, policies=policies)
            if bar.kind == "io":
                ports.append(PortTarget(start, bar.size, window, bar.title, policies))
            else:
                files.append(FileTarget("/dev/mem", window, start, bar.size, bar.title, policies))
        self._targets.files += files
        self._targets.ports += ports
        return [*files, *ports]


class Pagemap:
    """/proc/self/pagemap of the accessing process: the frame of a page is its number in the program's own addresses.

    Args:
        accessing: returns the process.
    """

    length = (1 << 47) // PAGE * _ENTRY

    def __init__(self, accessing: Callable[[], Accessing | None]) -> None:
        self._accessing = accessing

    def read(self, offset: int, width: int) -> int:
        """Return an entry, or bytes of one: the kernel's, with another frame number where the page is present."""
        page, first = divmod(offset, _ENTRY)
        found = self._accessing()
        data = b""
        with suppress(OSError):
            data = b"" if found is None else read_part(found.tid, "pagemap", page * _ENTRY, _ENTRY)
        entry: int = struct.unpack("<Q", data.ljust(_ENTRY, b"\0"))[0]
        if entry & _PRESENT:
            entry = entry & ~_FRAME | page
        return entry >> 8 * first & (1 << 8 * width) - 1

    def write(self, offset: int, width: int, value: int) -> None:
        """Do nothing: the kernel refuses it, too."""


class _Reset:
    """The file `reset`: a write resets the function and puts configuration space back, as the kernel does."""

    length = 16

    def __init__(self, function: PciFunction) -> None:
        self._function = function

    def read(self, offset: int, width: int) -> int:
        return 0

    def write(self, offset: int, width: int, value: int) -> None:
        if offset == 0 and value & 0xFF == ord("1"):
            config = self._function.config
            state = config.snapshot()
            self._function.reset()
            config.restore(state)


class _Enable:
    """The file `enable`: whether the function decodes accesses to its regions."""

    length = 2

    def __init__(self, function: PciFunction) -> None:
        self._function = function

    def read(self, offset: int, width: int) -> int:
        command = self._function.config.command
        text = b"1\n" if command.MEMORY or command.IO else b"0\n"
        return int.from_bytes(text[offset : offset + width], "little")

    def write(self, offset: int, width: int, value: int) -> None:
        if offset == 0 and value & 0xFF in (ord("0"), ord("1")):
            function, on = self._function, value & 1
            kinds = {bar.kind for bar in function.bars.values()}
            function.config.command.IO = int(on and "io" in kinds)
            function.config.command.MEMORY = int(on and "memory" in kinds)


def _remove(directory: Path, owner: int) -> None:
    """Remove a directory at the end of the process that made it, not of one that was forked."""
    if os.getpid() == owner:
        shutil.rmtree(directory, ignore_errors=True)


def _proc_bus(address: PciAddress) -> str:
    """Return the directory of a bus in /proc/bus/pci: with its domain where that is not the first."""
    return f"{address.domain:04x}:{address.bus:02x}" if address.domain else f"{address.bus:02x}"
