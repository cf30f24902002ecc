"""Refusal to take faults in a Python that runs without its global interpreter lock.

The handler of a signal enters Python by the C API and counts on the lock: traces are appended to without another
(`mmio/traces/trace.py`), and code is patched while the lock keeps other threads out of Python
(`mmio/patching/sites.py`). A free-threaded Python (PEP 703) turns the lock on by itself when it loads an extension
module that was not made for it.
"""

import sys

from mmio.errors import MmioError


def need_gil() -> None:
    """Check that the global interpreter lock is on.

    Raises:
        MmioError: it is off; says how to turn it on.
    """
    if not getattr(sys, "_is_gil_enabled", lambda: True)():  # since Python 3.13
        raise MmioError(
            "faults are taken with Python's global interpreter lock on; start Python with -X gil=1 or PYTHON_GIL=1"
        )
