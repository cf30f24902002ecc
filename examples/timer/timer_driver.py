"""timer.h as Python sees it: the driver compiled, loaded, and its functions with names and errors of their own."""

import ctypes
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SOURCES = (HERE / "timer.c", HERE / "timer.h")
CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def build(directory: Path) -> Path:
    """Compile the driver into `directory`, unless it is newer than its sources there, and return the library."""
    library = directory / "libtimer.so"
    if not library.exists() or library.stat().st_mtime < max(source.stat().st_mtime for source in SOURCES):
        compiler = os.environ.get("CC", "cc")
        flags = ["-O2", "-g", "-Wall", "-Wextra", "-shared", "-fPIC"]
        subprocess.run([compiler, *flags, "-o", library, SOURCES[0]], check=True)
    return library


def load(path: Path) -> ctypes.CDLL:
    """Load the compiled driver."""
    library = ctypes.CDLL(str(path), use_errno=True)
    library.timer_open.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    library.timer_open.restype = ctypes.c_void_p
    library.timer_now.restype = ctypes.c_uint64
    library.timer_ticks.restype = library.timer_late.restype = ctypes.c_uint32
    return library


class Driver:
    """One `struct timer`. Every method is one call into C; a negative result is raised as OSError."""

    def __init__(self, library: ctypes.CDLL, base: Any, clock: int = 1_000_000) -> None:
        """Open the timer at `base`, anything ctypes takes for a pointer."""
        self._library = library
        timer = library.timer_open(base, clock)
        if timer is None:
            raise OSError(ctypes.get_errno(), f"timer_open: {os.strerror(ctypes.get_errno())}")
        self._timer = ctypes.c_void_p(timer)
        self._callback: Any = None  # what C has a pointer to

    def start(self, hz: int, callback: Callable[[], object] | None = None) -> None:
        """Tick so many times a second."""
        self._run("timer_start", hz, callback)

    def alarm(self, microseconds: int, callback: Callable[[], object] | None = None) -> None:
        """Tick once."""
        self._run("timer_alarm", microseconds, callback)

    def _run(self, function: str, number: int, callback: Callable[[], object] | None) -> None:
        self._callback = CALLBACK(lambda cookie: callback() if callback else None)
        result = getattr(self._library, function)(self._timer, ctypes.c_uint32(number), self._callback, None)
        if result < 0:
            raise OSError(-result, f"{function}: {os.strerror(-result)}")

    def irq(self) -> bool:
        """Handle an interrupt."""
        return bool(self._library.timer_irq(self._timer))

    @property
    def ticks(self) -> int:
        """Ticks since the start."""
        ticks: int = self._library.timer_ticks(self._timer)
        return ticks

    @property
    def late(self) -> int:
        """How many of them stand for more than one."""
        late: int = self._library.timer_late(self._timer)
        return late

    def now(self) -> int:
        """Counts since the start."""
        now: int = self._library.timer_now(self._timer)
        return now

    def wait(self, ticks: int) -> None:
        """Wait for so many ticks."""
        self._library.timer_wait(self._timer, ctypes.c_uint32(ticks))

    def stop(self) -> None:
        """Stop the timer."""
        self._library.timer_stop(self._timer)

    def close(self) -> None:
        """Stop the timer. The driver is of no use afterwards."""
        self._library.timer_close(self._timer)
