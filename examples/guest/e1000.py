"""An Intel 82540EM, as Linux's e1000 driver sees it, with a name server at the other end of its wire.

    pagetrap boot --fetch --live --module e1000 --device examples/guest/e1000.py:Nic -- \
        'ip addr add 10.0.0.2/24 dev eth0; ip link set eth0 up; sleep 1; nslookup -type=a pagetrap.test 10.0.0.1'

After the 8254x Software Developer's Manual: registers in chapter 13, EEPROM in 5, receive and transmit rings in 3.
"""

import struct
from typing import Final

from wire import NameServer

from mmio import Device, array, bit, field, line, register
from mmio.pci import Bar, PciFunction

MAC: Final = bytes.fromhex("525400123456")
TXDW, LSC, RXT0 = 1 << 0, 1 << 2, 1 << 7  # causes of interrupts
CHECKSUM: Final = 0xBABA  # the sum of the EEPROM's first 64 words

PHY: Final = {0: 0x1140, 1: 0x796D, 2: 0x0141, 3: 0x0C20, 4: 0x0DE1, 5: 0x45E1, 9: 0x0E00, 10: 0x3C00, 17: 0xAC08}
"""Registers of the PHY (an M88E1000): a link of 1000 Mb/s is up."""

SPEED: Final = {0: "10", 1: "100", 2: "1000", 3: "1000"}
CAUSES: Final = [bit("TXDW", 0), bit("TXQE", 1), bit("LSC", 2), bit("RXDMT0", 4), bit("RXO", 6), bit("RXT0", 7)]


