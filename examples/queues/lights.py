"""The controller that `lights.c` is for, with a FIFO for each of four strips of lights."""

import ctypes
import os
import subprocess
from pathlib import Path

from mmio import Device, array, bit, blocks, fifo_register, indexed, line, register

HERE = Path(__file__).parent


class Strip(Device):
    """One of the four: colours wait in the FIFO until the doorbell sends them to the strip."""

    fifo = fifo_register(0x0, depth=8, access="w")
    bell = register(0x4, access="w")
    stat = register(0x8, access="r", fields=[bit("FULL", 0)])

    @stat.reads
    def _status(self) -> int:
        return int(self.fifo.full)

    @bell.written
    def _send(self, old: int, new: int) -> None:
        self.parent.send(self.index, list(self.fifo.drain()))


class Settings(Device):
    """The registers behind INDEX and DATA."""

    gain = array(0x00, count=4, reset=255)
    cause = register(0x10, on_write="woclr")

    @cause.written
    def _acknowledge(self, old: int, new: int) -> None:
        self.parent.drive()


class Lights(Device):
    """Four strips, which keep what they have been sent."""

    select = register(0x0, name="INDEX")
    settings = indexed(0x4, Settings, by=select, step=4)
    strip = blocks(0x10, Strip, count=4, stride=0x10, name="STRIP")
    irq = line()

    def __init__(self) -> None:
        self.shown: list[list[int]] = [[], [], [], []]

    def send(self, strip: int, colours: list[int]) -> None:
        """Show colours beside those that are there, and raise the interrupt."""
        self.shown[strip] += colours
        self.settings.cause.value |= 1 << strip
        self.drive()

    def drive(self) -> None:
        """Assert the interrupt while there is a cause."""
        self.irq.set(self.settings.cause.value != 0)


def build(directory: Path, *options: str) -> ctypes.CDLL:
    """Compile the driver and load it; -DBUG_… is an option that plants a mistake."""
    library = directory / f"lights{''.join(options)}.so"
    command = [os.environ.get("CC", "cc"), "-O2", "-g", "-Wall", "-shared", "-fPIC", *options]
    subprocess.run([*command, "-o", library, HERE / "lights.c"], check=True)
    return ctypes.CDLL(str(library))
