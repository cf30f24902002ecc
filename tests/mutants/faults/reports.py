"""Faults in the page that shows a trace."""

from typing import Final

from tests.mutants.mutant import MmioMutant

REPORTS: Final = (
    MmioMutant(
        "registers that share bytes get one of their names",
        "mmio.reports.naming",
        "return None if layout is None or layout.shared else layout",
        "return layout",
        "reports/test_naming.py::test_registers_that_share_bytes_are_not_guessed",
    ),
    MmioMutant(
        "the planes of a column come in the other order",
        "mmio.reports.packing",
        'return b"".join(raw[byte :: column.itemsize] for byte in range(column.itemsize))',
        'return b"".join(raw[byte :: column.itemsize] for byte in reversed(range(column.itemsize)))',
        "reports/test_packing.py::test_everything_comes_back",
    ),
    MmioMutant(
        "a title is markup",
        "mmio.reports.page",
        "title=escape(printable(title)),\n        facts",
        "title=printable(title),\n        facts",
        "reports/test_page.py::test_names_never_become_markup",
    ),
)
