"""Device models as PCI cards of a virtual machine, for unmodified kernel drivers."""

from mmio.guests.server import Server

__all__ = ["Server"]
