"""Buses, devices, records, and the sources of faults."""

from mmio.access import Access
from mmio.device import Device, Line, array, bit, block, field, line, register
from mmio.diff import TraceDiff
from mmio.errors import (
    AccessError,
    DefinitionError,
    DeviceError,
    MappingError,
    MmioError,
    NoRegister,
    PolicyError,
    UnmappedAccess,
)
from mmio.formats import TraceFileError, TraceFormatError, open_trace, save, writer
from mmio.initiator import Initiator
from mmio.inprocess import Mapping, ioremap, map_ports
from mmio.policy import Policy
from mmio.ptrace import Tracer
from mmio.region import DeviceLike, Region
from mmio.replay import Replay
from mmio.space import AddressSpace
from mmio.summary import Summary
from mmio.symbols import Symbols
from mmio.trace import Trace
from mmio.view import TraceView

__all__ = [
    "Access",
    "AccessError",
    "AddressSpace",
    "DefinitionError",
    "Device",
    "DeviceError",
    "DeviceLike",
    "Initiator",
    "Line",
    "Mapping",
    "MappingError",
    "MmioError",
    "NoRegister",
    "Policy",
    "PolicyError",
    "Region",
    "Replay",
    "Summary",
    "Symbols",
    "Trace",
    "TraceDiff",
    "TraceFileError",
    "TraceFormatError",
    "TraceView",
    "Tracer",
    "UnmappedAccess",
    "array",
    "bit",
    "block",
    "field",
    "ioremap",
    "line",
    "map_ports",
    "open_trace",
    "register",
    "save",
    "writer",
]
