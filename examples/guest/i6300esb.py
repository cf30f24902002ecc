"""The watchdog timer of an Intel 6300ESB, as Linux's i6300esb driver sees it.

    pagetrap boot --fetch --live --module i6300esb --device examples/guest/i6300esb.py:Watchdog -- \
        'echo V >/dev/watchdog'

After the Intel 6300ESB I/O Controller Hub Datasheet, chapter 16. RELOAD and the timers take a write only after 0x80 and
0x86 have been written to RELOAD. The bits that start the timer are in configuration space, at 0x60 and 0x68: nothing
here needs them.
"""

from mmio import Device, bit, field, register
from mmio.pci import Bar, PciFunction

UNLOCK = 0x80, 0x86


class Esb(Device):
    """The registers in memory."""

    timer1 = register(0x00, reset=0xFFFFF, fields=[field("PRELOAD", 19, 0)])
    timer2 = register(0x04, reset=0xFFFFF, fields=[field("PRELOAD", 19, 0)])
    interrupt = register(0x08, width=2, on_write="woclr", fields=[bit("ACTIVE", 0)])
    reload = register(0x0C, width=2, fields=[bit("RELOAD", 8), bit("TIMEOUT", 9, on_write="woclr")])

    def __init__(self) -> None:
        self.pings = 0
        self.unlocked = 0

    def write(self, offset: int, width: int, value: int) -> None:
        """Take a write, if it is unlocked."""
        if offset == 0x0C and value == UNLOCK[min(self.unlocked, 1)]:
            self.unlocked = min(self.unlocked + 1, 2)
        elif self.unlocked == 2:
            self.unlocked = 0
            super().write(offset, width, value)

    @reload.written
    def _reload(self, old: int, new: int) -> None:
        if self.reload.RELOAD:
            self.pings += 1
            self.reload.RELOAD = 0


class Watchdog(PciFunction):
    """The function."""

    def __init__(self, timer: Esb | None = None) -> None:
        self.timer = Esb() if timer is None else timer
        super().__init__(0x8086, 0x25AB, 0x088000, bars=[Bar(0, self.timer, size=0x10)], interrupt_pin=0)
