"""Call a function where no signal handler of the program's is called.

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

    What a signal handler raises ends the waiting; the function goes on, if it has begun. Where no thread can be started
    (a limit, the interpreter's end), the function is called in this one.

    Raises:
        BaseException: what the function raises.
    """
    done = allocate_lock()
    failures: list[BaseException] = []

    def call() -> None:
        try:
            function()
        except BaseException as error:
            failures.append(error)
        finally:
            done.release()

    done.acquire()
    try:
        start_new_thread(call, ())
    except RuntimeError as error:
        if error.__traceback__ is None or error.__traceback__.tb_next is not None:  # a signal handler's
            raise
        call()
    done.acquire(timeout=_PATIENCE)
    if failures:
        raise failures[0]
