"""Buses, devices, records, and the sources of faults."""

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
from mmio.ram import Memory
from mmio.region import Region
from mmio.space import AddressSpace

__all__ = [
    "AccessError",
    "AddressSpace",
    "DeviceError",
    "Initiator",
    "MappingError",
    "Memory",
    "MmioError",
    "NoRegister",
    "Policy",
    "PolicyError",
    "Region",
    "UnmappedAccess",
]
