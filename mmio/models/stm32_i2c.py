"""The I2C controller of STM32F4 microcontrollers as a master: RM0090, chapter 27.

No time passes on the bus. A byte to a target is there when it is written. A byte from a target takes as long as one
look at SR1, because firmware relies on having time between two bytes to clear ACK and to set STOP (27.3.3, master
receiver): each read of SR1 lets one byte come in, first into DR, then into the shift register behind it. An interrupt
that waits for such a byte is raised at once, and its handler's read of SR1 then finds the byte.

Not modelled: the slave's side, SMBus and PEC, DMA requests, addresses of ten bits.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol, runtime_checkable

from mmio.arguments import integer, shortened
from mmio.device.device import Device
from mmio.device.field import bit, field
from mmio.device.line import line
from mmio.device.register import register
from mmio.models.chip import Chip
from mmio.models.limits import NotModelled

SB, ADDR, BTF, RXNE, TXE, AF = 0x001, 0x002, 0x004, 0x040, 0x080, 0x400  # of SR1
_EVENTS: Final = 0x01F  # SB, ADDR, BTF, ADD10, STOPF
_ERRORS: Final = 0xDF00  # all that a written 0 clears
_PE, _START, _STOP, _SWRST = 0x0001, 0x0100, 0x0200, 0x8000  # of CR1
_ADDRESS_LIMIT: Final = 0x77  # 0x78 and up announce ten bits, or are reserved


@runtime_checkable
class I2cTarget(Protocol):
    """A chip at an I2C bus."""

    def start(self, read: bool) -> bool:
        """Take a start condition with the chip's address, to be read or written. Return whether it acknowledges."""

    def write(self, byte: int) -> bool:
        """Take a byte. Return whether the chip acknowledges."""

    def read(self) -> int:
        """Return the next byte, 0 to 0xFF."""

    def stop(self) -> None:
        """Take a stop condition."""


