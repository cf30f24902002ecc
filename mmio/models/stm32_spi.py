"""The SPI controller of STM32F4 microcontrollers as a full-duplex master: RM0090, chapter 28.

No time passes on the bus: a frame has been exchanged when DR has been written.

Not modelled: the slave's side, one data line (BIDIMODE), receive-only mode, CRC, TI frames, I2S.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, runtime_checkable

from mmio.arguments import integer, shortened
from mmio.device.device import Device
from mmio.device.field import bit, field
from mmio.device.line import line
from mmio.device.register import register
from mmio.models.chip import Chip
from mmio.models.limits import NotModelled

RXNE, TXE, MODF, OVR = 0x01, 0x02, 0x20, 0x40  # of SR
_SPE, _MSTR, _LSBFIRST, _DFF = 0x0040, 0x0004, 0x0080, 0x0800  # of CR1
_NSS_LOW: Final = 0x0304, 0x0204  # of CR1: MSTR, SSI and SSM; a master that is told not to be one
_NOT_MODELLED: Final = {
    0x8000: "one data line for both directions (CR1.BIDIMODE=1)",
    0x2000: "CRC (CR1.CRCEN=1)",
    0x0400: "receive-only mode (CR1.RXONLY=1)",
}


@runtime_checkable
class SpiTarget(Protocol):
    """A chip at an SPI bus."""

    def select(self) -> None:
        """Take the falling edge of chip select."""

    def exchange(self, byte: int) -> int:
        """Take a byte and return the one that goes the other way, 0 to 0xFF."""

    def deselect(self) -> None:
        """Take the rising edge of chip select."""


@runtime_checkable
class SelectPin(Protocol):
    """A pin that selects a chip while it is low, such as a `Pin` of `Stm32Gpio`."""

    @property
    def level(self) -> bool:
        """Return whether the pin is high."""

    def watch(self, call: Callable[[bool], object]) -> Callable[[], None]:
        """Call `call(level)` on every change; return a function that ends this."""


class Stm32Spi(Device):
    """An SPI controller, and the bus at it.

    The interrupt line is `irq`; `rx_dma` and `tx_dma` are its requests to a DMA controller.

    Args:
        clock_hz: of the bus the controller is at, for `speed`.

    Raises:
        TypeError: clock_hz is no int.
        ValueError: it is less than 1.
    """

    cr1 = register(
        0x00,
        fields=[
            bit("CPHA", 0),
            bit("CPOL", 1),
            bit("MSTR", 2),
            field("BR", 5, 3),
            bit("SPE", 6),
            bit("LSBFIRST", 7),
            bit("SSI", 8),
            bit("SSM", 9),
            bit("RXONLY", 10),
            bit("DFF", 11),
            bit("CRCNEXT", 12),
            bit("CRCEN", 13),
            bit("BIDIOE", 14),
            bit("BIDIMODE", 15),
        ],
    )
    cr2 = register(
        0x04,
        fields=[
            bit("RXDMAEN", 0),
            bit("TXDMAEN", 1),
            bit("SSOE", 2),
            bit("FRF", 4),
            bit("ERRIE", 5),
            bit("RXNEIE", 6),
            bit("TXEIE", 7),
        ],
    )
    sr = register(
        0x08,
        reset=TXE,
        access="r",
        fields=[
            bit("RXNE", 0),
            bit("TXE", 1),
            bit("CHSIDE", 2),
            bit("UDR", 3),
            bit("CRCERR", 4, access="rw", on_write="wzc"),
            bit("MODF", 5),
            bit("OVR", 6),
            bit("BSY", 7),
            bit("FRE", 8),
        ],
    )
    dr = register(0x0C, fields=[field("DR", 15, 0)])
    crcpr = register(0x10, reset=7, fields=[field("CRCPOLY", 15, 0)])
    rxcrcr = register(0x14, access="r")
    txcrcr = register(0x18, access="r")
    i2scfgr = register(0x1C, fields=[bit("I2SE", 10), bit("I2SMOD", 11)])
    i2spr = register(0x20, reset=2)
    irq = line()
    rx_dma = line()
    tx_dma = line()

    def __init__(self, clock_hz: int = 16_000_000) -> None:
        self.clock_hz = integer("clock_hz", clock_hz, least=1)
        self._targets: list[tuple[SpiTarget, SelectPin | None]] = []
        self._selected: list[SpiTarget] = []
        self._power_on()

    def _power_on(self) -> None:
        self._rdr = 0
        self._overrun_read = False  # DR was read since the overrun: a read of SR clears it
        self._overrun_over = False  # that read of SR has been, which still showed OVR
        self._fault_seen = False  # SR was read since the mode fault: a write of CR1 clears it

    # The bus.

    def attach(self, target: SpiTarget, select: SelectPin | None = None) -> None:
        """Wire a chip to the bus.

        Args:
            target: the chip.
            select: the pin that selects it while it is low, such as `gpio.pins[4]`; when left out, the chip is selected
                while the controller is enabled, which is what its own NSS does as an output (28.3.1).

        Raises:
            TypeError: the target or the pin lacks a method.
        """
        if isinstance(target, type) or not isinstance(target, SpiTarget):
            raise TypeError(f"a target has select(), exchange(byte) and deselect(), unlike {shortened(target)}")
        if select is not None and not isinstance(select, SelectPin):
            raise TypeError(f"select is a pin, with level and watch(call), not {shortened(select)}")
        self._targets.append((target, select))
        if isinstance(target, Chip):
            target.wired_to(self)
        if select is not None:
            select.watch(lambda level: self._select(target, not level))
            self._select(target, not select.level)
        else:
            self._select(target, bool(self.cr1.SPE))

    @property
    def speed(self) -> float:
        """Return the frequency of SCK in Hz, by CR1.BR."""
        return self.clock_hz / (2 << self.cr1.BR)

    def _select(self, target: SpiTarget, selected: bool) -> None:
        if selected and target not in self._selected:
            self._selected.append(target)
            target.select()
        elif not selected and target in self._selected:
            self._selected.remove(target)
            target.deselect()

    def _exchange(self, frame: int) -> int:
        """Exchange a frame, its highest bit first unless LSBFIRST, with all chips that are selected."""
        control = self.cr1.value
        bits = 16 if control & _DFF else 8
        frame &= (1 << bits) - 1
        if control & _LSBFIRST:
            frame = _reversed(frame, bits)
        answer = 0
        for shift in range(bits - 8, -1, -8):
            byte = 0xFF  # what a line with a pull-up has when no chip drives it
            for target in tuple(self._selected):
                byte &= integer("the byte that a target answers", target.exchange(frame >> shift & 0xFF), 0, 0xFF)
            answer = answer << 8 | byte
        return _reversed(answer, bits) if control & _LSBFIRST else answer

    # The registers.

    @cr1.written
    def _control(self, old: int, new: int) -> None:
        for mask, what in _NOT_MODELLED.items():
            if new & mask:
                self.cr1.value = old
                raise NotModelled(self, what)
        if self._fault_seen:
            self._fault_seen, self.sr.MODF = False, 0
        if new & _NSS_LOW[0] == _NSS_LOW[1] and new & _SPE:
            self.sr.MODF = 1  # 28.3.10: its own NSS says that there is another master
            self.cr1.value = new & ~(_SPE | _MSTR)
        self._select_by_nss()
        self._update()

    def _select_by_nss(self) -> None:
        for target, pin in self._targets:
            if pin is None:
                self._select(target, bool(self.cr1.SPE))

    @cr2.written
    def _control_interrupts(self, old: int, new: int) -> None:
        if self.cr2.FRF:
            self.cr2.value = old
            raise NotModelled(self, "TI frames (CR2.FRF=1)")
        self._update()

    @sr.reads
    def _look(self) -> int:
        self._end_overrun()
        status = self.sr.value
        self._fault_seen = bool(status & MODF)
        if self._overrun_read:
            self._overrun_over = True
            self._update()
        return status

    def _end_overrun(self) -> None:
        if self._overrun_over:
            self._overrun_read = self._overrun_over = False
            self.sr.OVR = 0

    @dr.reads
    def _read_data(self) -> int:
        self._end_overrun()
        frame = self._rdr
        self.sr.RXNE = 0
        self._overrun_read = bool(self.sr.OVR)
        self._update()
        return frame

    @dr.written
    def _write_data(self, old: int, new: int) -> None:
        if not self.cr1.SPE:
            return
        if not self.cr1.MSTR:
            raise NotModelled(self, "the slave's side (CR1.SPE=1 and MSTR=0)")
        self._end_overrun()
        frame = self._exchange(new)
        if self.sr.RXNE:
            self.sr.OVR = 1  # the new frame is lost, DR has the old one (28.3.10)
            self._overrun_read = False
        else:
            self._rdr, self.sr.RXNE = frame, 1
        self._update()

    @i2scfgr.written
    def _configure_i2s(self, old: int, new: int) -> None:
        if self.i2scfgr.I2SMOD:
            self.i2scfgr.value = old
            raise NotModelled(self, "I2S (I2SCFGR.I2SMOD=1)")

    def _update(self) -> None:
        cr2 = self.cr2
        # No request to send while a frame is unread: in time, the two streams of a transfer go in step.
        received = bool(cr2.RXDMAEN and self.sr.RXNE)
        self.tx_dma.set(bool(cr2.TXDMAEN and self.cr1.SPE and not received))
        self.rx_dma.set(received)
        status = self.sr.value & ~(OVR * self._overrun_over)  # after the lines: a DMA controller may have acted
        self.irq.set(
            bool(
                (cr2.TXEIE and status & TXE) or (cr2.RXNEIE and status & RXNE) or (cr2.ERRIE and status & (OVR | MODF))
            )
        )

    # State.

    def reset(self) -> None:
        """Reset the controller, which deselects the chips that have no pin."""
        super().reset()
        self._power_on()
        self._select_by_nss()

    def snapshot(self) -> dict[str, Any]:
        """Add what no register shows. The chips are not part of it."""
        return super().snapshot() | {"hidden": [self._rdr, self._overrun_read, self._overrun_over, self._fault_seen]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take it all back. The chips stay as selected as they are."""
        super().restore(state)
        self._rdr, self._overrun_read, self._overrun_over, self._fault_seen = state["hidden"]


def _reversed(value: int, bits: int) -> int:
    """Return a value with its bits in the other order."""
    return int(f"{value:0{bits}b}"[::-1], 2)
