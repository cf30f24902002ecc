"""Bounds of a thread's stack, room that a fault handler needs, and room under the recursion limit.

A handler of SIGSEGV runs on the stack of the code that faulted, below it. Handlers nest when a device model calls a
driver that accesses a device, so a model that never stops doing so would run into the guard page, where no handler can
tell of it. It is stopped before, as Python stops endless recursion.
"""

from ctypes import byref, c_char, c_size_t, c_ulong, c_void_p
from typing import Final

from mmio.linux.libc import LIBC

_MINIMUM_SIGNAL_FRAME: Final = 51  # AT_MINSIGSTKSZ, since Linux 5.14
_SIGNAL_FRAME: Final = 3 << 10  # bytes with AVX-512, where the kernel does not say
_RESERVE: Final = 64 << 10
"""Bytes for a device model, the interpreter below it, and the unwinder that takes an error out of the driver."""
_MOST: Final = 16 << 20
"""Bytes of a stack that handlers may fill. Python 3.12 and 3.13 stop C code that is nested 10,000 deep, wherever."""
_ATTRIBUTES: Final = 56  # bytes of pthread_attr_t

LIBC.pthread_self.restype = c_ulong
LIBC.pthread_getattr_np.argtypes = (c_ulong, c_void_p)
LIBC.pthread_attr_getstack.argtypes = (c_void_p, c_void_p, c_void_p)
LIBC.pthread_attr_getguardsize.argtypes = (c_void_p, c_void_p)
LIBC.pthread_attr_destroy.argtypes = (c_void_p,)
LIBC.getauxval.restype = c_ulong
LIBC.getauxval.argtypes = (c_ulong,)


def stack_of_thread() -> range:
    """Return the addresses of this thread's stack, without its guard pages; nothing where that is not known."""
    attributes = (c_char * _ATTRIBUTES)()
    if LIBC.pthread_getattr_np(LIBC.pthread_self(), attributes):
        return range(0)
    start, size, guard = c_void_p(), c_size_t(), c_size_t()
    LIBC.pthread_attr_getstack(attributes, byref(start), byref(size))
    LIBC.pthread_attr_getguardsize(attributes, byref(guard))
    LIBC.pthread_attr_destroy(attributes)
    low = start.value or 0
    return range(low + guard.value, low + size.value)


def handler_floor(stack: range) -> int:
    """Return the lowest address on a stack at which a handler may still begin; 0 where the stack is not known.

    Of a small stack a quarter is kept, of any other what a model and the way out of it take at most, with two more
    signal frames, whose size is a matter of the CPU: 3 KiB with AVX-512, 11 KiB with AMX.
    """
    if not stack:
        return 0
    frame = LIBC.getauxval(_MINIMUM_SIGNAL_FRAME) or _SIGNAL_FRAME
    reserve = min(_RESERVE + 2 * frame, len(stack) // 4)
    return max(stack.start + reserve, stack.stop - _MOST)


def need_calls(calls: int) -> None:
    """Raise RecursionError unless so many calls of Python functions can still be nested here."""
    if calls:
        need_calls(calls - 1)
