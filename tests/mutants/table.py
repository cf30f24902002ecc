"""All faults, and the sources without any."""

from typing import Final

from tests.mutants.faults.boards import BOARDS
from tests.mutants.faults.commands import COMMANDS
from tests.mutants.faults.coverage import COVERAGE
from tests.mutants.faults.devices import DEVICES
from tests.mutants.faults.expectations import EXPECTATIONS
from tests.mutants.faults.files import FILES
from tests.mutants.faults.guests import GUESTS
from tests.mutants.faults.hosted_patching import HOSTED_PATCHING
from tests.mutants.faults.hosting import HOSTING
from tests.mutants.faults.inprocess import INPROCESS
from tests.mutants.faults.instructions import INSTRUCTIONS
from tests.mutants.faults.live import LIVE
from tests.mutants.faults.misbehaving import MISBEHAVING
from tests.mutants.faults.operands import OPERANDS
from tests.mutants.faults.patching import PATCHING
from tests.mutants.faults.pci import PCI
from tests.mutants.faults.program import PROGRAM
from tests.mutants.faults.records import RECORDS
from tests.mutants.faults.reports import REPORTS
from tests.mutants.faults.space import SPACE
from tests.mutants.faults.timing import TIMING
from tests.mutants.faults.tracing import TRACING
from tests.mutants.mutant import MmioMutant, Mutant

MUTANTS: Final[tuple[Mutant | MmioMutant, ...]] = (
    *OPERANDS,
    *INSTRUCTIONS,
    *SPACE,
    *BOARDS,
    *DEVICES,
    *MISBEHAVING,
    *COVERAGE,
    *RECORDS,
    *REPORTS,
    *EXPECTATIONS,
    *FILES,
    *LIVE,
    *INPROCESS,
    *PATCHING,
    *HOSTED_PATCHING,
    *PROGRAM,
    *TIMING,
    *PCI,
    *TRACING,
    *HOSTING,
    *GUESTS,
    *COMMANDS,
)
"""Every fault, by what it is about."""

_NOTHING: Final = ("emulate.flags", "STATUS: Final =", "STATUS: Final =")

CONTROLS: Final = (
    Mutant(
        "no fault, by the laws",
        *_NOTHING,
        "silicon",
        " ".join(
            sorted({word for mutant in MUTANTS if isinstance(mutant, Mutant) for word in mutant.operations.split()})
        ),
    ),
    MmioMutant(
        "no fault, by the tests",
        *_NOTHING,
        " ".join(
            sorted({test for mutant in MUTANTS if isinstance(mutant, MmioMutant) for test in mutant.tests.split()})
        ),
    ),
)
"""The sources as they are, before everything the mutants are put before: what fails here says nothing of them."""
