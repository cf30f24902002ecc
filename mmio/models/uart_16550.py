"""The 16550 UART, as in PCs and many systems on a chip (PC16550D data sheet, section 8).

`irq` is the chip's INTR pin. On a PC's board it passes a gate, which OUT2 opens; here there is no board.

Not modelled: DMA mode (FCR.DMA, the RXRDY and TXRDY pins).
"""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from mmio.arguments import integer
from mmio.device.field import Field, bit, field
from mmio.device.line import line
from mmio.device.register import register
from mmio.models.serial import SerialPort

FIFO: Final = 16  # characters in each direction
TRIGGERS: Final = (1, 4, 8, 14)  # characters, by FCR.TRIGGER
SOURCES: Final = {0x1: "NONE", 0x6: "LINE", 0x4: "DATA", 0xC: "TIMEOUT", 0x2: "THRE", 0x0: "MODEM"}
_FLAGS: Final = {"overrun": 0x02, "parity": 0x04, "framing": 0x08, "break": 0x18}  # of LSR; a break lacks its stop bit
_ERRORS: Final = 0x1E
_DELTAS: Final = 0x0F  # of MSR

_LCR = [
    field("WLS", 1, 0),
    bit("STB", 2),
    bit("PEN", 3),
    bit("EPS", 4),
    bit("STICK", 5),
    bit("BREAK", 6),
    bit("DLAB", 7),
]
_IER = [bit("RDA", 0), bit("THRE", 1), bit("LINE", 2), bit("MODEM", 3), field("ZERO", 7, 4, access="na")]
_IIR = [field("ID", 3, 0, enum=SOURCES), field("FIFO", 7, 6)]
_FCR = [
    bit("ENABLE", 0),
    bit("RX_RESET", 1, singlepulse=True),
    bit("TX_RESET", 2, singlepulse=True),
    bit("DMA", 3),
    field("TRIGGER", 7, 6),
]
_MCR = [
    bit("DTR", 0),
    bit("RTS", 1),
    bit("OUT1", 2),
    bit("OUT2", 3),
    bit("LOOP", 4),
    field("ZERO", 7, 5, access="na"),
]
_LSR = [bit(name, index) for index, name in enumerate(("DR", "OE", "PE", "FE", "BI", "THRE", "TEMT", "FIFOE"))]
_MSR = [bit(name, index) for index, name in enumerate(("DCTS", "DDSR", "TERI", "DDCD", "CTS", "DSR", "RI", "DCD"))]


