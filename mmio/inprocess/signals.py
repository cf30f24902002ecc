"""Our handler for SIGSEGV and SIGFPE: in place while anything is mapped, and gone without a trace afterwards.

It is installed when the first mapping is made, so that whatever was enabled before (pytest enables faulthandler) stands
behind it in the chain. SA_NODEFER, because a device model may call a driver that touches a device. Not SA_ONSTACK:
handlers nest, and the frame of an inner one would overwrite that of the outer, both starting at the top of the same
alternate stack. (The price: a stack overflow while something is mapped kills without a report.)

SIGFPE is there for instructions that run out of line: a floating-point exception in a copy must look as if the original
had raised it.
"""

import ctypes
from ctypes import POINTER, c_int, c_uint64, c_void_p
from signal import SIGFPE, SIGSEGV, Signals
from typing import Final

from mmio.linux.libc import LIBC, check
from mmio.linux.trampoline import OLD_SIGFPE, OLD_SIGSEGV, trampoline

_SA_SIGINFO: Final = 4
_SA_NODEFER: Final = 0x40000000

_OLD: Final = {SIGSEGV: OLD_SIGSEGV, SIGFPE: OLD_SIGFPE}


class Action(ctypes.Structure):
    """glibc's struct sigaction."""

    _fields_ = (("handler", c_void_p), ("mask", c_uint64 * 16), ("flags", c_int), ("restorer", c_void_p))


LIBC.sigaction.argtypes = (c_int, POINTER(Action), POINTER(Action))

_chained: Final[set[Signals]] = set()  # the signals whose chain of handlers we are part of


def current(signal: Signals) -> Action:
    """Return what happens on a signal now."""
    action = Action()
    check(LIBC.sigaction(signal, None, action), f"sigaction of {signal.name}")
    return action


def is_ours(signal: Signals) -> bool:
    """Return whether a signal comes to us first."""
    return bool(current(signal).handler == trampoline().address)


def install() -> None:
    """Put our handler in front of those for SIGSEGV and SIGFPE; nothing happens where it is already.

    Raises:
        RuntimeError: another handler has been installed since. It would take device accesses for crashes.
    """
    for signal in _OLD:
        if is_ours(signal):
            continue
        if signal in _chained:
            raise RuntimeError(
                f"the {signal.name} handler was replaced after the first mapping was made (faulthandler.enable()?), so "
                f"accesses to mapped devices would crash; do that before mapping anything"
            )
        old = Action.from_address(trampoline().word_address(_OLD[signal]))
        ours = Action(handler=trampoline().address, flags=_SA_SIGINFO | _SA_NODEFER)
        check(LIBC.sigaction(signal, ours, old), f"sigaction of {signal.name}")
        if not old.flags & _SA_NODEFER:  # what the kernel would block by itself, we must when passing a signal on
            old.mask[0] |= 1 << signal - 1
        _chained.add(signal)


def restore() -> None:
    """Restore the previous handler, unless another one has been installed over this; then only pass signals on."""
    for signal in sorted(_chained):
        if is_ours(signal):
            old = Action.from_address(trampoline().word_address(_OLD[signal]))
            check(LIBC.sigaction(signal, old, None), f"sigaction of {signal.name}")
            _chained.discard(signal)
