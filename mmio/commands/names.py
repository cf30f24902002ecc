"""Names for instruction pointers of programs that come and go.

`Symbols` names those of one process while it lives. Here several are traced, each may execute another program, and the
summary is printed when all of them are gone. So where an instruction lies is looked up when it is first seen.
"""

import os

from mmio.ptrace.maps import group_of
from mmio.records.access import Access
from mmio.records.events import Record
from mmio.records.symbols import Location, Symbols


class Names:
    """A sink that learns where instructions are; call it with an instruction pointer to get a name.

    The number of a record's thread is that of a thread of the system. Where two programs have different code at the
    same address, the first one seen names it.
    """

    def __init__(self) -> None:
        self._programs: dict[tuple[int, str], Symbols] = {}
        self._of: dict[int, Symbols] = {}

    def write(self, record: Record) -> None:
        """Look where an instruction is, the first time it is seen."""
        if isinstance(record, Access) and record.ip not in self._of:
            program = _program(record.thread)
            symbols = self._programs.get(program)
            if symbols is None:
                symbols = self._programs[program] = Symbols(record.thread)
            symbols.learn(record.ip)
            self._of[record.ip] = symbols

    def __call__(self, ip: int) -> str:
        """Return "function+0x12 (module)", or the address of an instruction that nothing is known of."""
        symbols = self._of.get(ip)
        return f"{ip:#x}" if symbols is None else symbols(ip)

    def locate(self, ip: int) -> Location | None:
        """Return where an instruction is, None when it is not known."""
        symbols = self._of.get(ip)
        return None if symbols is None else symbols.locate(ip)


def _program(thread: int) -> tuple[int, str]:
    """Return what tells programs apart: the process a thread belongs to, and the file it executes."""
    try:
        return group_of(thread), os.readlink(f"/proc/{thread}/exe")
    except OSError:  # it has been killed meanwhile
        return thread, ""
