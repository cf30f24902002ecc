"""This process as a source of faults: native code loaded here touches a device, and Python answers."""

from mmio.inprocess.mapping import Mapping, Policies, Ports, ioremap, map_ports

__all__ = ["Mapping", "Policies", "Ports", "ioremap", "map_ports"]
