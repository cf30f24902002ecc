"""The auxiliary vector of a program that has just been executed, on its stack (getauxval(3))."""

from typing import Final

from mmio.linux.process_memory import read_memory, write_memory

SYSINFO_EHDR: Final = 33
"""AT_SYSINFO_EHDR: where the vdso is, in which a program finds functions that tell the time without a system call."""

_IGNORE: Final = 1  # AT_IGNORE
_PAGE: Final = 4096


def hide_vdso(pid: int, stack: int, bits: int) -> None:
    """Take the vdso out of the vector, so that the C library, or Go's run time, makes system calls for the time.

    Args:
        pid: of the process, which is stopped in execve.
        stack: its stack pointer: the count of arguments is there, then come arguments, environment and the vector.
        bits: 64 or 32.
    """
    width = bits // 8
    words = _Words(pid, stack, width)
    at = words[0] + 2  # after the arguments and their zero
    while words[at]:
        at += 1
    at += 1
    while words[at]:
        if words[at] == SYSINFO_EHDR:
            write_memory(pid, stack + at * width, _IGNORE.to_bytes(width, "little"))
        at += 2


class _Words:
    """Words of a process's memory, read in pages."""

    def __init__(self, pid: int, start: int, width: int) -> None:
        self._pid, self._start, self._width = pid, start, width
        self._data = b""

    def __getitem__(self, index: int) -> int:
        end = (index + 1) * self._width
        while len(self._data) < end:
            at = self._start + len(self._data)
            part = read_memory(self._pid, at, _PAGE - at % _PAGE)
            if not part:
                return 0
            self._data += part
        return int.from_bytes(self._data[end - self._width : end], "little")
