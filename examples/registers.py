"""Registers that are only memory: for programs whose device does not exist.

    pagetrap run --device examples/registers.py:Registers@/dev/uio0 -- memtool md -s /dev/uio0 -l 0+0x20
    pagetrap run --device examples/registers.py:Registers@ports:0x300+8 -- inl 0x304

A device needs no base class, only `read(offset, width)` and `write(offset, width, value)`, and the plain memory of
the emulator has both. Each byte starts with the low half of its own offset, so that a value shows where it is from.
"""

from emulate import Ram


class Registers(Ram):
    """A page of bytes that keep what is written, whatever the width."""

    length = 0x1000

    def __init__(self) -> None:
        super().__init__(bytes(range(256)) * (self.length // 256))
