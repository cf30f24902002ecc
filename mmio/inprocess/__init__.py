"""This process as a source of faults: native code loaded here touches a device, and Python answers."""

from mmio.inprocess.mapping import Mapping, Policies, Ports, ioremap, map_ports
from mmio.inprocess.passthrough import Passthrough
from mmio.inprocess.watching import watch

__all__ = ["Mapping", "Passthrough", "Policies", "Ports", "ioremap", "map_ports", "watch"]
