"""Handler for SIGSEGV and SIGFPE: installed while anything is mapped, and restored afterwards.

It is installed when the first mapping is made, so that whatever was enabled before (pytest enables faulthandler) stands
behind it in the chain. SA_NODEFER, because a device model may call a driver that touches a device. Not SA_ONSTACK:
handlers nest, and the frame of an inner one would overwrite that of the outer, both starting at the top of the same
alternate stack. (The price: a stack overflow while something is mapped kills without a report.)

While the handler runs, which is Python code, signals whose handlers are C code are held back: such a handler may access
a device itself, which would enter Python in the middle of anything, or leave by siglongjmp. The kernel delivers them to
the driver's code afterwards. Signals that Python handles are not held back, because its C handler only sets a flag; nor
are those by which users end, stop and continue a process, unless they have a C handler when a mapping is made.

SIGFPE is there for instructions that run out of line: a floating-point exception in a copy must look as if the original
had raised it.
"""

import ctypes
import faulthandler
import os
import sys
from ctypes import POINTER, c_int, c_uint64, c_void_p
from signal import (
    SIGABRT,
    SIGBUS,
    SIGCHLD,
    SIGCONT,
    SIGFPE,
    SIGHUP,
    SIGILL,
    SIGINT,
    SIGKILL,
    SIGQUIT,
    SIGSEGV,
    SIGSTOP,
    SIGSYS,
    SIGTERM,
    SIGTRAP,
    SIGTSTP,
    SIGTTIN,
    SIGTTOU,
    SIGWINCH,
    Signals,
    getsignal,
    valid_signals,
)
from typing import Final

from mmio.linux.libc import LIBC, address_of, check
from mmio.linux.loaded_modules import segments
from mmio.linux.proc_maps import caught_signals
from mmio.linux.trampoline import HELD, OLD_SIGFPE, OLD_SIGSEGV, trampoline

_SA_SIGINFO: Final = 4
_SA_NODEFER: Final = 0x40000000

_IGNORE: Final = 1
_NEVER: Final = frozenset({SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGKILL, SIGSTOP})
"""Signals of faults, which cannot be held back, and those that cannot be handled."""
_OF_USERS: Final = frozenset({SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGABRT, SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGCHLD})
"""Signals that must have their effect at once, and those that programs started by a model count on."""

_HELD_BACK: Final = frozenset(valid_signals()) - _NEVER
"""Signals that can be held back."""

_OLD: Final = {SIGSEGV: OLD_SIGSEGV, SIGFPE: OLD_SIGFPE}


class Action(ctypes.Structure):
    """glibc's struct sigaction."""

    _fields_ = (("handler", c_void_p), ("mask", c_uint64 * 16), ("flags", c_int), ("restorer", c_void_p))


LIBC.sigaction.argtypes = (c_int, POINTER(Action), POINTER(Action))

_chained: Final[set[Signals]] = set()  # the signals whose chain of handlers we are part of


def current(signal: int) -> Action:
    """Return what happens on a signal now."""
    action = Action()
    check(LIBC.sigaction(signal, None, action), f"sigaction of signal {signal}")
    return action


def is_ours(signal: Signals) -> bool:
    """Return whether a signal comes to us first."""
    return bool(current(signal).handler == trampoline().address)


def held() -> int:
    """Return the signals to hold back while Python code answers an access, as a mask."""
    mask = 0
    for number in _HELD_BACK:
        if callable(getsignal(number)):
            continue
        if number not in _OF_USERS or current(number).handler not in (None, _IGNORE):
            mask |= 1 << number - 1
    return mask


def foreign_handler() -> bool:
    """Return whether one of the signals to hold back has a handler that is not of Python's own.

    Python's own are faulthandler's for SIGABRT and readline's for SIGWINCH: they end the process, or note the signal.
    """
    for number in caught_signals(os.getpid()) & _HELD_BACK:
        handler = current(number).handler or 0
        own = callable(getsignal(number)) or (number in (SIGABRT, SIGWINCH) and _is_pythons(handler))
        if handler > _IGNORE and not own:
            return True
    return False


def _is_pythons(handler: int) -> bool:
    """Return whether a handler is in a module of Python's: the program or libpython, or readline."""
    found = list(segments())
    known = address_of(ctypes.pythonapi.PyErr_SetInterrupt)
    names = {part.module for part in found if part.start <= known < part.end}
    names |= {module.__file__ for module in [sys.modules.get("readline")] if module and module.__file__}
    return any(part.start <= handler < part.end for part in found if part.module in names)


def install() -> None:
    """Put this handler in front of those for SIGSEGV and SIGFPE; where it is already, look anew what it must hold back.

    Raises:
        RuntimeError: another handler has been installed since. It would take device accesses for crashes.
    """
    ours = _ours()
    for signal in _OLD:
        if is_ours(signal):
            check(LIBC.sigaction(signal, ours, None), f"sigaction of {signal.name}")
            continue
        if signal in _chained:
            raise RuntimeError(
                f"the {signal.name} handler was replaced after the first mapping was made (faulthandler.enable()?), so "
                f"accesses to mapped devices would crash; do that before mapping anything"
            )
        _put_before(signal, ours)
        _chained.add(signal)


def outlive_faulthandler() -> None:
    """Disable faulthandler, if it is enabled, and put this handler in front of what was there before faulthandler.

    Python's finalization disables it, which puts back the handlers of before it over this one.
    """
    if faulthandler.is_enabled() and _chained and all(map(is_ours, _chained)):
        ours = _ours()
        faulthandler.disable()  # a fault in between kills: nothing may come in between
        for signal in _OLD:
            _put_before(signal, ours)


def _ours() -> Action:
    """Return the action that calls the trampoline."""
    ours = Action(handler=trampoline().address, flags=_SA_SIGINFO | _SA_NODEFER)
    ours.mask[0] = trampoline().words[HELD] = held()
    return ours


def _put_before(signal: Signals, ours: Action) -> None:
    """Put the trampoline in front of the handler for a signal."""
    old = Action.from_address(trampoline().word_address(_OLD[signal]))
    check(LIBC.sigaction(signal, ours, old), f"sigaction of {signal.name}")
    if not old.flags & _SA_NODEFER:  # what the kernel would block by itself, we must when passing a signal on
        old.mask[0] |= 1 << signal - 1


def restore() -> None:
    """Restore the previous handler, unless another one has been installed over this; then only pass signals on."""
    for signal in sorted(_chained):
        if is_ours(signal):
            old = Action.from_address(trampoline().word_address(_OLD[signal]))
            check(LIBC.sigaction(signal, old, None), f"sigaction of {signal.name}")
            _chained.discard(signal)
