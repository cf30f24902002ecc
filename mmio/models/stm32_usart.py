"""The USART of STM32F4 microcontrollers, asynchronous: RM0090, chapter 30.

Not modelled: LIN, smartcard, IrDA, synchronous and multiprocessor mode, CTS and RTS. Their bits can be written and
read, and do nothing.
"""

from collections.abc import Mapping
from typing import Any, Final

from mmio.arguments import integer
from mmio.device.field import bit, field
from mmio.device.line import line
from mmio.device.register import register
from mmio.models.serial import SerialPort

PE, FE, NF, ORE, IDLE, RXNE, TC, TXE = (1 << index for index in range(8))  # of SR
_CLEARED: Final = PE | FE | NF | ORE | IDLE  # by a read of SR and then one of DR
_STOP_BITS: Final = (1.0, 0.5, 2.0, 1.5)  # by CR2.STOP


class Stm32Usart(SerialPort):
    """A USART. The other end of its line is `receive`, `sent` and `take`.

    The interrupt line is `irq`; `rx_dma` and `tx_dma` are its requests to a DMA controller.

    Args:
        clock_hz: of the bus the USART is at, from which it makes the baud rate; 16 MHz is the F4's after reset.
        timed: characters take their time on the device's clock.

    Raises:
        TypeError: clock_hz is no int.
        ValueError: it is less than 1.
    """

    sr = register(
        0x00,
        reset=0xC0,
        access="r",
        fields=[
            bit("PE", 0),
            bit("FE", 1),
            bit("NF", 2),
            bit("ORE", 3),
            bit("IDLE", 4),
            bit("RXNE", 5, access="rw", on_write="wzc"),
            bit("TC", 6, access="rw", on_write="wzc"),
            bit("TXE", 7),
            bit("LBD", 8, access="rw", on_write="wzc"),
            bit("CTS", 9, access="rw", on_write="wzc"),
        ],
    )
    dr = register(0x04, fields=[field("DR", 8, 0)])
    brr = register(0x08, fields=[field("DIV_Fraction", 3, 0), field("DIV_Mantissa", 15, 4)])
    cr1 = register(
        0x0C,
        fields=[
            bit("SBK", 0, singlepulse=True),
            bit("RWU", 1),
            bit("RE", 2),
            bit("TE", 3),
            bit("IDLEIE", 4),
            bit("RXNEIE", 5),
            bit("TCIE", 6),
            bit("TXEIE", 7),
            bit("PEIE", 8),
            bit("PS", 9),
            bit("PCE", 10),
            bit("WAKE", 11),
            bit("M", 12),
            bit("UE", 13),
            bit("OVER8", 15),
        ],
    )
    cr2 = register(
        0x10,
        fields=[
            field("ADD", 3, 0),
            bit("LBDL", 5),
            bit("LBDIE", 6),
            bit("LBCL", 8),
            bit("CPHA", 9),
            bit("CPOL", 10),
            bit("CLKEN", 11),
            field("STOP", 13, 12),
            bit("LINEN", 14),
        ],
    )
    cr3 = register(
        0x14,
        fields=[
            bit("EIE", 0),
            bit("IREN", 1),
            bit("IRLP", 2),
            bit("HDSEL", 3),
            bit("NACK", 4),
            bit("SCEN", 5),
            bit("DMAR", 6),
            bit("DMAT", 7),
            bit("RTSE", 8),
            bit("CTSE", 9),
            bit("CTSIE", 10),
            bit("ONEBIT", 11),
        ],
    )
    gtpr = register(0x18, fields=[field("PSC", 7, 0), field("GT", 15, 8)])
    irq = line()
    rx_dma = line()
    tx_dma = line()

    def __init__(self, clock_hz: int = 16_000_000, *, timed: bool = False) -> None:
        super().__init__(timed=timed)
        self.clock_hz = integer("clock_hz", clock_hz, least=1)
        self._power_on()

    def _power_on(self) -> None:
        self._rdr = self._tdr = 0
        self._seen = 0  # flags of SR when it was last read: what an access of DR may clear

    @property
    def baud(self) -> float:
        """Return the baud rate that BRR and OVER8 give (30.3.4); 0.0 while BRR gives none."""
        value = self.brr.value & 0xFFFF
        divider = (value >> 4) * 8 + (value & 7) if self.cr1.OVER8 else value
        return self.clock_hz / divider if divider else 0.0

    def _character_ns(self) -> int | None:
        bits = 1 + (9 if self.cr1.M else 8) + _STOP_BITS[self.cr2.STOP]
        return round(bits * 1e9 / self.baud) if self.baud else None

    @property
    def _data_bits(self) -> int:
        return 8 + self.cr1.M - self.cr1.PCE

    # The receiver.

    def _ready(self) -> bool:
        return bool(self.cr1.UE and self.cr1.RE and not self.sr.RXNE)

    def _unread(self) -> bool:
        return bool(self.sr.RXNE)

    def _arrive(self, character: int, errors: frozenset[str]) -> None:
        if not (self.cr1.UE and self.cr1.RE):
            return
        sr = self.sr
        if sr.RXNE:
            sr.ORE = 1  # the shift register is overwritten, RDR is not (30.3.3)
            self._update()
            return
        self._rdr = self._framed(0 if "break" in errors else character, "parity" in errors)
        sr.RXNE = 1
        sr.PE |= bool(self.cr1.PCE and "parity" in errors)
        sr.FE |= bool(errors & {"framing", "break"})
        sr.NF |= "noise" in errors
        sr.ORE |= "overrun" in errors
        self._update()

    def _framed(self, character: int, wrong: bool) -> int:
        """Return a character as the receiver has it: with the parity bit above, where there is one (30.3.7)."""
        character &= (1 << self._data_bits) - 1
        if not self.cr1.PCE:
            return character
        parity = character.bit_count() & 1 ^ self.cr1.PS ^ wrong
        return character | parity << self._data_bits

    def _idle(self) -> None:
        if self.cr1.UE and self.cr1.RE:
            self.sr.IDLE = 1
            self._update()

    # The transmitter.

    def _next(self) -> int | None:
        if self.sr.TXE or not (self.cr1.UE and self.cr1.TE):
            return None
        self.sr.TXE = 1
        return self._tdr & (1 << self._data_bits) - 1

    def _out(self, character: int) -> None:
        super()._out(character)
        self.sr.TC |= self.sr.TXE

    # The registers.

    @sr.reads
    def _look(self) -> int:
        self._seen = self.sr.value
        return self._seen

    @sr.written
    def _acknowledge(self, old: int, new: int) -> None:
        self._update()
        self._deliver()

    @dr.reads
    def _take_character(self) -> int:
        character = self._rdr
        self.sr.value &= ~(RXNE | self._seen & _CLEARED)
        self._seen &= TC
        self._update()
        self._deliver()
        return character

    @dr.written
    def _put_character(self, old: int, new: int) -> None:
        if not (self.cr1.UE and self.cr1.TE):
            return
        self._tdr = new & 0x1FF
        self.sr.value &= ~(TXE | self._seen & TC)
        self._seen &= ~TC
        self._send()

    @brr.written
    def _set_divider(self, old: int, new: int) -> None:
        self._go_on()

    @cr1.written
    def _control(self, old: int, new: int) -> None:
        self._go_on()

    @cr3.written
    def _control_more(self, old: int, new: int) -> None:
        self._update()

    def _go_on(self) -> None:
        self._send()
        self._deliver()

    def _update(self) -> None:
        sr, cr1, cr3 = self.sr.value, self.cr1, self.cr3
        self.rx_dma.set(bool(cr3.DMAR and sr & RXNE))
        self.tx_dma.set(bool(cr3.DMAT and sr & TXE and cr1.UE and cr1.TE))
        sr = self.sr.value  # a DMA controller may have acted
        self.irq.set(
            bool(
                (cr1.TXEIE and sr & TXE)
                or (cr1.TCIE and sr & TC)
                or (cr1.RXNEIE and sr & (RXNE | ORE))
                or (cr1.IDLEIE and sr & IDLE)
                or (cr1.PEIE and sr & PE)
                or (cr3.EIE and cr3.DMAR and sr & (NF | ORE | FE))
            )
        )

    # State.

    def reset(self) -> None:
        """Reset the USART; what is on the wire to it is still there."""
        super().reset()
        self._power_on()

    def snapshot(self) -> dict[str, Any]:
        """Add what no register shows."""
        return super().snapshot() | {"hidden": [self._rdr, self._tdr, self._seen]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take it all back."""
        super().restore(state)
        self._rdr, self._tdr, self._seen = state["hidden"]
