"""The disk that `disk.c` is for, and the driver as Python sees it."""

import ctypes
import os
import subprocess
from pathlib import Path
from typing import Any

from mmio import Device, Dma, bit, field, line, register

HERE = Path(__file__).parent


class Disk(Device):
    """A disk of one block, which it stores where the descriptor says."""

    ctrl = register(
        0x00, reset=0x100, fields=[bit("EN", 0), bit("IE", 1), field("MODE", 3, 2, enum={0: "OFF", 1: "DMA", 2: "PIO"})]
    )
    stat = register(0x04, reset=1, access="r", fields=[bit("READY", 0)])
    intr = register(0x08, on_write="woclr", fields=[bit("DONE", 0), bit("ERROR", 1)])
    desc = register(0x10, width=8)
    bell = register(0x18, access="w")
    irq = line()

    def __init__(self, block: bytes = bytes(range(64)), damaged: bool = False) -> None:
        self.block = block
        self.damaged = damaged

    @bell.written
    def _fetch(self, old: int, new: int) -> None:
        descriptor = self.memory.read(self.desc.value, 16)
        address, length = (int.from_bytes(descriptor[at : at + 8], "little") for at in (0, 8))
        if self.ctrl.EN and self.ctrl.MODE == 1:
            self.memory.write(address, self.block[:length])
        self.finish()

    def finish(self) -> None:
        """Raise the interrupt for something that has been read, or that could not be."""
        self.intr.DONE = 1
        self.intr.ERROR = self.damaged
        self._drive()

    @intr.written
    def _acknowledge(self, old: int, new: int) -> None:
        self._drive()

    @ctrl.written
    def _control(self, old: int, new: int) -> None:
        self._drive()

    def _drive(self) -> None:
        self.irq.set(bool(self.ctrl.IE and self.intr.value))


class State(ctypes.Structure):
    """struct disk."""

    _fields_ = (
        ("registers", ctypes.c_void_p),
        ("completed", ctypes.c_uint32),
        ("errors", ctypes.c_uint32),
        ("address", ctypes.c_uint64),
        ("length", ctypes.c_uint64),
    )


class Driver:
    """One `struct disk`; each method is a call into C, and returns what that returns.

    Attributes:
        dma: the addresses that the disk may use, if it has such a map: buffers are mapped for as long as they are read.
    """

    def __init__(self, library: ctypes.CDLL, registers: Any) -> None:
        self.state = State()
        self._library, self._registers = library, registers
        self._at = ctypes.byref(self.state)
        self._buffers: list[Any] = []  # kept, so that no two have the same address
        self.dma: Dma | None = None

    def open(self) -> int:
        """Set the disk up."""
        return int(self._library.disk_open(self._at, self._registers))

    def read(self, length: int = 64) -> tuple[int, bytes]:
        """Read into a new buffer; return the result and what the buffer has then."""
        buffer = ctypes.create_string_buffer(length)
        self._buffers.append(buffer)
        address = ctypes.addressof(buffer)
        if self.dma is not None:
            self.dma.map(address, address, length)
        result = int(self._library.disk_read(self._at, buffer, ctypes.c_uint64(length)))
        if self.dma is not None:
            self.dma.unmap(address)
        return result, buffer.raw

    def irq(self) -> None:
        """Handle an interrupt."""
        self._library.disk_irq(self._at)

    def close(self) -> None:
        """Switch the disk off."""
        self._library.disk_close(self._at)


def build(directory: Path, *options: str) -> ctypes.CDLL:
    """Compile the driver and load it; -DBUG_… is an option that plants a mistake."""
    library = directory / f"disk{''.join(options)}.so"
    command = [os.environ.get("CC", "cc"), "-O2", "-g", "-Wall", "-shared", "-fPIC", *options]
    subprocess.run([*command, "-o", library, HERE / "disk.c"], check=True)
    return ctypes.CDLL(str(library))
