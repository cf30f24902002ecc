"""Names for instruction pointers of programs, which start and end during a run.

`Symbols` names those of one process while it lives. Here several are traced, each may execute another program, and the
summary is printed when all of them are gone. So where an instruction lies is looked up when it is first seen.
"""

import os
from collections.abc import Callable, Iterable

from mmio.linux.proc_maps import group_of
from mmio.records.symbols import Location, Symbols, named


class Names:
    """Knows where instructions are; call it with an instruction pointer to get a name.

    Where two programs have different code at the same address, the first one asked for names it.

    `threads`: returns the threads that are traced at the time.
    """

    def __init__(self, threads: Callable[[], Iterable[int]]) -> None:
        self._threads = threads
        self._programs: dict[tuple[int, str], Symbols] = {}
        self._known: dict[int, Location | None] = {}

    def __call__(self, ip: int) -> str:
        """Return "function+0x12 (module)", or the address of an instruction that nothing is known of."""
        return named(ip, self.locate(ip))

    def locate(self, ip: int) -> Location | None:
        """Return where an instruction is, None when it is not known."""
        if ip not in self._known:
            self._known[ip] = self._find(ip)
        return self._known[ip]

    def _find(self, ip: int) -> Location | None:
        for program in dict.fromkeys(map(_program, self._threads())):
            symbols = self._programs.get(program)
            if symbols is None:
                try:
                    symbols = self._programs[program] = Symbols(program[0])
                except PermissionError:  # it has changed its user ID; its accesses continue without names
                    continue
            found = symbols.locate(ip)
            if found is not None:
                return found
        return None


def _program(thread: int) -> tuple[int, str]:
    """Return what tells programs apart: the process a thread belongs to, and the file it executes."""
    try:
        return group_of(thread), os.readlink(f"/proc/{thread}/exe")
    except OSError:  # it has been killed meanwhile
        return thread, ""
