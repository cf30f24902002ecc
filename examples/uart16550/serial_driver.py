"""uart16550.h as Python sees it: the driver compiled, loaded, and its functions with names and errors of their own."""

import ctypes
import os
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SOURCES = (HERE / "uart16550.c", HERE / "uart16550.h")
TYPES = ("none", "16450", "16550A")  # enum uart_type
COUNTERS = ("interrupts", "sent", "received", "overruns", "errors", "dropped")  # struct uart_stats


def build(directory: Path, *options: str) -> Path:
    """Compile the driver into `directory`, unless it is newer than its sources there, and return the library.

    `options` are the compiler's: -DBUG_SPURIOUS_INTERRUPT plants a mistake.
    """
    library = directory / f"libuart16550{''.join(options)}.so"
    if not library.exists() or library.stat().st_mtime < max(source.stat().st_mtime for source in SOURCES):
        compiler = os.environ.get("CC", "cc")
        flags = ["-O2", "-g", "-Wall", "-Wextra", "-shared", "-fPIC", *options]
        subprocess.run([compiler, *flags, "-o", library, SOURCES[0]], check=True)
    return library


def load(path: Path) -> ctypes.CDLL:
    """Load the compiled driver."""
    library = ctypes.CDLL(str(path))
    library.uart_at.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    library.uart_at_port.argtypes = [ctypes.c_uint16]
    library.uart_at.restype = library.uart_at_port.restype = ctypes.c_void_p
    return library


class Driver:
    """One `struct uart`. Every method is one call into C; a negative result is raised as OSError."""

    def __init__(self, library: ctypes.CDLL, *, base: Any = None, stride: int = 1, port: int = 0) -> None:
        """Make a driver for the port at `base`, anything ctypes takes for a pointer; without one, at IO ports."""
        self._library = library
        uart = library.uart_at_port(port) if base is None else library.uart_at(base, stride)
        self._uart = ctypes.c_void_p(uart)

    def probe(self) -> str:
        """Return what kind of port is there."""
        return TYPES[self._library.uart_probe(self._uart)]

    def open(self, baud: int = 115200) -> None:
        """Test the port and set it up."""
        result = self._library.uart_open(self._uart, baud)
        if result < 0:
            raise OSError(-result, f"uart_open: {os.strerror(-result)}")

    def write(self, data: bytes) -> int:
        """Take bytes to send; return how many."""
        sent: int = self._library.uart_write(self._uart, data, ctypes.c_size_t(len(data)))
        return sent

    def read(self, length: int = 256) -> bytes:
        """Return what has been received, at most so much."""
        data = ctypes.create_string_buffer(length)
        given: int = self._library.uart_read(self._uart, data, ctypes.c_size_t(length))
        return data.raw[:given]

    def irq(self) -> int:
        """Handle an interrupt; return how many causes there were."""
        causes: int = self._library.uart_irq(self._uart)
        return causes

    def stats(self) -> dict[str, int]:
        """Return the totals so far."""
        totals = (ctypes.c_uint32 * len(COUNTERS))()
        self._library.uart_stats(self._uart, totals)
        return dict(zip(COUNTERS, totals, strict=True))

    def close(self) -> None:
        """Switch interrupts off. The driver is of no use afterwards."""
        self._library.uart_close(self._uart)
