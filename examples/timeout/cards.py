"""A card that resets and transfers in its own time, and two that are broken."""

from mmio import Device, bit, line, ms, register, us


class Card(Device):
    """A card that leaves reset after 2 ms, and is done with a transfer after 50 us."""

    ctrl = register(0x00, fields=[bit("START", 0), bit("RESET", 1)])
    stat = register(0x04, on_write="woclr", fields=[bit("DONE", 0)])
    irq = line()

    @ctrl.written
    def _control(self, old: int, new: int) -> None:
        if self.ctrl.RESET:
            self.after(ms(2), self.leave_reset)
        if self.ctrl.START:
            self.after(us(50), self.finish)

    @stat.written
    def _acknowledge(self, old: int, new: int) -> None:
        self.irq.set(bool(self.stat.DONE))

    def leave_reset(self) -> None:
        """Be ready for a transfer."""
        self.ctrl.RESET = 0

    def finish(self) -> None:
        """Be done with a transfer, and say so."""
        self.stat.DONE = 1
        self.irq.set(True)


class Silent(Card):
    """A card whose interrupt never comes."""

    def finish(self) -> None:
        """Do nothing."""


class Stuck(Card):
    """A card that never leaves reset."""

    def leave_reset(self) -> None:
        """Do nothing."""
