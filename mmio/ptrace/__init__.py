"""Another process as a source of faults: the accesses an unmodified program makes to chosen files and ports."""

from mmio.ptrace.tracer import Tracer

__all__ = ["Tracer"]
