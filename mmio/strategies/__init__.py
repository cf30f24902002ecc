"""Strategies and a state machine for hypothesis: generated faults, values and times for a driver under test."""

import sys
from typing import TYPE_CHECKING

from mmio.demand import on_demand

if TYPE_CHECKING:  # and loaded when they are used: see `demand`. They need hypothesis
    from mmio.strategies.guards import DriverError
    from mmio.strategies.machine import DriverMachine
    from mmio.strategies.schedules import fault_schedules, interrupt_timings, register_values
else:
    __getattr__, __dir__ = on_demand(sys.modules[__name__])

__all__ = ["DriverError", "DriverMachine", "fault_schedules", "interrupt_timings", "register_values"]
