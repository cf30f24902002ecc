"""Watchpoints: bytes that somebody wants to know about, and what happened to them."""

from mmio.watchpoints.hit import Hit, WatchpointStop
from mmio.watchpoints.watch import On, Watch

__all__ = ["Hit", "On", "Watch", "WatchpointStop"]
