"""A device with both kinds of interrupts."""

from mmio import Device, line, register


class Card(Device):
    """A card whose lines follow its registers."""

    stat = register(0x00, on_write="woclr")
    irq = line()
    msi = line(trigger="edge")

    @stat.written
    def _drive(self, old: int, new: int) -> None:
        self.irq.set(bool(new))

    def happen(self) -> None:
        """Have something to tell."""
        self.stat.value = 1
        self.irq.set(True)
        self.msi.set(True)
        self.msi.set(False)
