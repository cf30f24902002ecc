"""End with a mapping open and threads that use it.

While the interpreter finalizes it ends every other thread that asks for the GIL, and what enters it later crashes. A
thread of a driver asks for it at each access. So before that, when the functions registered with `atexit` are called,
the signal trampoline is told to let only the finalizing thread in. Other threads that come to a device wait there, in
machine code: for a fifth of a second, because what is still to be called may wait for them, after which they are
answered as before; and for good once the interpreter finalizes. Those that are in a device model get a second
to come out of it. One that does not is ended, or halted (Python 3.14), as Python's own daemon threads are.
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
