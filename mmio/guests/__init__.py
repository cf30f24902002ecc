"""Device models as PCI cards of a virtual machine, for unmodified kernel drivers."""

import sys
from typing import TYPE_CHECKING

from mmio.demand import on_demand

if TYPE_CHECKING:  # and loaded when they are used: see `demand`
    from mmio.guests.booted import Guest
    from mmio.guests.card import Card
    from mmio.guests.control import Completed
    from mmio.guests.errors import GuestError, MissingError
    from mmio.guests.memory import GuestMemory
    from mmio.guests.messages import VfioUserError
    from mmio.guests.pci import Pci
    from mmio.guests.server import Server
    from mmio.guests.starting import guest
else:
    __getattr__, __dir__ = on_demand(sys.modules[__name__])

__all__ = [
    "Card",
    "Completed",
    "Guest",
    "GuestError",
    "GuestMemory",
    "MissingError",
    "Pci",
    "Server",
    "VfioUserError",
    "guest",
]
