"""A partial x86 emulator: one instruction's effect on a Cpu and a Bus."""

from decode import PagetrapError
from emulate.answer import BusError
from emulate.bus import Bus, Ram
from emulate.compiler import Compiled, is_supported
from emulate.cpu import Cpu, RegisterFile
from emulate.emulator import Emulator
from emulate.faults import (
    AlignmentCheck,
    BoundRange,
    DivideError,
    Fault,
    GeneralProtection,
    InvalidOpcode,
    MathFault,
    PageFault,
    SimdFault,
    StackFault,
    UnsupportedInstruction,
)

__all__ = [
    "AlignmentCheck",
    "BoundRange",
    "Bus",
    "BusError",
    "Compiled",
    "Cpu",
    "DivideError",
    "Emulator",
    "Fault",
    "GeneralProtection",
    "InvalidOpcode",
    "MathFault",
    "PageFault",
    "PagetrapError",
    "Ram",
    "RegisterFile",
    "SimdFault",
    "StackFault",
    "UnsupportedInstruction",
    "is_supported",
]
