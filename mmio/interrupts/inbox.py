"""Thread that reads what a driver in this process writes to descriptors: irqcontrol of UIO, events of VFIO."""

import select
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache


class Inbox:
    """Calls functions when descriptors can be read. One daemon thread serves all of them, from the first one on."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._ready: dict[int, Callable[[], object]] = {}
        threading.Thread(target=self._serve, name="pagetrap interrupts", daemon=True).start()

    def add(self, descriptor: int, ready: Callable[[], object]) -> None:
        """Call a function in the thread while a descriptor can be read; it reads."""
        self._ready[descriptor] = ready
        self._poll.register(descriptor, select.EPOLLIN)

    def remove(self, descriptor: int) -> None:
        """Forget a descriptor, before it is closed."""
        self._ready.pop(descriptor, None)
        with suppress(OSError):
            self._poll.unregister(descriptor)

    def _serve(self) -> None:
        while True:
            for descriptor, _ in self._poll.poll():
                ready = self._ready.get(descriptor)
                if ready is not None:
                    with suppress(OSError):  # closed just now
                        ready()


@cache
def inbox() -> Inbox:
    """Return the inbox of this process."""
    return Inbox()
