"""Names of the guest's instructions: functions of its kernel and of its loaded modules.

The kernel's come from its /proc/kallsyms. They are the same at each boot, since the kernel is told not to move itself
(nokaslr), so they are asked for once and kept in the cache folder. A module's come from its file: the guest says where
its sections are.
"""

import gzip
import re
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
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
    """Resolves instruction pointers of a guest; call it with one to get its name.

    Attributes:
        called: functions of the kernel that access a device for a driver, by where the driver's call of it returns.
    """

    called: dict[int, str] = field(factory=dict, init=False)

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
        called = self.called.get(ip, "")
        index = bisect_right(self._starts, ip) - 1
        if index >= 0 and ip < self._areas[index].end:
            area = self._areas[index]
            offset = ip - area.start
            places = area.functions.places
            at = bisect_right(places, offset, key=lambda place: place[0]) - 1
            if at >= 0 and offset < places[at][0] + (places[at][1] or offset + 1):
                begin, _, place = places[at]
                return Location(area.module, offset, area.functions.name(place), offset - begin, calls=called)
            return Location(area.module, offset)
        index = bisect_right(self._kernel, ip) - 1
        if 0 <= index < len(self._kernel) - 1:  # after the last function comes what is none
            start, name = self._kernel[index], self._names[index].decode(errors="replace")
            return Location("vmlinux", ip - _KERNEL, name, ip - start, calls=called)
        return None

    def add_kernel(self, kallsyms: bytes) -> None:
        """Take the kernel's functions.

        Args:
            kallsyms: lines of /proc/kallsyms; those of modules are left out.
        """
        self._kernel[:], self._names[:] = _parsed(kallsyms)

    def kernel_code(self, pattern: "re.Pattern[str]") -> Iterator[tuple[int, int]]:
        """Iterate over the code of functions of the kernel: its first address, and the one behind the last.

        Args:
            pattern: of the whole names.
        """
        pieces = (
            (self._kernel[index], self._kernel[index + 1])
            for index in range(len(self._kernel) - 1)
            if pattern.fullmatch(self._names[index].decode(errors="replace"))
        )
        begin = end = 0
        for start, next_ in pieces:
            if start != end:
                if end:
                    yield begin, end
                begin = start
            end = next_
        if end:
            yield begin, end

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


@lru_cache(2)  # tests boot one kernel many times
def _parsed(kallsyms: bytes) -> tuple[list[int], list[bytes]]:
    """Return the addresses and the names of a kernel's own functions, in order of address."""
    found = sorted((int(match[1], 16), match[2]) for match in _TEXT.finditer(kallsyms) if match[3] is None)
    own = [one for one in found if one[0] >= _KERNEL]
    return [address for address, _ in own], [name for _, name in own]


def kept(path: Path) -> bytes:
    """Return symbols that were kept, b"" if there are none.

    Args:
        path: of the file in the cache folder.
    """
    try:
        return unpacked(path.read_bytes())
    except OSError:
        return b""


def unpacked(packed: bytes) -> bytes:
    """Return symbols that were compressed in the guest, b"" if they are damaged.

    Args:
        packed: by gzip.
    """
    try:
        return gzip.decompress(packed)
    except (OSError, EOFError, zlib.error):
        return b""
