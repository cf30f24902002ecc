"""The virtio device that `upper.c` is for."""

import ctypes
import os
import subprocess
from pathlib import Path

from mmio.virtio import VirtioMmio, Virtqueue

HERE = Path(__file__).parent


class Upper(VirtioMmio):
    """A device that answers each text in upper case."""

    def __init__(self) -> None:
        super().__init__(device_id=42, queues=[64])

    def notified(self, queue: Virtqueue) -> None:
        """Answer what the driver has put into the queue."""
        for chain in queue:
            chain.write(chain.read().upper())
            chain.complete()


class Choosy(Upper):
    """One that works with no driver."""

    def accepts(self, features: int) -> bool:
        """Refuse all features."""
        return False


def build(directory: Path, *options: str) -> ctypes.CDLL:
    """Compile the driver and load it; -DBUG_… is an option that plants a mistake."""
    library = directory / f"upper{''.join(options)}.so"
    command = [os.environ.get("CC", "cc"), "-O2", "-g", "-Wall", "-shared", "-fPIC", *options]
    subprocess.run([*command, "-o", library, HERE / "upper.c"], check=True)
    return ctypes.CDLL(str(library))
