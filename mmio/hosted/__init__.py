"""A program hosted in this process as a source of faults: it and Python share one address space."""

from mmio.hosted.host import Host

__all__ = ["Host"]
