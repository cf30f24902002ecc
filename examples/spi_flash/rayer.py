"""The chip at a PC's parallel port, wired as the RayeR SPIPGM programmer is, which flashrom knows.

    pagetrap run --device examples/spi_flash/rayer.py:Rayer@ports:0x378+3 -- flashrom -p rayer_spi
    FLASH_IMAGE=chip.bin pagetrap run --device … -- flashrom -p rayer_spi -r copy.bin

FLASH_IMAGE names a file of 64 KiB that is the chip's memory: what is programmed is there afterwards. Without it the
chip is new, and erased. The pins are those of flashrom's rayer_spi.c.
"""

import mmap
import os

from chip import SpiFlash

from mmio import Device, bit, register


class Rayer(Device):
    """The data, status and control registers of a parallel port."""

    data = register(0x00, width=1, reset=0x20, fields=[bit("MOSI", 7), bit("CLOCK", 6), bit("SELECT_N", 5)])
    status = register(0x01, width=1, reset=0x78, access="r", fields=[bit("MISO", 6)])
    control = register(0x02, width=1)

    def __init__(self) -> None:
        image = os.environ.get("FLASH_IMAGE")
        self.chip = SpiFlash(_mapped(image) if image else None)

    @data.written
    def _wires(self, old: int, new: int) -> None:
        self.chip.drive(not new & 0x20, bool(new & 0x40), bool(new & 0x80))

    @status.reads
    def _wire(self) -> int:
        return 0x38 | self.chip.miso << 6


def _mapped(path: str) -> mmap.mmap:
    with open(path, "r+b") as file:
        return mmap.mmap(file.fileno(), 0)
