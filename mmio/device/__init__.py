"""Device models declared as their datasheets have them: registers, fields, side effects, blocks and lines."""

from mmio.device.block import block, blocks, indexed
from mmio.device.device import Device
from mmio.device.field import bit, field
from mmio.device.fifo import fifo_register
from mmio.device.interrupt import Interrupt
from mmio.device.line import Line, line
from mmio.device.register import array, register
from mmio.device.spaced import Spaced

__all__ = [
    "Device",
    "Interrupt",
    "Line",
    "Spaced",
    "array",
    "bit",
    "block",
    "blocks",
    "field",
    "fifo_register",
    "indexed",
    "line",
    "register",
]
