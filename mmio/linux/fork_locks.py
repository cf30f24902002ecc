"""Locks that are free in a child made by fork.

fork copies the memory, but of the threads only the one that calls it (fork(2)). A lock that another thread holds at
that moment would stay held in the child for ever.
"""

import os
from threading import RLock
from typing import Any, Final
from weakref import WeakSet

_locks: Final[WeakSet[Any]] = WeakSet()


def fork_lock() -> RLock:
    """Return a new reentrant lock. In a child it is free, unless the thread that forked holds it.

    What it guards may be half changed in the child. Where that matters, hold the lock while forking: `held_by_fork`.
    """
    lock = RLock()
    _locks.add(lock)
    return lock


def held_by_fork() -> RLock:
    """Return a new reentrant lock that os.fork acquires before it forks, for as long as the process lives."""
    lock = RLock()
    os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


def _free() -> None:
    for lock in _locks:
        if not lock._is_owned():
            lock._at_fork_reinit()


os.register_at_fork(after_in_child=_free)
