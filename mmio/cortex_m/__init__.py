"""Models of a Cortex-M core's own peripherals and its exception logic, for firmware compiled for the host."""

import sys
from typing import TYPE_CHECKING

from mmio.demand import on_demand

if TYPE_CHECKING:
    from mmio.cortex_m.core import Core, CoreBlock, ResetRequested, SleepForever
    from mmio.cortex_m.exceptions import LockupError
    from mmio.cortex_m.intrinsics import INCLUDE, BreakpointHit, Intrinsics
else:
    __getattr__, __dir__ = on_demand(sys.modules[__name__])

__all__ = [
    "INCLUDE",
    "BreakpointHit",
    "Core",
    "CoreBlock",
    "Intrinsics",
    "LockupError",
    "ResetRequested",
    "SleepForever",
]
