"""Faults: any device, made to misbehave by a schedule that is data and prints as the lines that repeat it."""

import sys
from typing import TYPE_CHECKING

from mmio.demand import on_demand

if TYPE_CHECKING:  # and loaded when they are used: see `demand`
    from mmio.faults.errors import BusError, BusFault, FaultError, FaultWarning
    from mmio.faults.fault import Condition, Fault, Schedule, Setting, Span
    from mmio.faults.faulty import Faulty
    from mmio.faults.grammar import parse
    from mmio.faults.wrapping import inject, wrap
else:
    __getattr__, __dir__ = on_demand(sys.modules[__name__])

__all__ = [
    "BusError",
    "BusFault",
    "Condition",
    "Fault",
    "FaultError",
    "FaultWarning",
    "Faulty",
    "Schedule",
    "Setting",
    "Span",
    "inject",
    "parse",
    "wrap",
]
