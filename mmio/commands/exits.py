"""Exit statuses of `trace`, `attach` and `run`, and ending by a signal.

They are apart from `watching.py`, which loads the engines: `pagetrap show` and `--help` have no use for these.
"""

import os
import resource
import signal
import sys
from contextlib import suppress
from typing import Final

TROUBLE: Final = 125
NOT_EXECUTABLE: Final = 126
NOT_FOUND: Final = 127


def die(number: int) -> int:
    """End this process by a signal, as the program was; return 128 + the signal if that cannot be.

    The parent then learns what it would have learned of the program (strace(1), "EXIT STATUS").
    """
    sys.stdout.flush()
    sys.stderr.flush()
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))  # the program's core file is the interesting one
    with suppress(OSError):  # SIGKILL has no action to set, and needs none
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    return 128 + number
