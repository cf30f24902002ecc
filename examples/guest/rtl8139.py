"""A RealTek RTL8139C+, as Linux's 8139cp driver sees it, with a name server at the other end of its wire.

    pagetrap boot --fetch --live --module 8139cp --device examples/guest/rtl8139.py:Nic -- \
        'ip addr add 10.0.0.2/24 dev eth0; ip link set eth0 up; sleep 1; nslookup -type=a pagetrap.test 10.0.0.1'

After the RTL8139C+ data sheet, revision 1.6: registers in chapter 6, descriptors in 9.2. The EEPROM is a 93C46. What is
not here: the rings of the older RTL8139 (its driver, 8139too, gets as far as `OldNic` goes: it probes), checksums, and
the second transmit ring.
"""

import struct
from typing import Final

from wire import NameServer

from mmio import Device, array, bit, field, line, register
from mmio.pci import Bar, PciFunction

MAC: Final = bytes.fromhex("525400123457")
ROK, TOK, RDU, LINK = 1 << 0, 1 << 2, 1 << 4, 1 << 5  # causes of interrupts
CAUSES: Final = [
    *(bit("ROK", 0), bit("RER", 1), bit("TOK", 2), bit("TER", 3), bit("RDU", 4), bit("LINK", 5), bit("FOVW", 6)),
    *(bit("TDU", 7), bit("SW", 8), bit("LENCHG", 13), bit("TIMEOUT", 14), bit("SERR", 15)),
]
OWN, END, FIRST, LAST = 1 << 31, 1 << 30, 1 << 29, 1 << 28  # of a descriptor


