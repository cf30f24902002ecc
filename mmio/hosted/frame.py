"""Registers of a hosted program, in the frame where the kernel saved them at a signal."""

from typing import Any

from mmio.hosted.trampoline import PROGRAM_FS
from mmio.live import signal_frame


class _Bases:
    """The segment bases: es cs ss ds fs gs. Only FS is another than this thread's."""

    def __get__(self, found: Any, owner: type) -> Any:
        return self if found is None else (*(0,) * 4, found.regs[PROGRAM_FS], signal_frame.Frame.bases[5])


class Frame(signal_frame.Frame):
    """As in this process otherwise; the FS base is the program's, which `trampoline.py` has put by."""

    bases: Any = _Bases()

    def load(self) -> None:
        """Do nothing: the registers are where they are."""
