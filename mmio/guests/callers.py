"""The driver of an access that a function of the kernel makes for it, such as ioread32 or memcpy_fromio.

That function's name says nothing of the driver. So the access is recorded where the driver continues, at the return
address of its call, as in the kernel's own backtraces.
"""

import re
from collections.abc import Iterator
from typing import Final

from mmio.guests.orc import Frame, Orc, UnwindError
from mmio.guests.symbols import GuestSymbols

_ACCESSOR: Final = re.compile(
    r"_*io(read|write)(8|16|32|64)\w*|memcpy_(from|to)io|memset_io|regmap_mmio_(io)?(read|write)\w*"
)
"""Functions that access a device for a driver: lib/iomap.c, lib/iomap_copy.c, drivers/base/regmap/regmap-mmio.c."""

_BETWEEN: Final = re.compile(rf"{_ACCESSOR.pattern}|_?regmap_\w+|devm_regmap_\w+")
"""Functions between these and the driver."""

_MOST_FRAMES: Final = 32


class Callers:
    """Finds the driver of an access.

    Args:
        symbols: of the guest.
        orc: the kernel's tables, None where there are none: then no driver is found.
    """

    def __init__(self, symbols: GuestSymbols, orc: Orc | None) -> None:
        self._symbols, self._orc = symbols, orc

    def ranges(self) -> Iterator[tuple[int, int]]:
        """Iterate over the code that accesses devices for drivers: its first address, and the one behind the last."""
        return iter(()) if self._orc is None else self._symbols.kernel_code(_ACCESSOR)

    def driver(self, ip: int, sp: int, bp: int, stack: bytes) -> int:
        """Return the instruction pointer that an access is recorded with.

        Args:
            ip: of the instruction that makes it.
            sp: the stack pointer there.
            bp: rbp there.
            stack: the bytes from the stack pointer on.

        Returns:
            where the driver continues; `ip` itself where that cannot be found.
        """
        if self._orc is None:
            return ip
        frame = Frame(ip, sp, bp)
        accessor = ""
        try:
            for _ in range(_MOST_FRAMES):
                location = self._symbols.locate(frame.place)
                if location is None:
                    return ip
                if location.module != "vmlinux" or not _BETWEEN.fullmatch(location.symbol):
                    break
                accessor = location.symbol
                frame = self._orc.caller(frame, stack, sp)
            else:
                return ip
        except UnwindError:
            return ip
        if accessor:
            self._symbols.called[frame.ip] = accessor
        return frame.ip
