"""The law of order: with the pages of its accesses absent, the CPU faults where the emulator's first access is.

The manuals mostly leave the order of an instruction's accesses open. The CPU tells it: whichever pages are absent, the
fault it reports is that of the first access to one of them. docs/vendors.md has what was found, and on which CPU.
"""

from __future__ import annotations

import os

import pytest

from tests.emulate.order import MODES, judge
from tests.oracle.host import need_silicon

pytestmark = [pytest.mark.slow, pytest.mark.silicon]

EXAMPLES = int(os.environ.get("PAGETRAP_EXAMPLES", "20")) // 10 or 1


@pytest.mark.parametrize("bits", MODES)
def test_the_first_fault_is_the_first_access(bits: int) -> None:
    """With any of its pages absent, an instruction faults at its first access to one of them, as on silicon."""
    need_silicon()
    figures, differing = judge(bits, EXAMPLES)
    assert figures["with several accesses"]
    assert not differing, "\n".join(differing[:20])
