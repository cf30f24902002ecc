"""Names for instruction pointers: module, function, and source line where the module says.

`/proc/PID/maps` tells which file an address comes from. Its symbols are read from the file itself with
pyelftools, so that static functions have names too and another process is no different. Without pyelftools the
dynamic linker is asked, which knows the exported functions of this process. Files are read once, when an
address in them first turns up.
"""

import ctypes
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from operator import itemgetter
from os.path import basename
from typing import Any, Final, NamedTuple

from attrs import frozen

# Reading line numbers takes about a second for each MiB of them, so only small modules (drivers are) get lines.
MAX_LINES: Final = 1 << 20


@frozen(slots=True)
class Location:
    """Location of an instruction.

    `module` is the name of the mapped file and `offset` the address as the file counts it; `symbol` the
    function and `into` the bytes from its start; `line` is "driver.c:42". What is not known is "".
    """

    module: str
    offset: int
    symbol: str = ""
    into: int = 0
    line: str = ""

    def __str__(self) -> str:
        place = f"{self.symbol}+{self.into:#x} ({self.module})" if self.symbol else f"{self.module}+{self.offset:#x}"
        return f"{place} {self.line}" if self.line else place


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
            self._read_maps()  # a library may have been loaded since
            mapping = self._mapping(ip)
            if mapping is None:
                return None
        name = basename(mapping.path)
        if not mapping.path.startswith("/"):
            return Location(name, ip - mapping.start)
        module = self._modules.get(mapping.path)
        if module is None:
            module = self._modules[mapping.path] = _Module.read(mapping.path)
        address = module.address(ip - mapping.start + mapping.offset)
        symbol, into = module.symbol(address)
        if not symbol and self.pid is None:
            symbol, into = _from_linker(ip)
        return Location(name, address, symbol, into, module.line(address))

    def refresh(self) -> None:
        """Forget names and look again at what the process has mapped, such as after an exec or dlclose."""
        self._names.clear()
        self._read_maps()

    def _read_maps(self) -> None:
        # A process that has gone keeps what was last seen: its trace is often printed after its end.
        with suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{self.pid or 'self'}/maps") as file:
            self._mappings = list(_mappings(file.read()))

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


def _mappings(text: str) -> Iterator[_Mapping]:
    """Parse /proc/PID/maps (Documentation/filesystems/proc.rst), leaving out mappings without a name."""
    for line in text.splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6:
            start, end = (int(address, 16) for address in fields[0].split("-"))
            yield _Mapping(start, end, int(fields[2], 16), fields[5].removesuffix(" (deleted)"))


@frozen(slots=True)
class _Module:
    """Symbols of one file: segments as (file offset, length, address), symbols and lines by address."""

    segments: tuple[tuple[int, int, int], ...] = ()
    symbols: tuple[tuple[int, int, str], ...] = ()  # address, size, name
    lines: tuple[tuple[int, str], ...] = ()  # address from which on (the last of equal ones holds), "" for none

    @classmethod
    def read(cls, path: str) -> "_Module":
        """Read a file's symbols; nothing is known of one that cannot be read or is no ELF file."""
        try:
            from elftools.common.exceptions import DWARFError, ELFError
            from elftools.construct import ConstructError
            from elftools.elf.elffile import ELFFile
        except ImportError:
            return cls()
        try:
            with open(path, "rb") as stream:
                elf = ELFFile(stream)
                segments = [
                    (s["p_offset"], s["p_filesz"], s["p_vaddr"])
                    for s in elf.iter_segments()
                    if s["p_type"] == "PT_LOAD"
                ]
                return cls(
                    tuple(segments), tuple(sorted(_functions(elf))), tuple(sorted(_lines(elf), key=itemgetter(0)))
                )
        except (OSError, ELFError, DWARFError, ConstructError):
            return cls()

    def address(self, offset: int) -> int:
        """Return the address the file itself gives to what is at this file offset."""
        for start, length, address in self.segments:
            if start <= offset < start + length:
                return offset - start + address
        return offset

    def symbol(self, address: int) -> tuple[str, int]:
        """Return the function around an address and the bytes into it, ("", 0) when there is none."""
        index = bisect_right(self.symbols, address, key=lambda symbol: symbol[0]) - 1
        if index >= 0:
            start, size, name = self.symbols[index]
            if address < start + (size or address + 1):  # assembly functions often have no size
                return name, address - start
        return "", 0

    def line(self, address: int) -> str:
        """Return "file:line" of an address, "" when it is not known."""
        index = bisect_right(self.lines, address, key=lambda line: line[0]) - 1
        return self.lines[index][1] if index >= 0 else ""


def _functions(elf: Any) -> Iterator[tuple[int, int, str]]:
    """Iterate over the functions of an ELF file; the full table if it was not stripped."""
    table = elf.get_section_by_name(".symtab") or elf.get_section_by_name(".dynsym")
    for symbol in table.iter_symbols() if table is not None else ():
        if symbol["st_info"]["type"] in ("STT_FUNC", "STT_GNU_IFUNC") and symbol["st_shndx"] != "SHN_UNDEF":
            yield symbol["st_value"], symbol["st_size"], symbol.name


def _lines(elf: Any) -> Iterator[tuple[int, str]]:
    """Iterate over (address, "file:line") where a line's code begins, and (address, "") where code ends."""
    section = elf.get_section_by_name(".debug_line")
    if section is None or section.data_size > MAX_LINES or not elf.has_dwarf_info():
        return
    dwarf = elf.get_dwarf_info()
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        if program is None:
            continue
        # Files are counted from 1 up to DWARF 4 and from 0 in DWARF 5.
        first = 0 if program["version"] >= 5 else 1
        files = [entry.name.decode(errors="replace") for entry in program["file_entry"]]
        for entry in program.get_entries():
            state = entry.state
            if state is None:
                continue
            index = state.file - first
            known = not state.end_sequence and 0 <= index < len(files)
            yield state.address, f"{basename(files[index])}:{state.line}" if known else ""


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
