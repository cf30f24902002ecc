"""Interrupts of firmware that is a program of its own, under an engine.

The engine calls no function of the program. It is sent SIGURG when an exception is due, which it handles before its
next instruction (`pagetrap_run.h`, `mmio/cortex_m/program_port.py`).
"""

import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from signal import SIGURG

from mmio.boards.handlers import CMSIS, OPENCM3, Handlers, NoHandler
from mmio.cortex_m.core import Core
from mmio.cortex_m.program_port import ProgramPort
from mmio.linux.proc_maps import caught_signals
from mmio.records.symbols import Symbols


class ProgramInterrupts:
    """Tells a program of its interrupts.

    Args:
        core: the core; `changed` of it is taken.
        interrupts: names of interrupts, each with its number from 0.
        processes: returns the PIDs of the program's processes, the one first whose access is being made.
        mark: puts a text into the trace.

    Attributes:
        port: the registers by which the program takes them.
    """

    def __init__(
        self,
        core: Core,
        interrupts: Iterable[tuple[str, int]],
        processes: Callable[[], Sequence[int]],
        mark: Callable[[str], object],
    ) -> None:
        self._core = core
        self._handlers = Handlers(interrupts, lambda: 0)
        self._processes = processes
        self._symbols: dict[int, Symbols] = {}
        self._told = False
        self.port = ProgramPort(core, core.clock, self._address_of, mark, self._handlers.named)
        core.changed = self._look

    def _look(self) -> None:
        if self.port.leaving or (number := self._core.due()) is None:
            return
        pid = self._process()
        if SIGURG in caught_signals(pid):
            os.kill(pid, SIGURG)
        elif not self._told:
            self._told = True
            warnings.warn(
                f"{self._handlers.named(number)} is due, and the program takes no interrupts: "
                "#include <pagetrap_run.h> in it, with -I$(python -m mmio.board --include)",
                stacklevel=2,
            )

    def _process(self) -> int:
        return self._processes()[0]

    def _address_of(self, number: int) -> int:
        pid = self._process()
        if pid not in self._symbols:
            self._symbols[pid] = Symbols(pid)
        symbols = self._symbols[pid]
        names = self._handlers.symbols(number, CMSIS, OPENCM3)
        for name in names:
            address = symbols.address_of(name)
            if address is not None:
                return address
        what = self._handlers.named(number)
        advice = f"define void {names[0]}(void) in it, and do not strip it" if names else "the file has no name for it"
        raise NoHandler(f"{what} is pending and enabled, and the program has no handler for it: {advice}")
