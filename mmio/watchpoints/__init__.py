"""Watchpoints: watched ranges of bytes, and the accesses that hit them."""

from mmio.watchpoints.hit import Hit, WatchpointStop
from mmio.watchpoints.watch import On, Watch

__all__ = ["Hit", "On", "Watch", "WatchpointStop"]
