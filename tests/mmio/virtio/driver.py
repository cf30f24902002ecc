"""A virtio driver in Python, in memory of its own: what the tests need of one."""

import struct
from collections.abc import Sequence

from mmio.device.memory import Data, ProgramMemoryError
from mmio.virtio.transport import VERSION_1, VirtioMmio

DESC, AVAILABLE, USED = 0x1000, 0x2000, 0x3000
SIZE = 8


class Ram:
    """Memory of 64 KiB from address 0 on."""

    def __init__(self) -> None:
        self.data = bytearray(1 << 16)

    def read(self, address: int, length: int) -> bytes:
        """Return bytes."""
        if address + length > len(self.data):
            raise ProgramMemoryError("read", address, length, 0, "the test")
        return bytes(self.data[address : address + length])

    def write(self, address: int, data: Data) -> None:
        """Store bytes."""
        if address + len(data) > len(self.data):
            raise ProgramMemoryError("write", address, len(data), 0, "the test")
        self.data[address : address + len(data)] = bytes(data)

    def put(self, address: int, form: str, *values: int) -> None:
        """Store values."""
        struct.pack_into(form, self.data, address, *values)


class Driver:
    """A driver of one device."""

    def __init__(self, device: VirtioMmio, features: int = VERSION_1, queues: int = 1, size: int = SIZE) -> None:
        self.device, self.ram, self.size = device, Ram(), size
        self.made = [0] * queues
        device.memory = self.ram
        for status in (0, 1, 3):
            device.write(0x70, 4, status)
        for half in (0, 1):
            device.write(0x24, 4, half)
            device.write(0x20, 4, features >> 32 * half & 0xFFFFFFFF)
        device.write(0x70, 4, 0xB)
        self.accepted = bool(device.read(0x70, 4) & 8)
        for queue in range(queues):
            device.write(0x30, 4, queue)
            device.write(0x38, 4, size)
            for register, place in ((0x80, DESC), (0x90, AVAILABLE), (0xA0, USED)):
                device.write(register, 4, place + 0x4000 * queue)
                device.write(register + 4, 4, 0)
            device.write(0x44, 4, 1)
        device.write(0x70, 4, 0xF)

    def descriptor(
        self, index: int, address: int, length: int, flags: int = 0, following: int = 0, queue: int = 0
    ) -> None:
        """Fill in a descriptor."""
        self.ram.put(DESC + 0x4000 * queue + 16 * index, "<QIHH", address, length, flags, following)

    def offer(self, *heads: int, queue: int = 0, notify: bool = True) -> None:
        """Make chains available."""
        base = AVAILABLE + 0x4000 * queue
        for head in heads:
            self.ram.put(base + 4 + 2 * (self.made[queue] % self.size), "<H", head)
            self.made[queue] = (self.made[queue] + 1) & 0xFFFF
        self.ram.put(base + 2, "<H", self.made[queue])
        if notify:
            self.device.write(0x50, 4, queue)

    def used(self, queue: int = 0) -> Sequence[tuple[int, int]]:
        """Return what has been given back: heads and lengths, of the last round of the ring."""
        base = USED + 0x4000 * queue
        count = struct.unpack_from("<H", self.ram.data, base + 2)[0]
        return [struct.unpack_from("<II", self.ram.data, base + 4 + 8 * (at % self.size)) for at in range(count)]