class Uart16550(SerialPort):
    """A 16550. The other end of its line is `receive`, `sent` and `take`.

    Its registers are bytes side by side; those of `Uart16550Wide` are 4 bytes apart.

    Args:
        clock_hz: of its crystal, from which it makes the baud rate; 1.8432 MHz is a PC's.
        timed: characters take their time on the device's clock.

    Raises:
        TypeError: clock_hz is no int.
        ValueError: it is less than 1.
    """

    idle_characters = 4  # after so many the FIFO's time-out comes

    lcr = register(3, width=1, fields=_LCR)
    rbr = register(0, width=1, access="r", when=lcr.has(DLAB=0))
    thr = register(0, width=1, access="w", when=lcr.has(DLAB=0))
    dll = register(0, width=1, when=lcr.has(DLAB=1))
    ier = register(1, width=1, when=lcr.has(DLAB=0), fields=_IER)
    dlm = register(1, width=1, when=lcr.has(DLAB=1))
    iir = register(2, width=1, access="r", reset=1, fields=_IIR)
    fcr = register(2, width=1, access="w", fields=_FCR)
    mcr = register(4, width=1, fields=_MCR)
    lsr = register(5, width=1, access="r", reset=0x60, fields=_LSR)
    msr = register(6, width=1, access="r", fields=_MSR)
    scr = register(7, width=1)
    irq = line()

    def __init__(self, clock_hz: int = 1_843_200, *, timed: bool = False) -> None:
        super().__init__(timed=timed)
        self.clock_hz = integer("clock_hz", clock_hz, least=1)
        self._inputs = 0  # CTS DSR RI DCD from outside, where MSR has them
        self._power_on()

    def _power_on(self) -> None:
        self._rx: deque[tuple[int, int]] = deque()  # characters, and their errors as LSR has them
        self._tx: deque[int] = deque()
        self._errors = 0  # of LSR, of the character that can be read next, and overruns
        self._deltas = 0  # of MSR
        self._thre = False  # the transmitter has emptied, and the interrupt is still to come
        self._timeout = False  # characters have been waiting for longer than four would take

    # The outside.

    @property
    def baud(self) -> float:
        """Return the baud rate that the divisor gives; 0.0 while it gives none."""
        divisor = self.dlm.value << 8 | self.dll.value
        return self.clock_hz / (16 * divisor) if divisor else 0.0

    def modem(self, *, cts: bool = False, dsr: bool = False, ri: bool = False, dcd: bool = False) -> None:
        """Set what comes in from the modem."""
        self._inputs = cts << 4 | dsr << 5 | ri << 6 | dcd << 7
        self._update_modem()

    def _character_ns(self) -> int | None:
        lcr = self.lcr
        stop = (2.0 if lcr.WLS else 1.5) if lcr.STB else 1.0
        bits = 1 + 5 + lcr.WLS + lcr.PEN + stop
        return round(bits * 1e9 / self.baud) if self.baud else None

    # The receiver.

    @property
    def _room(self) -> int:
        return FIFO if self.fcr.ENABLE else 1

    def _ready(self) -> bool:
        return not self.mcr.LOOP and len(self._rx) < self._room

    def _unread(self) -> bool:
        return False

    def _arrive(self, character: int, errors: frozenset[str]) -> None:
        if not self.mcr.LOOP:  # in a loop the receiver is off the wire
            flags = sum(_FLAGS.get(error, 0) for error in errors - {"break"}) | ("break" in errors and _FLAGS["break"])
            if not self.lcr.PEN:
                flags &= ~_FLAGS["parity"]
            self._store(0 if "break" in errors else character, flags)

    def _store(self, character: int, flags: int) -> None:
        self._timeout = False
        if flags & _FLAGS["overrun"]:
            self._errors |= _FLAGS["overrun"]
        if len(self._rx) == self._room:
            self._errors |= _FLAGS["overrun"]
            if not self.fcr.ENABLE:
                self._rx.clear()  # the holding register is overwritten; a FIFO keeps what it has
        if len(self._rx) < self._room:
            self._rx.append((character & self._word, flags & ~_FLAGS["overrun"]))
            if len(self._rx) == 1:
                self._reveal()
        self._update()

    def _reveal(self) -> None:
        """Show the errors of the character that can be read next."""
        if self._rx:
            self._errors |= self._rx[0][1]

    def _idle(self) -> None:
        self._timeout = bool(self._rx) and bool(self.fcr.ENABLE)
        self._update()

    # The transmitter.

    @property
    def _word(self) -> int:
        return (1 << 5 + self.lcr.WLS) - 1

    def _held(self) -> bool:
        return self._blocked and not self.mcr.LOOP

    def _next(self) -> int | None:
        if not self._tx:
            return None
        character = self._tx.popleft()
        self._thre |= not self._tx
        return character

    def _out(self, character: int) -> None:
        if not self.mcr.LOOP:
            super()._out(character)
            return
        self._store(character, 0)
        if not self._tx:
            self._idle()

    # The registers.

    @thr.written
    def _transmit(self, old: int, new: int) -> None:
        self._thre = False
        if len(self._tx) == self._room:
            self._tx.pop()  # the data sheet leaves this open; the last place is overwritten
        self._tx.append(new & self._word)
        self._send()

    @rbr.reads
    def _take(self) -> int:
        self._timeout = False
        if not self._rx:
            return self.rbr.value
        character, _ = self._rx.popleft()
        self._reveal()
        self._update()
        self._deliver()
        return character

    @dll.written
    def _set_divisor_low(self, old: int, new: int) -> None:
        self._go_on()

    @dlm.written
    def _set_divisor_high(self, old: int, new: int) -> None:
        self._go_on()

    @ier.written
    def _enable(self, old: int, new: int) -> None:
        if new & ~old & 2 and not self._tx:
            self._thre = True
        self._update()

    @iir.reads
    def _identify(self) -> int:
        """Name the most urgent source; being told about the empty transmitter is what ends that interrupt."""
        source = self._source()
        if source == 0x2:
            self._thre = False
            self._update()
        return source | (0xC0 if self.fcr.ENABLE else 0)

    @fcr.written
    def _control_fifos(self, old: int, new: int) -> None:
        enable = new & 1
        if not enable:
            self.fcr.value = new & 0x06  # the other bits count only beside ENABLE
        if new & 0x02 or (old ^ enable) & 1:
            self._rx.clear()
            self._timeout = False
        if new & 0x04 or (old ^ enable) & 1:
            self._tx.clear()
        self._go_on()

    @lcr.written
    def _set_line(self, old: int, new: int) -> None:
        if new & ~old & 0x40 and self.mcr.LOOP:
            self._store(0, _FLAGS["break"])
            self._idle()

    @mcr.written
    def _set_modem(self, old: int, new: int) -> None:
        self._update_modem()
        self._go_on()

    @lsr.reads
    def _line_status(self) -> int:
        self._update()
        answer = self.lsr.value
        self._errors = 0
        if self._rx:
            self._rx[0] = self._rx[0][0], 0
        self._update()
        return answer

    @msr.reads
    def _modem_status(self) -> int:
        self._update()
        answer = self.msr.value
        self._deltas = 0
        self._update()
        return answer

    def _go_on(self) -> None:
        self._send()
        self._deliver()

    def _source(self) -> int:
        """Return what IIR says now: the enabled source of the highest priority."""
        enough = TRIGGERS[self.fcr.TRIGGER] if self.fcr.ENABLE else 1
        ier = self.ier
        if ier.LINE and self._errors:
            return 0x6
        if ier.RDA and len(self._rx) >= enough:
            return 0x4
        if ier.RDA and self._timeout:
            return 0xC
        if ier.THRE and self._thre:
            return 0x2
        if ier.MODEM and self._deltas:
            return 0x0
        return 0x1

    def _levels(self) -> int:
        """Return the modem's lines, or in a loop the UART's own outputs."""
        mcr = self.mcr
        return mcr.RTS << 4 | mcr.DTR << 5 | mcr.OUT1 << 6 | mcr.OUT2 << 7 if mcr.LOOP else self._inputs

    def _update(self) -> None:
        empty, fifo = not self._tx, bool(self.fcr.ENABLE)
        waiting = fifo and any(errors for _, errors in self._rx)
        self.lsr.value = (
            bool(self._rx) | self._errors | empty << 5 | (empty and self._shift is None) << 6 | waiting << 7
        )
        self.msr.value = self._levels() | self._deltas
        self.irq.set(self._source() != 0x1)

    def _update_modem(self) -> None:
        """Note which of the modem's lines have changed."""
        before, levels = self.msr.value & 0xF0, self._levels()
        fell = before & ~levels & 0x40  # of RI only the trailing edge counts
        self._deltas |= (before ^ levels) >> 4 & 0xB | fell >> 4
        self._update()

    # State.

    def reset(self) -> None:
        """Pull the reset pin: DLL, DLM and SCR keep what they have, as the data sheet says of them."""
        kept = self.dll.value, self.dlm.value, self.scr.value
        super().reset()
        self.dll.value, self.dlm.value, self.scr.value = kept
        self._power_on()
        self._update()

    def snapshot(self) -> dict[str, Any]:
        """Add the FIFOs, and what no register shows."""
        fifos = {"rx": [list(entry) for entry in self._rx], "tx": list(self._tx)}
        hidden = [self._errors, self._deltas, self._thre, self._timeout, self._inputs]
        return super().snapshot() | {"fifos": fifos, "hidden": hidden}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take it all back."""
        super().restore(state)
        self._rx = deque((character, errors) for character, errors in state["fifos"]["rx"])
        self._tx = deque(state["fifos"]["tx"])
        self._errors, self._deltas, self._thre, self._timeout, self._inputs = state["hidden"]


def _wide(fields: list[Field]) -> list[Field]:
    return [*fields, field("NONE", 31, 8, access="na")]


class Uart16550Wide(Uart16550):
    """A 16550 whose registers are 4 bytes apart, as systems on a chip have it: `reg-shift = <2>` in a device tree.

    It may be accessed as bytes and as words, of which the upper bits read as 0.
    """

    lcr = register(12, fields=_wide(_LCR))
    rbr = register(0, access="r", when=lcr.has(DLAB=0), fields=_wide([]))
    thr = register(0, access="w", when=lcr.has(DLAB=0), fields=_wide([]))
    dll = register(0, when=lcr.has(DLAB=1), fields=_wide([]))
    ier = register(4, when=lcr.has(DLAB=0), fields=_wide(_IER))
    dlm = register(4, when=lcr.has(DLAB=1), fields=_wide([]))
    iir = register(8, access="r", reset=1, fields=_wide(_IIR))
    fcr = register(8, access="w", fields=_wide(_FCR))
    mcr = register(16, fields=_wide(_MCR))
    lsr = register(20, access="r", reset=0x60, fields=_wide(_LSR))
    msr = register(24, access="r", fields=_wide(_MSR))
    scr = register(28, fields=_wide([]))
