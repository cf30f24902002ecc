"""This process as a source of faults: native code loaded here touches a device, and Python answers."""

import sys
from typing import TYPE_CHECKING

from mmio.demand import on_demand

if TYPE_CHECKING:  # and loaded when they are used: see `demand`
    from mmio.inprocess.mapping import Mapping, Policies, Ports, ioremap, map_ports
    from mmio.live.passthrough import Passthrough
    from mmio.patching.stats import TrapStats
else:
    __getattr__, __dir__ = on_demand(sys.modules[__name__])

__all__ = ["Mapping", "Passthrough", "Policies", "Ports", "TrapStats", "ioremap", "map_ports"]
