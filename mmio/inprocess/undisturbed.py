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

    What a signal handler raises ends the waiting; the function continues. Where no thread can be
    started (a limit, the interpreter's end), the function is called in this one.

    Raises:
        BaseException: what the function raises.
    """
    done = allocate_lock()
    outcome: list[BaseException] = []

    def call() -> None:
        try:
            function()
        except BaseException as error:
            outcome.append(error)
        finally:
            done.release()

    done.acquire()
    try:
        start_new_thread(call, ())
    except RuntimeError as error:
        if error.__traceback__ is None or error.__traceback__.tb_next is not None:
            raise  # by a signal handler, further in
        call()
    done.acquire(timeout=_PATIENCE)
    if outcome:
        raise outcome[0]
