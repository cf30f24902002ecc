"""Ends of a device's line outside of Python: event descriptors, signals, UIO, VFIO."""

from mmio.interrupts.event_fd import EventFd
from mmio.interrupts.signals import SignalSender
from mmio.interrupts.source import InterruptSource
from mmio.interrupts.uio import Uio
from mmio.interrupts.uio_file import UioFile, uio_fd
from mmio.interrupts.vfio import VfioInterrupts

__all__ = ["EventFd", "InterruptSource", "SignalSender", "Uio", "UioFile", "VfioInterrupts", "uio_fd"]
