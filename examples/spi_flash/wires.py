"""The wires of SPI: a chip that is clocked bit by bit and thinks in bytes.

Mode 0, most significant bit first: the chip takes a bit when the clock rises and changes its own when the clock falls.
"""


class SpiChip:
    """A chip at the end of four wires. What it does with the bytes is up to the subclass.

    Attributes:
        miso: the wire the chip drives; 1, as a pull-up makes it, while the chip is not selected.
    """

    def __init__(self) -> None:
        self.miso = 1
        self._selected = False
        self._clock = False
        self._count = 0  # bits taken since the chip was selected
        self._taken = 0
        self._given = 0xFF

    def drive(self, selected: bool, clock: bool, mosi: bool) -> None:
        """Set the three wires the chip listens to. `selected` is True while the select wire, active low, is low."""
        if selected != self._selected:
            self._selected = selected
            self._clock = clock
            self.miso = 1
            if selected:
                self._count, self._given = 0, 0xFF
                self.selected()
            else:
                self.deselected(self._count % 8 == 0)
        elif clock != self._clock:
            self._clock = clock
            if not selected:
                return
            if clock:
                self._taken = self._taken << 1 & 0xFF | mosi
                self._count += 1
                if not self._count % 8:
                    self._given = self.exchange(self._taken)
            else:
                self.miso = self._given >> 7 - self._count % 8 & 1

    def selected(self) -> None:
        """A transaction begins."""

    def exchange(self, byte: int) -> int:
        """Take a byte and return what the master gets during the next one."""
        return 0xFF

    def deselected(self, whole: bool) -> None:
        """The transaction is over; `whole` when it was made of whole bytes."""
