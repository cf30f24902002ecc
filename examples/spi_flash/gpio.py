"""The chip at four pins of a GPIO port in memory: the board that flash.c drives."""

from chip import SpiFlash

from mmio import Device, bit, register


class Gpio(Device):
    """An output and an input register, wired as `examples/protocols/spi.py` expects."""

    out = register(0x00, reset=1, fields=[bit("MOSI", 2), bit("CLOCK", 1), bit("SELECT_N", 0)])
    into = register(0x04, access="r", fields=[bit("MISO", 0)], name="IN")

    def __init__(self, chip: SpiFlash | None = None) -> None:
        self.chip = chip or SpiFlash()

    @out.written
    def _wires(self, old: int, new: int) -> None:
        self.chip.drive(not new & 1, bool(new & 2), bool(new & 4))

    @into.reads
    def _wire(self) -> int:
        return self.chip.miso