class Rtl8139(Device):
    """The registers of the card, and what it does by itself."""

    idr = array(0x00, count=2)
    mar = array(0x08, count=2)
    dtccr = array(0x10, count=2)
    tnpds = array(0x20, count=2)
    thpds = array(0x28, count=2)
    cmd = register(
        0x37, width=1, reset=1, fields=[bit("BUFE", 0), bit("TE", 2), bit("RE", 3), bit("RST", 4, singlepulse=True)]
    )
    imr = register(0x3C, width=2, fields=CAUSES)
    isr = register(0x3E, width=2, fields=CAUSES, on_write="woclr")
    tcr = register(0x40, reset=0x74800000, fields=[field("MXDMA", 10, 8), field("IFG", 25, 24)])
    rcr = register(0x44, fields=[bit("AAP", 0), bit("APM", 1), bit("AM", 2), bit("AB", 3), field("MXDMA", 10, 8)])
    tctr = register(0x48)
    mpc = register(0x4C)
    eecr = register(0x50, width=1, fields=[bit("DO", 0), bit("DI", 1), bit("SK", 2), bit("CS", 3), field("MODE", 7, 6)])
    config0 = register(0x51, width=1)
    config1 = register(0x52, width=1, fields=[bit("PMEN", 0), bit("DVRLOAD", 5)])
    msr = register(0x58, width=1)
    config3 = register(0x59, width=1)
    config4 = register(0x5A, width=1)
    hltclk = register(0x5B, width=1)
    mulint = register(0x5C, width=2)
    bmcr = register(0x62, width=2, reset=0x1100, fields=[bit("DUPLEX", 8), bit("ANE", 12), bit("SPEED", 13)])
    bmsr = register(0x64, width=2, access="r", reset=0x7809, fields=[bit("LINK", 2), bit("ANC", 5)])
    anar = register(0x66, width=2, reset=0x05E1)
    anlpar = register(0x68, width=2, access="r", reset=0x45E1)
    aner = register(0x6A, width=2, access="r", reset=1)
    config5 = register(0xD8, width=1)
    tppoll = register(0xD9, width=1, fields=[bit("NPQ", 6), bit("HPQ", 7)])
    cpcr = register(0xE0, width=2, fields=[bit("TE", 0), bit("RE", 1), bit("MULRW", 3), bit("RXCHKSUM", 5)])
    intrmit = register(0xE2, width=2)
    rdsar = array(0xE4, count=2)
    etthr = register(0xEC, width=1)
    irq = line()

    length = 0x100

    def __init__(self, mac: bytes = MAC) -> None:
        self.eeprom = [0x8129, 0x10EC, 0x8139, 0x10EC, 0x8139, 0, 0, *struct.unpack("<3H", mac), *[0] * 54]
        self.peer = NameServer()
        self.sent: list[bytes] = []
        self.has_link = True
        self._command = self._clocks = 0
        self._to_send = self._to_fill = 0  # places in the rings

    @cmd.written
    def _control(self, old: int, new: int) -> None:
        if self.cmd.RST:
            self.reset()
            self._to_send = self._to_fill = 0

    @tnpds.written
    def _ring(self, index: int, old: int, new: int) -> None:
        self._to_send = 0

    @rdsar.written
    def _buffers(self, index: int, old: int, new: int) -> None:
        self._to_fill = 0

    @eecr.written
    def _eeprom(self, old: int, new: int) -> None:
        """Shift a bit in or out at each rising edge of SK: a one, READ (10), six bits of address; 16 of data."""
        eecr = self.eecr
        if not eecr.CS:
            self._command = self._clocks = 0
        elif new & ~old & 4 and (self._command or eecr.DI):
            if self._command < 1 << 8:
                self._command = self._command << 1 | eecr.DI
            else:
                word = self.eeprom[self._command & 63] if self._command >> 6 == 0b110 else 0xFFFF
                eecr.DO = word >> (15 - self._clocks % 16) & 1
                self._clocks += 1

    @imr.written
    def _enable(self, old: int, new: int) -> None:
        self._interrupt(0)

    @isr.written
    def _acknowledge(self, old: int, new: int) -> None:
        self._interrupt(0)

    def _interrupt(self, causes: int) -> None:
        self.isr.value |= causes
        self.irq.set(bool(self.isr.value & self.imr.value))

    @tppoll.written
    def _transmit(self, old: int, new: int) -> None:
        """Send what the descriptors hold that the card owns, and give them back."""
        self.tppoll.value = 0
        frame = b""
        while self.cmd.TE and self.cpcr.TE:
            at = (self.tnpds[1].value << 32 | self.tnpds[0].value) + 16 * self._to_send
            status, _, address = struct.unpack("<IIQ", self.memory.read(at, 16))
            if not status & OWN:
                break
            frame += self.memory.read(address, status & 0xFFFF)
            self.memory.write(at, struct.pack("<I", status & ~OWN))
            self._to_send = 0 if status & END else self._to_send + 1
            if status & LAST:
                self.sent.append(frame)
                answers, frame = self.peer.answers(frame), b""
                self._interrupt(TOK)
                for answer in answers:
                    self.receive(answer)

    def receive(self, frame: bytes) -> None:
        """Store a frame from the wire in the next receive buffer; it is lost if the card owns none."""
        if not (self.cmd.RE and self.cpcr.RE):
            return
        at = (self.rdsar[1].value << 32 | self.rdsar[0].value) + 16 * self._to_fill
        status, _, address = struct.unpack("<IIQ", self.memory.read(at, 16))
        if not status & OWN:
            self._interrupt(RDU)
            return
        frame = frame.ljust(60, b"\0") + bytes(4)  # a frame check sequence, which the driver cuts off
        self.memory.write(address, frame)
        self.memory.write(at, struct.pack("<II", status & END | FIRST | LAST | len(frame), 0))
        self._to_fill = 0 if status & END else self._to_fill + 1
        self._interrupt(ROK)

    @bmsr.reads
    def _status(self) -> int:
        return 0x7809 | 0x24 * self.has_link

    def set_link(self, up: bool) -> None:
        """Plug the cable in, or pull it out."""
        self.has_link = up
        self._interrupt(LINK)


class Nic(PciFunction):
    """The card: its registers at IO ports and in memory, one interrupt."""

    def __init__(self, card: Rtl8139 | None = None, revision: int = 0x20) -> None:
        self.card = Rtl8139() if card is None else card
        super().__init__(
            0x10EC,
            0x8139,
            0x020000,
            revision=revision,
            subsystem=(0x10EC, 0x8139),
            bars=[Bar(0, self.card, kind="io", size=0x100), Bar(1, self.card, size=0x100)],
        )
        self.interrupts.follow(self.card.irq)


class OldNic(Nic):
    """The card as 8139too takes it: of an older revision."""

    def __init__(self) -> None:
        super().__init__(revision=0x10)
