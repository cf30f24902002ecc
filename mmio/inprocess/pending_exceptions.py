"""Exceptions that leave a signal handler, where no `except` can catch them.

An exception to be raised by the interrupted program is handed to the interpreter by `async_exception.sender`, which
makes this thread raise at the next point where it looks for such things. It takes classes only, so it gets `Carrier`,
whose "instances" are the exceptions under way.

Other exceptions escape: a pending Ctrl-C is raised on the first bytecode of whatever Python function runs next, before
any `try` of a handler. And one that is under way may be raised in some object's `__del__`, where no caller receives it.
Both end up in `sys.unraisablehook`. Nothing of them may be printed or lost, so while anything is mapped that hook is
replaced: what escaped a handler is kept as `pending` (the instruction faults again, and the handler finds it), what was
swallowed is sent again.
"""

import dis
import signal
import sys
from collections.abc import Callable, MutableSequence
from ctypes import PYFUNCTYPE, c_int, c_ulong, py_object, pythonapi
from functools import partial
from threading import get_ident
from types import CodeType, FrameType, TracebackType
from typing import Any, Final, TypeAlias
from weakref import ref

from mmio.linux import async_exception
from mmio.linux.trampoline import THREAD, VERDICT

Hook: TypeAlias = Callable[["sys.UnraisableHookArgs"], object]

pending: Final[dict[int, BaseException]] = {}
"""Exceptions that escaped a handler, by thread."""

in_direct_call: Callable[[], bool] = lambda: False  # noqa: E731  # replaced, not called by name
"""Returns whether a device is being called in this thread with no handler around it."""

_under_way: Final[dict[int, BaseException]] = {}  # by thread
_guarded: Final[set[CodeType]] = set()
_lent: Final[set[int]] = set()  # threads whose handled exception is the one under way, see `lend`
_watches: Final[dict[int, ref[Any]]] = {}

# Takes, and ignores, a third argument, so that it can be the callback of a weak reference.
_send: Final = PYFUNCTYPE(c_int, c_ulong, py_object, py_object)(async_exception.sender())
_set_handled: Final = PYFUNCTYPE(None, py_object)(("PyErr_SetHandledException", pythonapi))
# The same without a prototype, for None alone: checking an argument is one more call, which the limit may not allow.
_set_none_handled: Final = PYFUNCTYPE(None)(("PyErr_SetHandledException", pythonapi))


class Carrier(BaseException):
    """The class that is raised in place of an exception: to make an instance is to get the exception under way."""

    def __new__(cls, *arguments: BaseException) -> Any:
        """Return the exception this thread is to raise.

        Python 3.11 may ask a second time, with that exception as the argument, because it is not of this class.
        """
        if arguments:
            return arguments[0]
        thread = get_ident()
        if thread in _lent:
            _lent.discard(thread)
            _set_none_handled(None)
        return _under_way.pop(thread)


def guard(function: Any) -> None:
    """Keep what escapes a Python function that C code calls."""
    _guarded.add(function.__code__)


def check() -> None:
    """Raise what escaped a guarded function in this thread, if anything did."""
    if pending:
        error = pending.pop(get_ident(), None)
        if error is not None:
            raise error


def raise_on_return(words: MutableSequence[int], error: BaseException) -> None:
    """Answer the entry, in a frame's words, so that this thread raises `error` once the handler has ended."""
    thread = get_ident()
    _chain(error, _under_way.get(thread))
    _under_way[thread] = error
    _lent.discard(thread)  # left when the recursion limit has kept `Carrier` from making its instance
    words[THREAD] = thread
    words[VERDICT] = id(Carrier)


def withdraw() -> None:
    """Cancel the last `raise_on_return` of this thread."""
    _under_way.pop(get_ident(), None)


def lend() -> None:
    """Keep the traceback of the exception under way; to be called last in a handler, and outside of `except`.

    Python 3.11 makes the instance of an asynchronous exception only when it is caught, and then gives it a new
    traceback, without the device model in it; except when another exception is being handled, which the new one may
    have to point to. So we say that this one is, until `Carrier` is asked.
    """
    if sys.version_info >= (3, 12):
        return
    thread = get_ident()
    if thread in _under_way and sys.exception() is None:
        _lent.add(thread)
        _set_handled(_under_way[thread])


def install() -> None:
    """Hook `sys.unraisablehook`, before any hook that is there."""
    if not isinstance(sys.unraisablehook, _Listener):
        sys.unraisablehook = _Listener(sys.unraisablehook)


def restore() -> None:
    """Put back the hook that was there before, unless another one has been installed since."""
    if isinstance(sys.unraisablehook, _Listener):
        sys.unraisablehook = sys.unraisablehook.previous


class _Listener:
    """Our `sys.unraisablehook`."""

    def __init__(self, previous: Hook) -> None:
        self.previous = previous

    def __call__(self, unraisable: "sys.UnraisableHookArgs") -> None:
        error, traceback = unraisable.exc_value, unraisable.exc_traceback
        thread = get_ident()
        if error is None or traceback is None:
            self.previous(unraisable)
        elif traceback.tb_frame.f_code in _guarded or (_by_signal(error, traceback) and _inside_guarded()):
            waiting = _under_way if thread in _under_way else pending
            _chain(error, waiting.get(thread))
            waiting[thread] = error
        elif _was_swallowed(traceback):
            error.__traceback__ = traceback.tb_next
            _under_way[thread] = error
            # Sent when this function's locals die, for then its last bytecode, which would receive it, has run.
            token = _Token()
            _watches[thread] = ref(token, partial(_send, thread, Carrier))
        else:
            self.previous(unraisable)


class _Token:
    """Something to wait for the end of."""


def _was_swallowed(traceback: TracebackType) -> bool:
    """Return whether an exception under way was raised on the first bytecode of a function that is not concerned."""
    after = traceback.tb_next
    return after is not None and after.tb_frame.f_code in _guarded and _at_first(traceback)


def _at_first(traceback: TracebackType) -> bool:
    """Return whether an exception was raised on the first bytecode of a function, which raises nothing itself."""
    first = next((line for line in dis.get_instructions(traceback.tb_frame.f_code) if line.opname == "RESUME"), None)
    return first is not None and traceback.tb_lasti == first.offset


def _by_signal(error: BaseException, traceback: TracebackType | None) -> bool:
    """Return whether a signal has raised an exception, by Python's own handler, which has no frame, or one that has."""
    handlers = {getattr(signal.getsignal(number), "__code__", None) for number in signal.valid_signals()}
    while traceback is not None and traceback.tb_frame.f_code not in handlers:
        traceback = traceback.tb_next
    return traceback is not None or isinstance(error, KeyboardInterrupt)


def _inside_guarded() -> bool:
    """Return whether a handler is running in this thread; what called the hook stands in it."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code not in _guarded:
        frame = frame.f_back
    return frame is not None or in_direct_call()


def _chain(error: BaseException, earlier: BaseException | None) -> None:
    """Set the context of an exception that replaces an earlier one, as Python would have."""
    if earlier is not None and earlier is not error and error.__context__ is None:
        error.__context__ = earlier
