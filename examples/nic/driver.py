"""nic.h as Python sees it: the driver compiled, loaded, and its functions with names and errors of their own."""

import ctypes
import os
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SOURCES = (HERE / "nic.c", HERE / "nic.h")
MAX_FRAME = 1514
COUNTERS = ("tx_packets", "tx_bytes", "rx_packets", "rx_bytes", "rx_dropped", "rx_errors")  # struct nic_stats


def build(directory: Path, *options: str) -> Path:
    """Compile the driver into `directory`, unless it is newer than its sources there, and return the library.

    `options` are the compiler's: -DBUG_CLEARS_UNSEEN plants a mistake.
    """
    library = directory / f"libnic{''.join(options)}.so"
    if not library.exists() or library.stat().st_mtime < max(source.stat().st_mtime for source in SOURCES):
        compiler = os.environ.get("CC", "cc")
        flags = ["-O2", "-g", "-Wall", "-Wextra", "-shared", "-fPIC", *options]
        subprocess.run([compiler, *flags, "-o", library, SOURCES[0]], check=True)
    return library


def load(path: Path) -> ctypes.CDLL:
    """Load the compiled driver."""
    library = ctypes.CDLL(str(path), use_errno=True)
    library.nic_open.argtypes = [ctypes.c_void_p]
    library.nic_open.restype = ctypes.c_void_p
    return library


class Driver:
    """One `struct nic`. Every method is one call into C; a negative result is raised as OSError."""

    def __init__(self, library: ctypes.CDLL, bar: Any) -> None:
        """Open the card whose registers are at `bar`, anything ctypes takes for a pointer."""
        self._library = library
        nic = library.nic_open(bar)
        if nic is None:
            raise OSError(ctypes.get_errno(), f"nic_open: {os.strerror(ctypes.get_errno())}")
        self._nic = ctypes.c_void_p(nic)

    @property
    def mac(self) -> bytes:
        """The station address."""
        mac = ctypes.create_string_buffer(6)
        self._library.nic_mac(self._nic, mac)
        return mac.raw

    def up(self) -> int:
        """Bring the link up and return its speed in Mbit/s."""
        return self._checked("nic_up", self._library.nic_up(self._nic))

    def send(self, frame: bytes) -> None:
        """Send one frame."""
        self._checked("nic_send", self._library.nic_send(self._nic, frame, ctypes.c_size_t(len(frame))))

    def poll(self) -> bytes:
        """Return the next received frame, empty when there is none."""
        frame = ctypes.create_string_buffer(MAX_FRAME)
        length = self._library.nic_poll(self._nic, frame, ctypes.c_size_t(MAX_FRAME))
        return frame.raw[: self._checked("nic_poll", length)]

    def stats(self) -> dict[str, int]:
        """Return the totals since the card was opened."""
        totals = (ctypes.c_uint64 * len(COUNTERS))()
        self._library.nic_stats(self._nic, totals)
        return dict(zip(COUNTERS, totals, strict=True))

    def close(self) -> None:
        """Stop the card. The driver is of no use afterwards."""
        self._library.nic_close(self._nic)

    def _checked(self, function: str, result: int) -> int:
        if result < 0:
            raise OSError(-result, f"{function}: {os.strerror(-result)}")
        return result
