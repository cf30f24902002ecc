"""End the interpreter while a mapping is open and threads use it.

An interpreter that finalizes ends every other thread that asks for the GIL, and a thread that enters it later crashes.
A thread of a driver asks for the GIL at each access. So before finalization, when the functions registered with
`atexit` are called, the signal trampoline is told to admit only the finalizing thread.

A thread that comes to a device then waits in machine code. A function registered with `atexit` may join it, so after a
fifth of a second it is answered as before. Once the interpreter finalizes, it waits for good. A thread that is in a
device model already gets a second to leave it. One that does not is ended, or halted (Python 3.14), as Python's own
daemon threads are.
"""

import ctypes
import threading
import time
from collections.abc import Iterable
from typing import Any, Final

from mmio.inprocess import pending_exceptions, signals
from mmio.linux.trampoline import INSIDE, trampoline

_GRACE: Final = 1.0  # seconds
_PAUSE: Final = 0.001


def finish(callbacks: Iterable[Any]) -> None:
    """Keep other threads out of Python from now on, and wait for those that are inside.

    Args:
        callbacks: what the trampoline calls, which is kept for as long as the process lives.
    """
    for callback in callbacks:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(callback))
    words = trampoline().words
    trampoline().close_gate(threading.get_ident())
    end = time.monotonic() + _GRACE
    while ctypes.c_int64(words[INSIDE]).value > 0 and time.monotonic() < end:
        time.sleep(_PAUSE)
    signals.outlive_faulthandler()
    pending_exceptions.restore()
