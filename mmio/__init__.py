"""Buses, devices, records, and the sources of faults."""

from mmio.access import Access
from mmio.errors import (
    AccessError,
    DeviceError,
    MappingError,
    MmioError,
    NoRegister,
    PolicyError,
    UnmappedAccess,
)
from mmio.initiator import Initiator
from mmio.policy import Policy
from mmio.region import Region
from mmio.space import AddressSpace
from mmio.trace import Trace
from mmio.view import TraceView

__all__ = [
    "Access",
    "AccessError",
    "AddressSpace",
    "DeviceError",
    "Initiator",
    "MappingError",
    "MmioError",
    "NoRegister",
    "Policy",
    "PolicyError",
    "Region",
    "Trace",
    "TraceView",
    "UnmappedAccess",
]
