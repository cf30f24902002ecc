"""Times in the arguments of system calls: struct timespec, timeval and itimerspec, 32- and 64-bit."""

import struct
from typing import Final

from mmio.program.kernel_access import KernelAccess, scatter
from mmio.program.thread import Call, StoppedThread

SECOND: Final = 1_000_000_000
_WIDE: Final = struct.Struct("<qq")
_NARROW: Final = struct.Struct("<ii")
_UNITS: Final = {"timespec": 1, "timeval": 1_000}  # of the second word, in ns


class InvalidTime(ValueError):
    """A time is none: EINVAL."""


def _layout(name: str, bits: int) -> struct.Struct:
    return _NARROW if bits == 32 and not name.endswith("64") and name != "epoll_pwait2" else _WIDE


def read_times(
    thread: StoppedThread, access: KernelAccess, name: str, call: Call, address: int, kind: str, count: int = 1
) -> list[int]:
    """Return times in memory, in ns.

    Args:
        thread: the thread.
        access: reads what is in a device's memory.
        name: of the call.
        call: the call.
        address: of the first one.
        kind: "timespec" or "timeval".
        count: how many there are, one after another.

    Raises:
        InvalidTime: one is negative, or its second word is a second or more.
        Unreachable: they are not all there.
    """
    layout, unit = _layout(name, call.bits), _UNITS[kind]
    size = count * layout.size
    trapped = access.is_trapped(address, size)
    data = access.read(address, size) if trapped else thread.process.memory.read_block(address, size)
    found = []
    for seconds, rest in layout.iter_unpack(data):
        if seconds < 0 or not 0 <= rest < SECOND // unit:
            raise InvalidTime
        found.append(seconds * SECOND + rest * unit)
    return found


def write_times(thread: StoppedThread, name: str, call: Call, address: int, kind: str, *times: int) -> None:
    """Store times, in ns, in memory. Raises Unreachable."""
    layout, unit = _layout(name, call.bits), _UNITS[kind]
    data = b"".join(layout.pack(time // SECOND, time % SECOND // unit) for time in times)
    scatter(thread, address, data, call.bits)