class Stm32I2c(Device):
    """An I2C controller, and the bus at it. Its interrupt lines are `event_irq` and `error_irq`."""

    cr1 = register(
        0x00,
        fields=[
            bit("PE", 0),
            bit("SMBUS", 1),
            bit("SMBTYPE", 3),
            bit("ENARP", 4),
            bit("ENPEC", 5),
            bit("ENGC", 6),
            bit("NOSTRETCH", 7),
            bit("START", 8),
            bit("STOP", 9),
            bit("ACK", 10),
            bit("POS", 11),
            bit("PEC", 12),
            bit("ALERT", 13),
            bit("SWRST", 15),
        ],
    )
    cr2 = register(
        0x04,
        fields=[
            field("FREQ", 5, 0),
            bit("ITERREN", 8),
            bit("ITEVTEN", 9),
            bit("ITBUFEN", 10),
            bit("DMAEN", 11),
            bit("LAST", 12),
        ],
    )
    oar1 = register(0x08, fields=[field("ADD", 9, 0), bit("ADDMODE", 15)])
    oar2 = register(0x0C, fields=[bit("ENDUAL", 0), field("ADD2", 7, 1)])
    dr = register(0x10, fields=[field("DR", 7, 0)])
    sr1 = register(
        0x14,
        access="r",
        fields=[
            bit("SB", 0),
            bit("ADDR", 1),
            bit("BTF", 2),
            bit("ADD10", 3),
            bit("STOPF", 4),
            bit("RXNE", 6),
            bit("TXE", 7),
            bit("BERR", 8, access="rw", on_write="wzc"),
            bit("ARLO", 9, access="rw", on_write="wzc"),
            bit("AF", 10, access="rw", on_write="wzc"),
            bit("OVR", 11, access="rw", on_write="wzc"),
            bit("PECERR", 12, access="rw", on_write="wzc"),
            bit("TIMEOUT", 14, access="rw", on_write="wzc"),
            bit("SMBALERT", 15, access="rw", on_write="wzc"),
        ],
    )
    sr2 = register(
        0x18,
        access="r",
        fields=[
            bit("MSL", 0),
            bit("BUSY", 1),
            bit("TRA", 2),
            bit("GENCALL", 4),
            bit("SMBDEFAULT", 5),
            bit("SMBHOST", 6),
            bit("DUALF", 7),
            field("PEC", 15, 8),
        ],
    )
    ccr = register(0x1C, fields=[field("CCR", 11, 0), bit("DUTY", 14), bit("FS", 15)])
    trise = register(0x20, reset=2, fields=[field("TRISE", 5, 0)])
    fltr = register(0x24, fields=[field("DNF", 3, 0), bit("ANOFF", 4)])
    event_irq = line()
    error_irq = line()

    def __init__(self) -> None:
        self._targets: dict[int, I2cTarget] = {}
        self._power_on()

    def _power_on(self) -> None:
        self._target: I2cTarget | None = None  # the one that is addressed
        self._address = 0
        self._receiving = False  # from the target, once ADDR has been cleared
        self._first = False  # no byte has come yet since then
        self._refused = False  # the last byte was not acknowledged: no other follows
        self._stopping = False  # STOP was set while ADDR held the bus
        self._rdr = self._shift = 0
        self._seen = 0  # SR1 when it was last read

    # The bus.

    def attach(self, address: int, target: I2cTarget) -> None:
        """Wire a chip to the bus.

        Args:
            address: its seven bits, without the one for the direction: 0x50, not 0xA0.
            target: the chip.

        Raises:
            TypeError: the address is no int, or the target lacks a method.
            ValueError: the address is none of seven bits, or is taken.
        """
        address = integer("address", address, 0, _ADDRESS_LIMIT)
        if isinstance(target, type) or not isinstance(target, I2cTarget):
            raise TypeError(f"a target has start(read), write(byte), read() and stop(), unlike {shortened(target)}")
        if address in self._targets:
            raise ValueError(f"address {address:#x} is taken by {shortened(self._targets[address])}")
        self._targets[address] = target
        if isinstance(target, Chip):
            target.wired_to(self)

    def detach(self, address: int) -> None:
        """Take the chip at an address off the bus.

        Raises:
            ValueError: there is none.
        """
        if address not in self._targets:
            at = ", ".join(f"{known:#x}" for known in sorted(self._targets)) or "none"
            raise ValueError(f"no chip is at {shortened(address)}; there are: {at}")
        if self._targets.pop(address) is self._target:
            self._target = None

    @property
    def speed(self) -> float:
        """Return the frequency of SCL in Hz, by CR2.FREQ and CCR (27.6.8); 0.0 while they give none."""
        clocks = self.ccr.CCR * ((25 if self.ccr.DUTY else 3) if self.ccr.FS else 2)
        return self.cr2.FREQ * 1e6 / clocks if clocks else 0.0

    # Conditions and bytes.

    def _start(self) -> None:
        self.cr1.START = self.cr1.STOP = 0
        self._take_byte()  # the one that is on the bus: a condition comes after it
        self._receiving = self._refused = self._stopping = False
        self.sr1.value = self.sr1.value & ~(ADDR | BTF | TXE) | SB
        self.sr2.value = self.sr2.value & ~4 | 3  # MSL, BUSY

    def _stop(self) -> None:
        if self.sr1.ADDR and not self.sr2.TRA:
            self._stopping = True  # the bus is held until ADDR is cleared, and one byte comes before the stop
            return
        self._take_byte()
        self.cr1.STOP = 0
        if self.sr2.MSL:
            target, self._target = self._target, None
            self._receiving = self._stopping = False
            self.sr1.value &= ~(SB | TXE) if self.sr1.RXNE else ~(SB | TXE | BTF)
            self.sr2.value &= ~7  # MSL, BUSY, TRA
            if target is not None:
                target.stop()

    def _send_address(self, byte: int) -> None:
        if byte >> 3 == 0x1E:
            raise NotModelled(self, f"addresses of ten bits (the header {byte:#x} in DR)")
        self._address, read = byte >> 1, bool(byte & 1)
        target = self._targets.get(self._address)
        if self._target is not None and self._target is not target:
            self._target.stop()  # a start for another chip ends its part, without a stop condition
        self._target = target
        self.sr2.TRA = not read
        if target is not None and target.start(read):
            self.sr1.ADDR = 1
        else:
            self.sr1.AF = 1

    def _send_byte(self, byte: int) -> None:
        self.sr1.value &= ~(TXE | BTF)
        if self._target is not None and self._target.write(byte):
            self.sr1.value |= TXE | BTF
        else:
            self.sr1.AF = 1

    def _coming(self) -> bool:
        """Return whether a byte from the target is on its way."""
        return self._receiving and not self._refused and not self.sr1.BTF

    def _acknowledges(self) -> bool:
        """Return whether the next byte is acknowledged. With POS, ACK is about the one behind it (27.6.1)."""
        return bool(self.cr1.ACK or (self.cr1.POS and self._first))

    def _take_byte(self) -> None:
        if not self._coming():
            return
        byte = 0xFF if self._target is None else integer("the byte that a target reads", self._target.read(), 0, 0xFF)
        self._refused = not self._acknowledges()
        self._first = False
        if self.sr1.RXNE:
            self._shift, self.sr1.BTF = byte, 1
        else:
            self._rdr, self.sr1.RXNE = byte, 1

    # The registers.

    @cr1.written
    def _control(self, old: int, new: int) -> None:
        if new & _SWRST or not new & _PE:
            self._abort()
            if new & _SWRST:
                super().reset()
            self.cr1.value = new & ~(_START | _STOP)
        else:
            if new & _STOP:
                self._stop()
            if new & _START:
                self._start()
        self._update()

    @cr2.written
    def _control_interrupts(self, old: int, new: int) -> None:
        self._update()

    @sr1.reads
    def _look(self) -> int:
        self._take_byte()
        self._seen = self.sr1.value
        self._update()
        return self._seen

    @sr1.written
    def _acknowledge_errors(self, old: int, new: int) -> None:
        self._update()

    @sr2.reads
    def _look_at_bus(self) -> int:
        status = self.sr2.value
        if self._seen & ADDR and self.sr1.ADDR:
            self.sr1.ADDR = 0
            if status & 4:  # TRA
                self.sr1.TXE = 1
            else:
                self._receiving = self._first = True
                if self._stopping:
                    self._stopping = False
                    self._stop()
            self._update()
        return status

    @dr.reads
    def _read_data(self) -> int:
        byte = self._rdr
        if self._receiving or self.sr1.RXNE:
            if self.sr1.BTF:
                self._rdr, self.sr1.BTF = self._shift, 0
            elif not self.sr1.RXNE:
                self._take_byte()
                byte, self.sr1.RXNE = self._rdr, 0
            else:
                self.sr1.RXNE = 0
        self._update()
        return byte

    @dr.written
    def _write_data(self, old: int, new: int) -> None:
        if self.sr1.SB:
            if self._seen & SB:
                self.sr1.SB = 0
                self._send_address(new & 0xFF)
        elif self.sr2.MSL and self.sr2.TRA and self.sr1.TXE and not self.sr1.ADDR:
            self._send_byte(new & 0xFF)
        self._seen = 0
        self._update()

    def _update(self) -> None:
        sr1, cr2 = self.sr1.value, self.cr2
        flags = sr1 & (_EVENTS | ((RXNE | TXE) if cr2.ITBUFEN else 0))
        # A look at SR1 will find RXNE, or BTF by and by, unless the byte that is coming is the only one.
        finds = cr2.ITBUFEN or sr1 & RXNE or self._acknowledges()
        self.event_irq.set(bool(cr2.ITEVTEN and (flags or (finds and self._coming()))))
        self.error_irq.set(bool(cr2.ITERREN and sr1 & _ERRORS))

    def _abort(self) -> None:
        """Leave the bus at once."""
        target = self._target
        self._power_on()
        self.sr1.value = self.sr2.value = 0
        if target is not None:
            target.stop()

    # State.

    def reset(self) -> None:
        """Reset the controller; a chip that was addressed sees a stop."""
        self._abort()
        super().reset()

    def snapshot(self) -> dict[str, Any]:
        """Add what no register shows. The chips are not part of it."""
        hidden = {
            "address": None if self._target is None else self._address,
            "flags": [self._receiving, self._first, self._refused, self._stopping],
            "data": [self._rdr, self._shift, self._seen],
        }
        return super().snapshot() | {"hidden": hidden}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take it all back."""
        super().restore(state)
        hidden = state["hidden"]
        self._address = hidden["address"] or 0
        self._target = None if hidden["address"] is None else self._targets.get(self._address)
        self._receiving, self._first, self._refused, self._stopping = hidden["flags"]
        self._rdr, self._shift, self._seen = hidden["data"]
