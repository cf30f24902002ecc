"""A 16550 UART as its datasheet has it (PC16550D, section 8), without time.

The line is infinitely fast: a character leaves when it is written, unless `blocked` holds it back, and `receive` is a
burst after which the line is idle. So everything a driver can see happens, in a fixed order, and no test has to wait.

`irq` is the chip's INTR pin. On a PC's board it passes a gate, which OUT2 opens; here there is no board.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

from mmio import Device, Spaced, bit, field, line, register

FIFO = 16  # characters in each direction
TRIGGERS = (1, 4, 8, 14)  # characters, by FCR.TRIGGER
OVERRUN, PARITY, FRAMING, BREAK = 0x02, 0x04, 0x08, 0x10  # bits of LSR; the last three belong to a character
ERRORS = OVERRUN | PARITY | FRAMING | BREAK
DELTAS = 0x0F  # bits of MSR
SOURCES = {0x1: "NONE", 0x6: "LINE", 0x4: "DATA", 0xC: "TIMEOUT", 0x2: "THRE", 0x0: "MODEM"}


class Uart(Device):
    """One 16550. Outside of it there is a wire: `sent` is what it has put there, `receive` what comes from there."""

    lcr = register(
        3,
        width=1,
        fields=[field("WLS", 1, 0), bit("STB", 2), bit("PEN", 3), bit("EPS", 4), bit("BREAK", 6), bit("DLAB", 7)],
    )
    rbr = register(0, width=1, access="r", when=lcr.has(DLAB=0))
    thr = register(0, width=1, access="w", when=lcr.has(DLAB=0))
    dll = register(0, width=1, when=lcr.has(DLAB=1))
    ier = register(
        1,
        width=1,
        when=lcr.has(DLAB=0),
        fields=[bit("RDA", 0), bit("THRE", 1), bit("LINE", 2), bit("MODEM", 3), field("ZERO", 7, 4, access="na")],
    )
    dlm = register(1, width=1, when=lcr.has(DLAB=1))
    iir = register(2, width=1, access="r", reset=1, fields=[field("ID", 3, 0, enum=SOURCES), field("FIFO", 7, 6)])
    fcr = register(
        2,
        width=1,
        access="w",
        fields=[
            bit("ENABLE", 0),
            bit("RX_RESET", 1, singlepulse=True),
            bit("TX_RESET", 2, singlepulse=True),
            bit("DMA", 3),
            field("TRIGGER", 7, 6),
        ],
    )
    mcr = register(
        4,
        width=1,
        fields=[
            bit("DTR", 0),
            bit("RTS", 1),
            bit("OUT1", 2),
            bit("OUT2", 3),
            bit("LOOP", 4),
            field("ZERO", 7, 5, access="na"),
        ],
    )
    lsr = register(
        5,
        width=1,
        access="r",
        reset=0x60,
        fields=[
            bit("DR", 0),
            bit("OE", 1, on_read="rclr"),
            bit("PE", 2, on_read="rclr"),
            bit("FE", 3, on_read="rclr"),
            bit("BI", 4, on_read="rclr"),
            bit("THRE", 5),
            bit("TEMT", 6),
            bit("FIFOE", 7),
        ],
    )
    msr = register(
        6,
        width=1,
        access="r",
        fields=[
            bit("DCTS", 0, on_read="rclr"),
            bit("DDSR", 1, on_read="rclr"),
            bit("TERI", 2, on_read="rclr"),
            bit("DDCD", 3, on_read="rclr"),
            bit("CTS", 4),
            bit("DSR", 5),
            bit("RI", 6),
            bit("DCD", 7),
        ],
    )
    scr = register(7, width=1)
    irq = line()

    def __init__(self) -> None:
        self.sent = bytearray()
        self._inputs = 0  # CTS DSR RI DCD from outside, where MSR has them
        self._blocked = False
        self._power_on()

    def _power_on(self) -> None:
        self._rx: deque[tuple[int, int]] = deque()  # characters and their errors
        self._tx: deque[int] = deque()
        self._thre = False  # the transmitter has emptied, and the interrupt is still to come
        self._timeout = False  # characters have been waiting for longer than four would take

    # The wire.

    def receive(self, data: bytes, errors: int = 0) -> None:
        """Take characters off the wire, each with `errors` (PARITY, FRAMING, BREAK); then the line is idle."""
        if not self.mcr.LOOP:
            for character in data:
                self._arrive(character, errors)
            self.idle()

    def idle(self) -> None:
        """Let the time of four characters pass without any."""
        self._timeout = bool(self._rx) and bool(self.fcr.ENABLE)
        self._update()

    def modem(self, *, cts: bool = False, dsr: bool = False, ri: bool = False, dcd: bool = False) -> None:
        """Set what comes in from the modem."""
        self._inputs = cts << 4 | dsr << 5 | ri << 6 | dcd << 7
        self._update_modem()

    @property
    def blocked(self) -> bool:
        """Whether the wire takes nothing, so that characters queue up in the transmitter."""
        return self._blocked

    @blocked.setter
    def blocked(self, blocked: bool) -> None:
        self._blocked = blocked
        self._drain()

    # The registers.

    @thr.written
    def _transmit(self, old: int, new: int) -> None:
        self._thre = False
        if len(self._tx) == (FIFO if self.fcr.ENABLE else 1):
            self._tx.pop()  # the datasheet leaves this open; the last place is overwritten
        self._tx.append(new & self._word)
        self._drain()

    @rbr.reads
    def _take(self) -> int:
        self._timeout = False
        if not self._rx:
            return self.rbr.value
        character, _ = self._rx.popleft()
        self._reveal()
        self._update()
        return character

    @ier.written
    def _enable(self, old: int, new: int) -> None:
        if new & ~old & 2 and not self._tx:
            self._thre = True
        self._update()

    @iir.reads
    def _identify(self) -> int:
        """Name the most urgent source; being told about the empty transmitter is what ends that interrupt."""
        source = self._source()
        if SOURCES[source] == "THRE":
            self._thre = False
            self._update()
        return source | (0xC0 if self.fcr.ENABLE else 0)

    @fcr.written
    def _control_fifos(self, old: int, new: int) -> None:
        enable = new & 1
        if not enable:
            self.fcr.value = 0  # the other bits count only beside ENABLE
        if self.fcr.RX_RESET or (old ^ enable) & 1:
            self._rx.clear()
            self._timeout = False
        if self.fcr.TX_RESET or (old ^ enable) & 1:
            self._tx.clear()
        self._drain()

    @lcr.written
    def _set_line(self, old: int, new: int) -> None:
        if new & ~old & 0x40 and self.mcr.LOOP:
            self._arrive(0, BREAK | FRAMING)
            self.idle()

    @mcr.written
    def _set_modem(self, old: int, new: int) -> None:
        self._update_modem()

    @lsr.reads
    def _line_status(self) -> int:
        self._update()
        answer = self.lsr.value
        self.lsr.value &= ~ERRORS
        if self._rx:
            self._rx[0] = self._rx[0][0], 0
        self._update()
        return answer

    @msr.reads
    def _modem_status(self) -> int:
        answer = self.msr.value
        self.msr.value &= ~DELTAS
        self._update()
        return answer

    # The inside.

    @property
    def _word(self) -> int:
        return (1 << 5 + self.lcr.WLS) - 1

    def _source(self) -> int:
        """Return what IIR says now: the enabled source of the highest priority."""
        enough = TRIGGERS[self.fcr.TRIGGER] if self.fcr.ENABLE else 1
        if self.ier.LINE and self.lsr.value & ERRORS:
            return 0x6
        if self.ier.RDA and len(self._rx) >= enough:
            return 0x4
        if self.ier.RDA and self._timeout:
            return 0xC
        if self.ier.THRE and self._thre:
            return 0x2
        if self.ier.MODEM and self.msr.value & DELTAS:
            return 0x0
        return 0x1

    def _update(self) -> None:
        lsr = self.lsr
        lsr.DR = bool(self._rx)
        lsr.THRE = lsr.TEMT = not self._tx
        lsr.FIFOE = bool(self.fcr.ENABLE and any(errors for _, errors in self._rx))
        self.irq.set(self._source() != 0x1)

    def _arrive(self, character: int, errors: int) -> None:
        if len(self._rx) == (FIFO if self.fcr.ENABLE else 1):
            self.lsr.OE = 1
            if self.fcr.ENABLE:
                return  # the FIFO keeps what it has
            self._rx.clear()  # the holding register does not
        self._rx.append((character & self._word, errors))
        if len(self._rx) == 1:
            self._reveal()

    def _reveal(self) -> None:
        """Show the errors of the character that can be read next."""
        if self._rx:
            self.lsr.value |= self._rx[0][1]

    def _drain(self) -> None:
        """Put on the wire what waits for it; in a loop the wire is our own receiver."""
        waited = bool(self._tx)
        while self._tx and (self.mcr.LOOP or not self._blocked):
            character = self._tx.popleft()
            if self.mcr.LOOP:
                self._arrive(character, 0)
            else:
                self.sent.append(character)
        if waited and not self._tx:
            self._thre = True
            if self.mcr.LOOP:
                self.idle()
        self._update()

    def _update_modem(self) -> None:
        """Take over the modem's lines, or our own outputs in a loop, and note what has changed."""
        mcr = self.mcr
        levels = mcr.RTS << 4 | mcr.DTR << 5 | mcr.OUT1 << 6 | mcr.OUT2 << 7 if mcr.LOOP else self._inputs
        before = self.msr.value
        changed = (before ^ levels) >> 4
        fell = before & ~levels & 0x40  # of RI only the trailing edge counts
        self.msr.value = levels | before & DELTAS | changed & 0xB | fell >> 4
        self._update()

    def reset(self) -> None:
        """Pull the reset pin: DLL, DLM and SCR keep what they have, as the datasheet says of them."""
        kept = self.dll.value, self.dlm.value, self.scr.value
        super().reset()
        self.dll.value, self.dlm.value, self.scr.value = kept
        self._power_on()
        self._update_modem()
        self.msr.value &= ~DELTAS

    def snapshot(self) -> dict[str, Any]:
        """Add what is in the FIFOs."""
        fifos = {"rx": [list(entry) for entry in self._rx], "tx": list(self._tx)}
        flags = {"thre": self._thre, "timeout": self._timeout, "blocked": self._blocked, "inputs": self._inputs}
        return super().snapshot() | {"fifos": fifos, "flags": flags}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take it all back."""
        super().restore(state)
        self._rx = deque((character, errors) for character, errors in state["fifos"]["rx"])
        self._tx = deque(state["fifos"]["tx"])
        flags = state["flags"]
        self._thre, self._timeout = flags["thre"], flags["timeout"]
        self._blocked, self._inputs = flags["blocked"], flags["inputs"]


class Uart32(Spaced):
    """The same on a 32-bit bus: its registers are 4 bytes apart, and read as 32 bits too."""

    def __init__(self) -> None:
        super().__init__(Uart(), 4)
