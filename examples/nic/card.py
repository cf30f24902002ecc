"""The Tern 1000 as its datasheet has it: registers, an EEPROM, two descriptor rings, a packet buffer.

What the card does by itself, fetching descriptors and frames and storing them, it does through its `memory`, the
driver's: that of this process in the demo, of another one under `pagetrap run`, or what a test maps (`mmio.Dma`).
"""

import struct
from typing import ClassVar, Self

from attrs import frozen

from mmio import Device, array, bit, field, register

READY_POLLS = 3  # how often a driver finds the card busy after a reset, and the link down after LINK_UP
EEPROM_SUM = 0xBABA
SPEEDS = {0: "NONE", 1: "10M", 2: "100M", 3: "1000M"}
BUFFER = 0x1000
DESC_OWN = 1 << 15
DESC_ERROR = 1 << 1
DESC_END = 1 << 0


@frozen
class Descriptor:
    """One entry of a ring in the driver's memory: where a frame is, and whose turn it is."""

    address: int
    length: int
    flags: int

    LAYOUT: ClassVar = struct.Struct("<QHH4x")

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Take it from memory."""
        return cls(*cls.LAYOUT.unpack(data))


class Card(Device):
    """A gigabit network card.

    `sent` collects the frames it put on the wire; `receive` is the wire delivering one.
    """

    id = register(0x000, reset=0x10001E4E, access="r")
    revision = register(0x004, width=1, reset=0x21, access="r")
    led = register(0x005, width=1, fields=[field("MODE", 1, 0, enum={0: "OFF", 1: "LINK"})])
    mtu = register(0x006, width=2, reset=1514)
    ctrl = register(0x008, fields=[bit("RESET", 0, singlepulse=True), bit("UP", 1), bit("TX", 2), bit("RX", 3)])
    status = register(
        0x00C,
        access="r",
        fields=[bit("READY", 0), bit("LINK", 1), field("SPEED", 5, 4, enum=SPEEDS)],
    )
    intr = register(0x010, on_write="woclr", fields=[bit("TX", 0), bit("RX", 1), bit("LINK", 2)])
    intr_mask = register(0x014, fields=[bit("TX", 0), bit("RX", 1), bit("LINK", 2)])
    ee_addr = register(0x020, width=1)
    ee_ctrl = register(0x021, width=1, fields=[bit("START", 0, singlepulse=True), bit("DONE", 7, access="r")])
    ee_data = register(0x022, width=2, access="r")
    mac = register(0x028, width=8)
    tx_base = register(0x040, width=8)
    tx_count = register(0x048, width=2)
    tx_inline = register(0x04A, width=2)
    tx_tail = register(0x04C)
    rx_base = register(0x050, width=8)
    rx_count = register(0x058, width=2)
    rx_tail = register(0x05C)
    tx_packets = register(0x100, width=8, access="r", on_read="rclr")
    tx_bytes = register(0x108, width=8, access="r", on_read="rclr")
    rx_packets = register(0x110, width=8, access="r", on_read="rclr")
    rx_bytes = register(0x118, width=8, access="r", on_read="rclr")
    rx_dropped = register(0x120, access="r", on_read="rclr")
    rx_errors = register(0x124, access="r", on_read="rclr")
    buffer = array(BUFFER, count=512, width=8)

    def __init__(self, mac: bytes = bytes.fromhex("025450010203"), *, cable: bool = True) -> None:
        """Solder in an EEPROM with this station address. Without a `cable` the link never comes up."""
        words = [*struct.unpack("<3H", mac), 0x0100, 0x2026, 0x1123, 0x0000]
        self.eeprom = [*words, EEPROM_SUM - sum(words) & 0xFFFF]
        self.cable = cable
        self.sent: list[bytes] = []
        self._power_on()

    def _power_on(self) -> None:
        self._polls_left = READY_POLLS
        self._fetching = False
        self._tx_head = self._rx_head = 0

    def name_at(self, offset: int, width: int) -> str | None:
        """Name what an access touches. The packet buffer is one thing, whatever it is cut into above."""
        return "BUFFER" if offset >= BUFFER else super().name_at(offset, width)

    def receive(self, frame: bytes) -> None:
        """Take a frame off the wire and into the next receive buffer of the driver, if it has one to give."""
        if not (self.ctrl.RX and self.status.LINK and self.rx_count):
            return
        descriptor = self._fetch(self.rx_base.value, self._rx_head)
        if not descriptor.flags & DESC_OWN:
            self.rx_dropped.value += 1
            return
        if len(frame) > descriptor.length:
            self._give_back(self.rx_base.value, self._rx_head, descriptor.length, DESC_ERROR)
            self.rx_errors.value += 1
        else:
            self.memory.write(descriptor.address, frame)
            self._give_back(self.rx_base.value, self._rx_head, len(frame), DESC_END)
            self.rx_packets.value += 1
            self.rx_bytes.value += len(frame)
        self._rx_head = (self._rx_head + 1) % self.rx_count.value
        self.intr.RX = 1

    @ctrl.written
    def _control(self, old: int, new: int) -> None:
        if self.ctrl.RESET:
            self.reset()
            self._power_on()
        elif not self.ctrl.UP:
            self.status.LINK = self.status.SPEED = 0
        elif not self.status.LINK:
            self._polls_left = READY_POLLS

    @status.reads
    def _settle(self) -> int:
        """Come up a little at a time: real cards make their drivers wait."""
        self._polls_left = max(self._polls_left - 1, 0)
        if not self._polls_left:
            self.status.READY = 1
            if self.ctrl.UP and self.cable and not self.status.LINK:
                self.status.LINK, self.status.SPEED = 1, 3
                self.intr.LINK = 1
        return self.status.value

    @ee_ctrl.written
    def _eeprom_start(self, old: int, new: int) -> None:
        if self.ee_ctrl.START:
            self._fetching = True
            self.ee_data.value = self.eeprom[self.ee_addr.value % len(self.eeprom)]

    @ee_ctrl.reads
    def _eeprom_poll(self) -> int:
        self.ee_ctrl.DONE = not self._fetching
        self._fetching = False
        return self.ee_ctrl.value

    @tx_inline.written
    def _send_buffer(self, old: int, new: int) -> None:
        self._send(b"".join(register.value.to_bytes(8, "little") for register in self.buffer)[:new])

    @tx_tail.written
    def _send_ring(self, old: int, new: int) -> None:
        if new >= self.tx_count.value:
            raise ValueError(f"TX_TAIL is {new}, but the ring has {self.tx_count.value} descriptors")
        while self._tx_head != new:
            descriptor = self._fetch(self.tx_base.value, self._tx_head)
            self._send(self.memory.read(descriptor.address, descriptor.length))
            self._give_back(self.tx_base.value, self._tx_head, descriptor.length, descriptor.flags & ~DESC_OWN)
            self._tx_head = (self._tx_head + 1) % self.tx_count.value

    def _fetch(self, ring: int, index: int) -> Descriptor:
        size = Descriptor.LAYOUT.size
        return Descriptor.unpack(self.memory.read(ring + index * size, size))

    def _give_back(self, ring: int, index: int, length: int, flags: int) -> None:
        self.memory.write(ring + index * Descriptor.LAYOUT.size + 8, struct.pack("<HH", length, flags))

    def _send(self, frame: bytes) -> None:
        if not (self.ctrl.TX and self.status.LINK):
            return
        self.sent.append(frame)
        self.tx_packets.value += 1
        self.tx_bytes.value += len(frame)
        self.intr.TX = 1
