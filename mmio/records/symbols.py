"""Names for instruction pointers: module, function, and source line if the module has line numbers.

`/proc/PID/maps` tells which file an address comes from. Its symbols are read from the file itself, so that static
functions have names too and another process is no different. What the file does not name the dynamic linker may,
which knows the exported functions of this process. Files are read once, when an address in them first turns up.

A name is never in the path of an access: a damaged file costs its names, or its lines, and one `SymbolsWarning`.
"""

import ctypes
import os
import warnings
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from os.path import basename
from stat import S_ISREG
from typing import Final, NamedTuple

from attrs import field, frozen

from mmio.linux import own_table
from mmio.records.elf import ElfFile, Functions, Malformed, Segment
from mmio.records.inlined import Inlined
from mmio.records.lines import Lines, no_lines, read_lines

# Reading line numbers takes about a second for each MiB of them, so only small modules (drivers are) get lines.
MAX_LINES: Final = 1 << 20
_CALLED_BY: Final = " ← "
MAX_STRINGS: Final = 1 << 24  # bytes of names of source files; .debug_str has other names too


class SymbolsWarning(UserWarning):
    """A file that code runs from is damaged: its instructions have no names, or no source lines."""


@frozen(slots=True)
class Location:
    """Location of an instruction.

    `module` is the name of the mapped file and `offset` the address as the file counts it; `symbol` the
    function and `into` the bytes from its start; `line` is "driver.c:42". What is not known is "". Where functions are
    inlined there, `calls` has them from the innermost on, "writel io.h:52 ← card_init card.c:573", and `line` is the
    innermost one's.
    """

    module: str
    offset: int
    symbol: str = ""
    into: int = 0
    line: str = ""
    calls: str = ""

    @property
    def functions(self) -> tuple[str, ...]:
        """The names of the function and of those that are inlined in it."""
        inlined = (call.partition(" ")[0] for call in self.calls.split(_CALLED_BY) if call)
        return tuple(dict.fromkeys((*filter(None, (self.symbol,)), *inlined)))

    def __str__(self) -> str:
        place = f"{self.symbol}+{self.into:#x} ({self.module})" if self.symbol else f"{self.module}+{self.offset:#x}"
        line = self.calls or self.line
        return f"{place} {line}" if line else place


def named(ip: int, location: Location | None) -> str:
    """Return what an instruction is called: "function+0x12 (module) file.c:42", or its address if that is unknown."""
    return f"{ip:#x}" if location is None else str(location)


class Symbols:
    """Resolves the instruction pointers of this or another process; call it with one to get its name.

    `pid`: the process, None for this one. Addresses that belong to no file resolve to their hexadecimal form.
    """

    def __init__(self, pid: int | None = None) -> None:
        self.pid = pid
        self._names: dict[int, str] = {}
        self._modules: dict[str, _Module] = {}
        self._functions: dict[str, dict[str, int]] = {}  # file offsets by name, of the files that were searched
        self._mappings: list[_Mapping] = []
        self._read_maps()

    def __call__(self, ip: int) -> str:
        """Return "function+0x12 (module)", with the source line when it is known."""
        name = self._names.get(ip)
        if name is None:
            name = self._names[ip] = named(ip, self.locate(ip))
        return name

    def locate(self, ip: int) -> Location | None:
        """Return where an address is, None when no file is mapped there."""
        mapping = self._mapping(ip)
        if mapping is None:
            self._read_maps_again()  # a library may have been loaded since
            mapping = self._mapping(ip)
            if mapping is None:
                return None
        name = basename(mapping.path)
        if not mapping.path.startswith("/"):
            return Location(name, ip - mapping.start)
        module = self._module(mapping.path)
        address = module.address(ip - mapping.start + mapping.offset)
        symbol, into = module.symbol(address)
        if not symbol and self.pid is None:
            symbol, into = _from_linker(ip)
        line = module.line(address)
        return Location(name, address, symbol, into, line, module.calls(address, line))

    def address_of(self, name: str) -> int | None:
        """Return where a function is, by its name as the symbol table has it; None where no file has it.

        The program's own come first, then those of its libraries in order of their addresses.
        """
        self._read_maps_again()
        for path in dict.fromkeys(mapping.path for mapping in self._mappings if mapping.path.startswith("/")):
            if path not in self._functions:
                self._functions[path] = self._module(path).offsets()
            place = self._functions[path].get(name)
            for mapping in self._mappings:
                if place is not None and mapping.path == path and 0 <= place - mapping.offset < mapping.length:
                    return mapping.start + place - mapping.offset
        return None

    def refresh(self) -> None:
        """Forget names and look again at what the process has mapped, such as after an exec or dlclose."""
        self._names.clear()
        self._read_maps_again()

    def _read_maps_again(self) -> None:
        with suppress(PermissionError):  # the process has changed its user ID since
            self._read_maps()

    def _read_maps(self) -> None:
        # A process that has gone keeps what was last seen: its trace is often printed after its end.
        with suppress(FileNotFoundError, ProcessLookupError):
            maps = own_table.read(f"/proc/{self.pid or 'self'}/maps")
            self._mappings = list(_mappings(os.fsdecode(maps)))

    def _module(self, path: str) -> "_Module":
        if path not in self._modules:
            self._modules[path] = _Module.read(path)
        return self._modules[path]

    def _mapping(self, ip: int) -> "_Mapping | None":
        index = bisect_right(self._mappings, ip, key=lambda mapping: mapping.start) - 1
        if index >= 0 and ip < self._mappings[index].end:
            return self._mappings[index]
        return None