class E1000(Device):
    """The registers of the card, and what it does by itself."""

    ctrl = register(
        0x00,
        fields=[
            bit("FD", 0),
            bit("ASDE", 5),
            bit("SLU", 6),
            field("SPEED", 9, 8, enum=SPEED),
            bit("RST", 26, singlepulse=True),
            bit("PHY_RST", 31),
        ],
    )
    status = register(
        0x08, access="r", reset=0x83, fields=[bit("FD", 0), bit("LU", 1), field("SPEED", 7, 6, enum=SPEED)]
    )
    eecd = register(
        0x10,
        reset=0x100,
        fields=[
            *(bit("SK", 0), bit("CS", 1), bit("DI", 2), bit("DO", 3)),
            *(bit("REQ", 6), bit("GNT", 7), bit("PRES", 8), bit("SIZE", 9)),
        ],
    )
    eerd = register(0x14)
    ctrl_ext = register(0x18)
    fla = register(0x1C)
    mdic = register(
        0x20,
        fields=[
            field("DATA", 15, 0),
            field("REG", 20, 16),
            field("PHY", 25, 21),
            field("OP", 27, 26, enum={1: "WRITE", 2: "READ"}),
            *(bit("READY", 28), bit("INT", 29), bit("ERROR", 30)),
        ],
    )
    fcal = register(0x28)
    fcah = register(0x2C)
    fct = register(0x30)
    vet = register(0x38)
    icr = register(0xC0, on_read="rclr", on_write="woclr", fields=CAUSES)
    itr = register(0xC4)
    ics = register(0xC8, fields=CAUSES)
    ims = register(0xD0, on_write="woset", fields=CAUSES)
    imc = register(0xD8, fields=CAUSES)
    rctl = register(0x100, fields=[bit("EN", 1), bit("UPE", 3), bit("MPE", 4), field("BSIZE", 17, 16)])
    fcttv = register(0x170)
    txcw = register(0x178)
    rxcw = register(0x180)
    tctl = register(0x400, fields=[bit("EN", 1), bit("PSP", 3)])
    tipg = register(0x410)
    tbt = register(0x448)
    ait = register(0x458)
    ledctl = register(0xE00)
    pba = register(0x1000, reset=0x30)
    fcrtl = register(0x2160)
    fcrth = register(0x2168)
    rdfh = array(0x2410, count=5, stride=8)
    rdbal = register(0x2800)
    rdbah = register(0x2804)
    rdlen = register(0x2808)
    rdh = register(0x2810)
    rdt = register(0x2818)
    rdtr = register(0x2820)
    rxdctl = register(0x2828)
    radv = register(0x282C)
    rsrpd = register(0x2C00)
    tdfh = array(0x3410, count=5, stride=8)
    tdbal = register(0x3800)
    tdbah = register(0x3804)
    tdlen = register(0x3808)
    tdh = register(0x3810)
    tdt = register(0x3818)
    tidv = register(0x3820)
    txdctl = register(0x3828)
    tadv = register(0x382C)
    tspmt = register(0x3830)
    stats = array(0x4000, count=64, on_read="rclr")
    rxcsum = register(0x5000)
    mta = array(0x5200, count=128)
    ra = array(0x5400, count=32)
    vfta = array(0x5600, count=128)
    wuc = register(0x5800)
    wufc = register(0x5808)
    wus = register(0x5810)
    manc = register(0x5820)
    ipav = register(0x5838)
    irq = line()

    length = 0x20000

    def __init__(self, mac: bytes = MAC) -> None:
        words = [*struct.unpack("<3H", mac), *[0] * 60]
        self.eeprom = [*words, CHECKSUM - sum(words) & 0xFFFF]
        self.phy = dict(PHY)
        self.peer = NameServer()
        self.sent: list[bytes] = []
        self._shifted_in = self._clocks = 0

    @ctrl.written
    def _control(self, old: int, new: int) -> None:
        if self.ctrl.RST:
            self.reset()

    @eecd.written
    def _eeprom(self, old: int, new: int) -> None:
        """Shift a bit in or out at each rising edge of SK: a start bit, READ (10), six bits of address, 16 of data."""
        eecd = self.eecd
        eecd.GNT = eecd.REQ
        if not eecd.CS:
            self._shifted_in = self._clocks = 0
        elif new & ~old & 1:
            self._clocks += 1
            if self._clocks <= 9:
                self._shifted_in = self._shifted_in << 1 | eecd.DI
            elif self._shifted_in >> 6 == 0b110:
                word = self.eeprom[self._shifted_in & 63]
                eecd.DO = word >> (15 - (self._clocks - 10) % 16) & 1

    @mdic.written
    def _phy(self, old: int, new: int) -> None:
        mdic = self.mdic
        if mdic.PHY != 1:
            mdic.ERROR = 1
        elif mdic.OP == 2:
            mdic.DATA = self.phy.get(mdic.REG, 0)
        elif mdic.REG not in (1, 2, 3, 5, 10, 17):  # those are only read
            self.phy[mdic.REG] = mdic.DATA & ~0x8200 if mdic.REG == 0 else mdic.DATA  # reset and restart are done
        mdic.READY = 1

    @icr.reads
    def _cause(self) -> int:
        self.irq.set(False)
        return int(self.icr.value)

    @ics.written
    def _raise(self, old: int, new: int) -> None:
        self._interrupt(new)

    @ims.written
    def _enable(self, old: int, new: int) -> None:
        self._interrupt(0)

    @imc.written
    def _disable(self, old: int, new: int) -> None:
        self.ims.value &= ~new
        self._interrupt(0)

    def _interrupt(self, causes: int) -> None:
        self.icr.value |= causes
        self.irq.set(bool(self.icr.value & self.ims.value))

    @tdt.written
    def _transmit(self, old: int, new: int) -> None:
        """Send what the descriptors from TDH to TDT hold, and write back that it was done."""
        count = self.tdlen.value // 16
        base = self.tdbah.value << 32 | self.tdbal.value
        frame, causes = b"", 0
        while self.tctl.EN and count and self.tdh.value != new:
            at = base + 16 * self.tdh.value
            address, lower, upper = struct.unpack("<QII", self.memory.read(at, 16))
            extended, context = lower >> 29 & 1, lower >> 20 & 0xF == 0
            if not (extended and context):
                frame += self.memory.read(address, lower & (0xFFFFF if extended else 0xFFFF))
                if lower >> 24 & 1:  # the end of the packet
                    self._send(frame)
                    frame = b""
            if lower >> 27 & 1:  # report status
                self.memory.write(at + 12, bytes([upper & 0xFF | 1]))
                causes |= TXDW
            self.tdh.value = (self.tdh.value + 1) % count
        self._interrupt(causes)

    def _send(self, frame: bytes) -> None:
        self.sent.append(frame)
        for answer in self.peer.answers(frame):
            self.receive(answer)

    def receive(self, frame: bytes) -> None:
        """Store a frame from the wire in the next receive buffer; it is lost if there is none."""
        count = self.rdlen.value // 16
        if not self.rctl.EN or not count or self.rdh.value == self.rdt.value:
            return
        at = (self.rdbah.value << 32 | self.rdbal.value) + 16 * self.rdh.value
        (address,) = struct.unpack("<Q", self.memory.read(at, 8))
        frame = frame.ljust(60, b"\0") + bytes(4)  # a frame check sequence, which the driver cuts off
        self.memory.write(address, frame)
        self.memory.write(at + 8, struct.pack("<HHBBH", len(frame), 0, 3, 0, 0))  # done, and the end of the packet
        self.rdh.value = (self.rdh.value + 1) % count
        self._interrupt(RXT0)


class IoWindow(Device):
    """The registers again, through two IO ports: IOADDR says which, IODATA is it (13.3). A reset comes by these."""

    ioaddr = register(0x00)
    iodata = register(0x04)

    def __init__(self, card: E1000) -> None:
        self.card = card

    @iodata.reads
    def _read(self) -> int:
        return self.card.read(self.ioaddr.value, 4)

    @iodata.written
    def _write(self, old: int, new: int) -> None:
        self.card.write(self.ioaddr.value, 4, new)


class Nic(PciFunction):
    """The card: a region of registers in memory, a window to them at IO ports, one interrupt."""

    def __init__(self, card: E1000 | None = None) -> None:
        self.card = E1000() if card is None else card
        super().__init__(
            0x8086,
            0x100E,
            0x020000,
            revision=2,
            subsystem=(0x8086, 0x001E),
            bars=[Bar(0, self.card, size=0x20000), Bar(1, IoWindow(self.card), kind="io", size=0x40)],
        )
        self.interrupts.follow(self.card.irq)
