"""Bytes to instructions: operands, widths, directions. The only package that knows iced-x86."""

from decode.decoder import decode
from decode.errors import DecodeError, InstructionTooLong, InvalidInstruction, PagetrapError, TruncatedInstruction
from decode.forms import Form, forms
from decode.instruction import Instruction, MemoryAccess, PortAccess
from decode.operands import (
    NONE,
    READ,
    READ_WRITE,
    WRITE,
    BranchOperand,
    Direction,
    FarPointerOperand,
    ImmediateOperand,
    MemoryOperand,
    PortOperand,
    RegisterOperand,
)
from decode.registers import REGISTERS, Register, merge
from decode.resolve import MemoryTouch, PortTouch, accesses, checked_ranges, iter_accesses
from decode.vendors import Vendor, vendor_of

__all__ = [
    "NONE",
    "READ",
    "READ_WRITE",
    "REGISTERS",
    "WRITE",
    "BranchOperand",
    "DecodeError",
    "Direction",
    "FarPointerOperand",
    "Form",
    "ImmediateOperand",
    "Instruction",
    "InstructionTooLong",
    "InvalidInstruction",
    "MemoryAccess",
    "MemoryOperand",
    "MemoryTouch",
    "PagetrapError",
    "PortAccess",
    "PortOperand",
    "PortTouch",
    "Register",
    "RegisterOperand",
    "TruncatedInstruction",
    "Vendor",
    "accesses",
    "checked_ranges",
    "decode",
    "forms",
    "iter_accesses",
    "merge",
    "vendor_of",
]