class _Mapping(NamedTuple):
    start: int
    end: int
    offset: int
    path: str

    @property
    def length(self) -> int:
        return self.end - self.start


def _mappings(text: str) -> Iterator[_Mapping]:
    """Parse /proc/PID/maps (Documentation/filesystems/proc.rst), leaving out mappings without a name."""
    for line in text.splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6:
            start, end = (int(address, 16) for address in fields[0].split("-"))
            yield _Mapping(start, end, int(fields[2], 16), fields[5].removesuffix(" (deleted)"))


@frozen(slots=True)
class _Module:
    """Symbols of one file."""

    segments: tuple[Segment, ...] = ()
    functions: Functions = field(factory=Functions)
    lines: Lines = field(factory=no_lines)
    inlined: Inlined | None = None

    @classmethod
    def read(cls, path: str) -> "_Module":
        """Read a file's symbols; nothing is known of one that cannot be read or is no ELF file."""
        try:
            if not S_ISREG(os.stat(path).st_mode) or own_table.read(path, 0, 4) != b"\x7fELF":
                return cls()
            return cls._of(ElfFile(path), path)
        except (OSError, ValueError):
            return cls()
        except (Malformed, MemoryError) as error:
            _warn(f"{path}: damaged, so its instructions have no names: {error}")
            return cls()

    @classmethod
    def _of(cls, elf: ElfFile, path: str) -> "_Module":
        segments, functions = tuple(elf.segments()), elf.functions()
        try:
            section = elf.data(".debug_line", MAX_LINES)
            if section is None:
                return cls(segments, functions)
            strings = [elf.data(name, MAX_STRINGS) or b"" for name in (".debug_line_str", ".debug_str")]
            return cls(segments, functions, read_lines(section, *strings), Inlined(elf))
        except (Malformed, MemoryError) as error:
            _warn(f"{path}: damaged, so its instructions have no source lines: {error}")
            return cls(segments, functions)

    def address(self, offset: int) -> int:
        """Return the address the file itself gives to what is at this file offset."""
        for segment in self.segments:
            if segment.offset <= offset < segment.offset + segment.length:
                return offset - segment.offset + segment.address
        return offset

    def offsets(self) -> dict[str, int]:
        """Return the file offsets of the functions by name."""
        found = {}
        for address, _, name in self.functions.places:
            for segment in self.segments:
                if segment.address <= address < segment.address + segment.length:
                    found[self.functions.name(name)] = address - segment.address + segment.offset
        return found

    def symbol(self, address: int) -> tuple[str, int]:
        """Return the function around an address and the bytes into it, ("", 0) when there is none."""
        places = self.functions.places
        index = bisect_right(places, address, key=lambda place: place[0]) - 1
        if index >= 0:
            start, size, name = places[index]
            if address < start + (size or address + 1):  # assembly functions often have no size
                return self.functions.name(name), address - start
        return "", 0

    def line(self, address: int) -> str:
        """Return "file:line" of an address, "" when it is not known."""
        return self.lines.at(address)

    def calls(self, address: int, line: str) -> str:
        """Return the calls that are inlined at an address, whose line this is: "writel io.h:52 ← init card.c:573"."""
        frames = () if self.inlined is None or not line else self.inlined.at(address)
        return _CALLED_BY.join(f"{frame.function} {frame.line or line}" for frame in frames)


def _warn(text: str) -> None:
    # Where warnings are errors (python -W error) this one would end the trace of a program in the middle.
    with suppress(SymbolsWarning):
        warnings.warn(text, SymbolsWarning, stacklevel=6)


class _DlInfo(ctypes.Structure):
    """Dl_info, as dladdr(3) fills it in."""

    _fields_ = (
        ("dli_fname", ctypes.c_char_p),
        ("dli_fbase", ctypes.c_void_p),
        ("dli_sname", ctypes.c_char_p),
        ("dli_saddr", ctypes.c_void_p),
    )


def _from_linker(ip: int) -> tuple[str, int]:
    """Ask the dynamic linker for the function around an address of this process; ("", 0) when it knows none."""
    info = _DlInfo()
    found = ctypes.CDLL(None).dladdr(ctypes.c_void_p(ip), ctypes.byref(info))
    if not found or not info.dli_sname:
        return "", 0
    return info.dli_sname.decode(errors="replace"), ip - (info.dli_saddr or ip)
