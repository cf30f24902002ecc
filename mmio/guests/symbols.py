"""Names of the guest's instructions: functions of its kernel and of its loaded modules.

The kernel's come from its /proc/kallsyms. They are the same at each boot, since the kernel is told not to move itself
(nokaslr), so they are asked for once and kept in the cache folder. A module's come from its file: the guest says where
its sections are.
"""

import gzip
import re
import zlib
from bisect import bisect_right
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from attrs import field, frozen

from mmio.records.elf import ElfFile, Functions, Malformed
from mmio.records.symbols import Location, named

_TEXT: Final = re.compile(rb"^([0-9a-f]{8,16}) [tTwW] (\S+)(?:\t\[(\w+)\])?$", re.MULTILINE)
_KERNEL: Final = 0xFFFFFFFF80000000  # where its text begins (Documentation/arch/x86/x86_64/mm.rst)


@frozen
class _Area:
    """A stretch of code: where it is, and its functions by their distance from there."""

    start: int
    end: int
    module: str
    functions: Functions


@frozen
class GuestSymbols:
    """Resolves instruction pointers of a guest; call it with one to get its name."""

    _areas: list[_Area] = field(factory=list, init=False)
    _starts: list[int] = field(factory=list, init=False)
    _kernel: list[int] = field(factory=list, init=False)
    _names: list[bytes] = field(factory=list, init=False)

    def __call__(self, ip: int) -> str:
        """Return "function+0x12 (module)", or the address."""
        return named(ip, self.locate(ip))

    def locate(self, ip: int) -> Location | None:
        """Return where an instruction is, None if it is in nothing that is known.

        Args:
            ip: its address in the guest.
        """
        index = bisect_right(self._starts, ip) - 1
        if index >= 0 and ip < self._areas[index].end:
            area = self._areas[index]
            offset = ip - area.start
            places = area.functions.places
            at = bisect_right(places, offset, key=lambda place: place[0]) - 1
            if at >= 0 and offset < places[at][0] + (places[at][1] or offset + 1):
                start, _, name = places[at]
                return Location(area.module, offset, area.functions.name(name), offset - start)
            return Location(area.module, offset)
        index = bisect_right(self._kernel, ip) - 1
        if 0 <= index < len(self._kernel) - 1:  # after the last function comes what is none
            start = self._kernel[index]
            return Location("vmlinux", ip - _KERNEL, self._names[index].decode(errors="replace"), ip - start)
        return None

    def add_kernel(self, kallsyms: bytes) -> None:
        """Take the kernel's functions.

        Args:
            kallsyms: lines of /proc/kallsyms; those of modules are left out.
        """
        found = sorted((int(match[1], 16), match[2]) for match in _TEXT.finditer(kallsyms) if match[3] is None)
        self._kernel[:] = [address for address, _ in found if address >= _KERNEL]
        self._names[:] = [name for address, name in found if address >= _KERNEL]

    def add_module(self, name: str, data: bytes, sections: Mapping[str, int]) -> None:
        """Take a module's functions.

        Args:
            name: of the module.
            data: its file.
            sections: the addresses of its sections, by name.
        """
        with NamedTemporaryFile(prefix="pagetrap-module-") as file:
            file.write(data)
            file.flush()
            found: dict[str, tuple[int, Functions]] = {}
            with suppress(Malformed):
                found = ElfFile(file.name).functions_of_sections()
        for section, address in sections.items():
            size, functions = found.get(section, (0, Functions()))
            if size and address:
                index = bisect_right(self._starts, address)
                self._starts.insert(index, address)
                self._areas.insert(index, _Area(address, address + size, name, functions))


def kept(path: Path) -> bytes:
    """Return symbols that were kept, b"" if there are none.

    Args:
        path: of the file in the cache folder.
    """
    try:
        return gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error):
        return b""
