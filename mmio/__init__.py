"""Buses, devices, records, and the sources of faults."""

import sys
from typing import TYPE_CHECKING

from mmio.demand import on_demand

if TYPE_CHECKING:  # and loaded when they are used: see `demand`
    from decode import PagetrapError
    from mmio.boards import Board, board
    from mmio.coverage import CoverageComparison, DeviceCoverage
    from mmio.descriptions import DescriptionError, DescriptionWarning, RdlFile, SvdFile, from_rdl, from_svd, to_rdl
    from mmio.device import (
        Device,
        Interrupt,
        Line,
        Spaced,
        array,
        bit,
        block,
        blocks,
        field,
        fifo_register,
        indexed,
        line,
        register,
    )
    from mmio.device.checkpoint import Checkpoint, checkpoint
    from mmio.device.clock import Clock, ClockError, ClockState, ms, seconds, us
    from mmio.device.dma import Dma, DmaError
    from mmio.documents import document
    from mmio.errors import (
        AccessError,
        DefinitionError,
        DeviceError,
        MappingError,
        MmioError,
        NoRegister,
        PolicyError,
        UnmappedAccess,
    )
    from mmio.formats import TraceFileError, TraceFormatError, open_trace, save, writer
    from mmio.guests import Pci, guest
    from mmio.inprocess import Mapping, Passthrough, TrapStats, ioremap, map_ports
    from mmio.interrupts import EventFd, InterruptSource, SignalSender, Uio, UioFile, VfioInterrupts, uio_fd
    from mmio.ptrace import Tracer
    from mmio.records.access import Access
    from mmio.records.symbols import Symbols, SymbolsWarning
    from mmio.space.initiator import Initiator
    from mmio.space.policy import Policy
    from mmio.space.region import DeviceLike, Region
    from mmio.space.space import AddressSpace
    from mmio.traces.diff import TraceDiff
    from mmio.traces.expect import assert_accesses
    from mmio.traces.expected import notation
    from mmio.traces.golden import GoldenError, assert_trace
    from mmio.traces.grammar import ExpectationError
    from mmio.traces.replay import Replay
    from mmio.traces.summary import Summary
    from mmio.traces.trace import Trace
    from mmio.traces.view import TraceView
    from mmio.watching import watch
    from mmio.watchpoints import Hit, Watch, WatchpointStop
else:
    __getattr__, __dir__ = on_demand(sys.modules[__name__])

__all__ = [
    "Access",
    "AccessError",
    "AddressSpace",
    "Board",
    "Checkpoint",
    "Clock",
    "ClockError",
    "ClockState",
    "CoverageComparison",
    "DefinitionError",
    "DescriptionError",
    "DescriptionWarning",
    "Device",
    "DeviceCoverage",
    "DeviceError",
    "DeviceLike",
    "Dma",
    "DmaError",
    "EventFd",
    "ExpectationError",
    "GoldenError",
    "Hit",
    "Initiator",
    "Interrupt",
    "InterruptSource",
    "Line",
    "Mapping",
    "MappingError",
    "MmioError",
    "NoRegister",
    "PagetrapError",
    "Passthrough",
    "Pci",
    "Policy",
    "PolicyError",
    "RdlFile",
    "Region",
    "Replay",
    "SignalSender",
    "Spaced",
    "Summary",
    "SvdFile",
    "Symbols",
    "SymbolsWarning",
    "Trace",
    "TraceDiff",
    "TraceFileError",
    "TraceFormatError",
    "TraceView",
    "Tracer",
    "TrapStats",
    "Uio",
    "UioFile",
    "UnmappedAccess",
    "VfioInterrupts",
    "Watch",
    "WatchpointStop",
    "array",
    "assert_accesses",
    "assert_trace",
    "bit",
    "block",
    "blocks",
    "board",
    "checkpoint",
    "document",
    "field",
    "fifo_register",
    "from_rdl",
    "from_svd",
    "guest",
    "indexed",
    "ioremap",
    "line",
    "map_ports",
    "ms",
    "notation",
    "open_trace",
    "register",
    "save",
    "seconds",
    "to_rdl",
    "uio_fd",
    "us",
    "watch",
    "writer",
]
