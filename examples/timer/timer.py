"""A timer as its datasheet has it: a prescaler, a counter, a compare register, an interrupt.

Time is what `tick` says: so many cycles of the input clock. A read of COUNT takes the bus a few cycles too, so that a
driver which waits by reading it does not wait for ever, and interrupts reach it in the middle of its own accesses.
"""

from mmio import Device, bit, field, line, register

READ_CYCLES = 4


class Timer(Device):
    """Counts input cycles divided by PSC + 1. At COMPARE it starts again from 0, or stops when ONESHOT."""

    id = register(0x00, reset=0x71C0_0002, access="r")
    ctrl = register(
        0x04,
        fields=[
            bit("EN", 0),
            bit("ONESHOT", 1),
            bit("IRQ", 2),
            bit("CLEAR", 3, singlepulse=True),
            field("PSC", 15, 8),
        ],
    )
    count = register(0x08, access="r")
    compare = register(0x0C, reset=0xFFFF_FFFF)
    status = register(0x10, on_write="woclr", fields=[bit("MATCH", 0), bit("LATE", 1)])
    irq = line()

    def __init__(self) -> None:
        self.cycles = 0  # of the input clock, since power on
        self.prescaled = 0  # of those, what has not made a count yet

    def tick(self, cycles: int) -> None:
        """Let time pass."""
        while cycles:
            counts = self._counts_to_match()
            step = min(cycles, counts * (self.ctrl.PSC + 1) - self.prescaled) if self.ctrl.EN else cycles
            cycles -= step
            self.cycles += step
            if self.ctrl.EN:
                self._count(step)

    def _counts_to_match(self) -> int:
        left = self.compare.value - self.count.value
        return left if left > 0 else left + (1 << 32)

    def _count(self, cycles: int) -> None:
        counts, self.prescaled = divmod(self.prescaled + cycles, self.ctrl.PSC + 1)
        self.count.value = (self.count.value + counts) & 0xFFFF_FFFF
        if not counts or self.count != self.compare.value:
            return
        self.count.value = 0
        if self.ctrl.ONESHOT:
            self.ctrl.EN = 0
        self.status.LATE |= self.status.MATCH  # the driver has not acknowledged the last one
        self.status.MATCH = 1
        self._update()

    def _update(self) -> None:
        self.irq.set(bool(self.ctrl.IRQ and self.status.MATCH))

    @ctrl.written
    def _control(self, old: int, new: int) -> None:
        if self.ctrl.CLEAR:
            self.count.value = self.prescaled = 0
        self._update()

    @status.written
    def _acknowledge(self, old: int, new: int) -> None:
        self._update()

    @count.reads
    def _read_count(self) -> int:
        self.tick(READ_CYCLES)
        return self.count.value
