"""Functions to be called after the current access has completed.

A device model that asserts a line while it answers an access is in the middle of its work. An interrupt handler that is
called just then may access the same device. So what an access causes waits until the instruction has been done.
"""

from collections.abc import Callable
from typing import Final

from mmio.linux.trampoline import INSIDE, trampoline

waiting: Final[list[Callable[[], object]]] = []
"""The functions, in the order they came. The handlers look whether it is empty."""


def after_access(function: Callable[[], object]) -> None:
    """Call a function when the access in progress has been completed, by the thread that makes it; else at once."""
    if trampoline().words[INSIDE]:
        waiting.append(function)
    else:
        function()


def call() -> None:
    """Call what waits, and what that makes wait."""
    while waiting:
        waiting.pop(0)()
