"""Another process as a source of faults: the accesses an unmodified program makes to chosen files and ports."""

import sys
from typing import TYPE_CHECKING

from mmio.demand import on_demand

if TYPE_CHECKING:  # and loaded when it is used: this process's own source takes only pieces of the package
    from mmio.ptrace.tracer import Tracer
else:
    __getattr__, __dir__ = on_demand(sys.modules[__name__])

__all__ = ["Tracer"]
