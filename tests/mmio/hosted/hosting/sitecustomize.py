"""Set up a Python that hosts a program for the tests.

Instructions are patched after as many faults as TEST_FAULTS says. What opens a file while the program runs is written
to the file TEST_OPENED: it takes the lowest number of a descriptor, which the program's other threads may count on.
"""

import os
import sys
from contextlib import suppress
from threading import Lock

from mmio.hosted import patching
from mmio.linux import own_descriptors

_OPENING = {"open", "os.listdir", "os.scandir", "socket.__new__"}  # events of sys.addaudithook
_RUNNING = "trampoline.py:enter"  # Python is below it while the program has been entered
_EXEMPT = {
    "run_loop.py:_become_child",  # in a new process, which has one thread
    "channel.py:channel_pair",  # no call makes sockets at other numbers (docs/design/in-process-engine.md)
}

patching.FAULTS = int(os.environ["TEST_FAULTS"])  # type: ignore[misc]
_notes = os.environ["TEST_OPENED"]
_writing = Lock()


def _note(event: str, values: tuple[object, ...]) -> None:
    if event not in _OPENING or own_descriptors.first_reserved() is None:
        return
    frame, stack = sys._getframe(1), []
    while frame is not None:
        stack.append(f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_code.co_name}")
        frame = frame.f_back  # type: ignore[assignment]
    if _RUNNING in stack and not _EXEMPT & set(stack) and _writing.acquire(blocking=False):  # not for the notes
        with suppress(OSError), open(_notes, "a") as notes:  # the program may be in a jail
            notes.write(f"{event} {values[0]!r} in {' of '.join(stack)}\n")
        _writing.release()


sys.addaudithook(_note)
