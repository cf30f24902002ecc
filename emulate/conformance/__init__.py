"""The conformance kit: check your own bus, registers or whole emulator against what a real CPU did.

It needs only this package: the cases and their outcomes were recorded on silicon and are shipped with it. See
docs/conformance.md.
"""

from emulate.conformance.bus import check_bus
from emulate.conformance.case import Case, Machine, Outcome, machine, recorded
from emulate.conformance.emulator import Run, check_emulator
from emulate.conformance.registers import check_registers
from emulate.conformance.report import Failure, Report

__all__ = [
    "Case",
    "Failure",
    "Machine",
    "Outcome",
    "Report",
    "Run",
    "check_bus",
    "check_emulator",
    "check_registers",
    "machine",
    "recorded",
]
