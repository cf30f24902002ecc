"""Call a function in a thread in which no signal handler of the program runs.

Python calls signal handlers in the main thread, between any two instructions of whatever runs there, and what they
raise looks like an error of that code: a timeout's TimeoutError is an OSError. Code that catches errors, or that must
not stop half way, is therefore executed by another thread.
"""

from _thread import allocate_lock, start_new_thread
from collections.abc import Callable
from typing import Final

_PATIENCE: Final = 1.0  # seconds


def undisturbed(function: Callable[[], None]) -> None:
    """Call a function in a thread of its own, and wait until it has returned, or for a second.

    What a signal handler raises ends the waiting; the function continues, if it has begun. Where no thread can be
    started (a limit, the interpreter's end), the function is called in this one.

    Raises:
        BaseException: what the function raises.
    """
    begun, done = allocate_lock(), allocate_lock()
    has_begun: list[bool] = []
    outcome: list[BaseException] = []
    interruption: BaseException | None = None

    def call() -> None:
        has_begun.append(True)
        begun.release()
        try:
            function()
        except BaseException as error:
            outcome.append(error)
        finally:
            done.release()

    begun.acquire()
    done.acquire()
    try:
        start_new_thread(call, ())
    except BaseException as error:
        if isinstance(error, RuntimeError) and error.__traceback__ is not None and error.__traceback__.tb_next is None:
            call()  # no thread can be started; what a signal handler raises has been further in
        else:
            interruption = error
    # Until the thread begins, its state has the number of this one, and would get the exception that is sent to this.
    while not has_begun:
        try:
            begun.acquire(timeout=_PATIENCE)
        except BaseException as error:
            interruption = error
    if interruption is not None:
        raise interruption
    done.acquire(timeout=_PATIENCE)
    if outcome:
        raise outcome[0]
