"""Firmware as a shared library, with its variables reset to their initial values.

The dynamic linker loads a file once a process, and gives out the same copy, variables and all, when it is asked again
(dlopen(3)). A second test would see what the first has left. So a file that is loaded already is loaded from a copy.
"""

import atexit
import ctypes
import os
import shutil
import tempfile
from pathlib import Path

_copies: list[str] = []


def fresh(path: str) -> ctypes.CDLL:
    """Load a library that is in no use.

    Args:
        path: of the file.

    Raises:
        OSError: it cannot be loaded.
    """
    if not _is_loaded(path):
        return ctypes.CDLL(os.path.abspath(path) if os.path.exists(path) else path)
    if not _copies:
        _copies.append(tempfile.mkdtemp(prefix="pagetrap-firmware-"))
        atexit.register(shutil.rmtree, _copies[0], ignore_errors=True)
    directory = tempfile.mkdtemp(dir=_copies[0])
    return ctypes.CDLL(str(shutil.copy2(path, Path(directory, Path(path).name))))


def _is_loaded(path: str) -> bool:
    try:
        wanted = os.stat(path)
        with open("/proc/self/maps") as maps:
            files = {line.rstrip("\n").partition("/")[2] for line in maps if "/" in line}
        return any(os.path.samestat(wanted, os.stat(f"/{file}")) for file in files if os.path.exists(f"/{file}"))
    except OSError:  # the linker will say it
        return False
